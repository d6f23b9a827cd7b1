"""Handlers for the sidecar's tests: the payload says what to do, so that one runtime serves many tests.

Loaded by a real runtime as `sidecar_handlers.<name>`. Every call is written to the file `CALLS` names, one line per call.
"""

import json
import os
import pathlib
import signal
import time

CALLS = pathlib.Path(os.environ["CALLS"])


def note(what):
    """One line in the file of calls, with the time; appending so little is atomic."""
    with CALLS.open("a", encoding="utf-8") as calls:
        calls.write(json.dumps([time.time(), what]) + "\n")


def times_called(payload):
    """How often this very payload was seen, this call included (over restarts of the runtime)."""
    with CALLS.open(encoding="utf-8") as calls:
        return sum(json.loads(line)[1] == payload for line in calls)


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
    if payload.get("then") == "die_at_first" and times_called(payload) == 1:
        os.kill(os.getpid(), signal.SIGKILL)


def sleep(payload):
    time.sleep(payload["s"])
    return payload


def wait_for(payload):
    """Until somebody makes the file."""
    while not pathlib.Path(payload["file"]).exists():
        time.sleep(0.02)
    return payload


def slow_at_first(payload):
    if times_called(payload) == 1:
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


def kill_pod(_payload):
    """The sidecar first, then ourselves: as if the node had run out of memory."""
    os.kill(int((CALLS.parent / "sidecar.pid").read_text()), signal.SIGKILL)
    os.kill(os.getpid(), signal.SIGKILL)


ACTIONS = {
    "nothing": lambda _payload: None,
    "empty": lambda _payload: [],
    "many": lambda payload: [{"n": number} for number in range(payload["frames"])],
    "big": lambda payload: "x" * payload["bytes"],
    "value": lambda payload: payload["value"],
    "stream": stream,
    "sleep": sleep,
    "slow_at_first": slow_at_first,
    "wait_for": wait_for,
    "fail": fail,
    "fail_at_first": fail_at_first,
    "decode_error": decode_error,
    "die": die,
    "kill_pod": kill_pod,
    "die_at_first": die_at_first,
}


def envelope(message):
    """For envelope mode: the payload's `edit` is put into the route, its `headers` into the headers."""
    payload = message["payload"]
    note(payload)
    if isinstance(payload, dict):
        message["route"].update(payload.get("edit", {}))
        message["headers"].update(payload.get("set_headers", {}))
        message.update(payload.get("set_members", {}))
    return message


def spread(message):
    """For envelope mode: one frame for each name in the payload's `to`."""
    note(message["payload"])
    frames = []
    for name in message["payload"]["to"]:
        route = dict(message["route"])
        route["next"] = [name]
        frames.append({"payload": {"for": name}, "route": route, "headers": message["headers"]})
    return frames


def store(message):
    """An end actor's handler: fails as often as the payload says, then answers with the payload's `answer`."""
    payload = message["payload"]
    note(payload)
    if isinstance(payload, dict):
        if times_called(payload) <= payload.get("failures", 0):
            raise OSError("the store is away")
        if "answer" in payload:
            return {"payload": payload["answer"], "route": message["route"]}
    return None


def store_status(message):
    """An end actor's handler that only looks at the status."""
    note(message["status"])


def echo(payload):
    """Costs nothing, not even a note."""
    return payload


def nap(payload):
    """Takes as long as the payload says and nothing more, no note."""
    if "s" in payload:
        time.sleep(payload["s"])
    return payload
