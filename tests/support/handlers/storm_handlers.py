"""The handler of the storm's actors: the payload says where on its way it does what (tests/faults/storm_plan.py).

Loaded by a real runtime in envelope mode, because only there the attempt can be seen. Every call leaves a line in the file `RUNS` names,
at its begin; what a kill interrupts has its line all the same.
"""

import copy
import json
import os
import pathlib
import signal
import time

ACTOR = os.environ["ASYA_ACTOR_NAME"]
RUNS = os.open(os.environ["RUNS"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)


def handle(message):
    payload = message["payload"]
    attempt = message["status"]["attempt"]
    line = {
        "begin": time.time(),
        "id": message["id"],
        "parent": message.get("parent_id"),
        "place": f"{ACTOR} {attempt}",
    }
    os.write(RUNS, json.dumps(line).encode() + b"\n")
    time.sleep(payload["s"])
    does = payload["do"] if payload["at"] == ACTOR else None
    if does in ACTIONS:
        ACTIONS[does](attempt)
    payload["hops"].append(ACTOR)
    if does != "spread":
        return message
    frames = [copy.deepcopy(message) for _ in range(3)]
    for number, frame in enumerate(frames):
        frame["payload"]["frame"] = number
    return frames


def fail(_attempt):
    raise ValueError("this one always fails")


def fail_once(attempt):
    if attempt == 1:
        raise ValueError("this one fails at first")


def hang(_attempt):
    time.sleep(3600)


def kill_runtime(_attempt):
    os.kill(os.getpid(), signal.SIGKILL)


def kill_pod(_attempt):
    """The sidecar first, as if the node had run out of memory."""
    os.kill(int(pathlib.Path(os.environ["SIDECAR_PID"]).read_text()), signal.SIGKILL)
    os.kill(os.getpid(), signal.SIGKILL)


ACTIONS = {"fail": fail, "fail_once": fail_once, "hang": hang, "kill_runtime": kill_runtime, "kill_pod": kill_pod}
