"""Handlers do not care in which shape a producer writes the route."""


def resize(payload):
    return {**payload, "width": 100}


def upload(payload):
    return {**payload, "address": f"s3://images/{payload['image']}"}
