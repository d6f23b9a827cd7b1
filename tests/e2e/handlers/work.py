"""What the actors of the end-to-end tests do."""

import os
import sys
import time


def greet(payload: dict) -> dict:
    """Answer at once, and say which image did it."""
    return {"greeting": f"Hello, {payload['name']}!", "version": os.environ["HANDLERS_VERSION"]}


def doze(payload: dict) -> dict:
    """Take as long as the payload says."""
    time.sleep(payload["seconds"])
    return {**payload, "version": os.environ["HANDLERS_VERSION"], "pod": os.environ.get("HOSTNAME", "")}


def leave(payload: dict) -> dict:
    """End the process in the middle of a call."""
    sys.stderr.write("leaving, as asked\n")
    os._exit(payload.get("code", 1))
