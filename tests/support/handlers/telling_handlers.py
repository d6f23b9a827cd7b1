"""Handlers that have something to tell while they run, loaded by a real runtime in tests of the gateway."""


def fly(payload):
    """As many frames as asked for, each announced to whoever watches the task."""
    for number in range(payload["frames"]):
        yield "FLY", {"at": number}
        yield {"n": number}
