"""A handler is a plain function: a payload in, a payload out."""


def greet(payload):
    return {"greeting": f"Hello, {payload['name']}!"}
