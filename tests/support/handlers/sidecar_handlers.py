"""Handlers for the sidecar's tests: the payload says what to do, so that one runtime serves many tests.

Loaded by a real runtime as `sidecar_handlers.<name>`. Every call is written to the file `CALLS` names, one line per call.
"""

import json
import os
import signal
import time


def note(what):
    """One line in the file of calls; appending so little is atomic."""
    path = os.environ.get("CALLS")
    if path:
        with open(path, "a", encoding="utf-8") as calls:
            calls.write(json.dumps(what) + "\n")


def times_called(payload):
    """How often this very payload was seen, this call included (over restarts of the runtime)."""
    with open(os.environ["CALLS"], encoding="utf-8") as calls:
        return sum(json.loads(line) == payload for line in calls)


class OwnLookupError(LookupError):
    pass


def act(payload):
    """`{"do": name, ...}`: see below; everything else is echoed."""
    note(payload)
    do = payload.get("do") if isinstance(payload, dict) else None
    return ACTIONS[do](payload) if do else payload


def fail_at_first(payload):
    if times_called(payload) <= payload.get("failures", 1):
        raise ValueError("Invalid input")
    return payload


def stream(payload):
    for number in range(payload["frames"]):
        yield {"n": number}
        if payload.get("pause_s"):
            time.sleep(payload["pause_s"])
    if payload.get("then") == "raise":
        raise ValueError("Invalid input")
    if payload.get("then") == "die":
        os.kill(os.getpid(), signal.SIGKILL)


def sleep(payload):
    time.sleep(payload["s"])
    return payload


def fail(payload):
    raise {"KeyError": KeyError, "ValueError": ValueError, "Own": OwnLookupError}[payload.get("error", "ValueError")](
        "Invalid input"
    )


def decode_error(_payload):
    return json.loads("{")


def die(_payload):
    os.kill(os.getpid(), signal.SIGKILL)


def die_at_first(payload):
    if times_called(payload) == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    return payload


ACTIONS = {
    "nothing": lambda _payload: None,
    "empty": lambda _payload: [],
    "many": lambda payload: [{"n": number} for number in range(payload["frames"])],
    "big": lambda payload: "x" * payload["bytes"],
    "value": lambda payload: payload["value"],
    "stream": stream,
    "sleep": sleep,
    "fail": fail,
    "fail_at_first": fail_at_first,
    "decode_error": decode_error,
    "die": die,
    "die_at_first": die_at_first,
}


def envelope(message):
    """For envelope mode: the payload's `edit` is put into the route, its `headers` into the headers."""
    note(message["payload"])
    payload = message["payload"]
    if isinstance(payload, dict):
        message["route"].update(payload.get("edit", {}))
        message["headers"].update(payload.get("set_headers", {}))
        message.update(payload.get("set_members", {}))
    return message
