"""Handlers in envelope mode for the tests of the runtime; they run on Python 3.7 too.

`f` executes the statements in the payload's member `run` with the envelope as `e`, then returns what `out` then is.
"""


def f(envelope):
    """The handler: `{"run": "e['route']['next'] = ['x']"}`."""
    names = {"e": envelope, "out": envelope}
    payload = envelope["payload"]
    exec(payload["run"] if isinstance(payload, dict) and "run" in payload else "", names)
    return names["out"]


def generator(envelope):
    """Yields what the statements leave in `out`."""
    names = {"e": envelope, "out": []}
    exec(envelope["payload"]["run"], names)
    yield from names["out"]


def returns_object(envelope):
    return {}


def returns_k(envelope):
    return {"k": 1}


def touches_nothing(envelope):
    return envelope
