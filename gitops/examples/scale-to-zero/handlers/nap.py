"""No process of this actor runs while its queue is empty."""


def wake(payload):
    return {"woken_by": payload["who"]}
