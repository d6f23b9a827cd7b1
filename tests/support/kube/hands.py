"""The hands that a kubelet and KEDA would lend where neither runs: every pod becomes ready, every ScaledObject is fine.

Used by tests that are about something else and need healthy actors.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from tests.support.controller_bed import ready
from tests.support.kube.api import JSON, MERGE, Api, Refused, path_of


@contextmanager
def hands(api: Api, *namespaces: str) -> Iterator[None]:
    """At work as long as the block lasts."""
    stop = threading.Event()

    def write(resource: str, item: JSON, status: JSON) -> None:
        path = path_of(resource, item["metadata"]["namespace"], item["metadata"]["name"])
        with suppress(Refused):  # it went meanwhile
            api.ask("PATCH", f"{path}/status", {"status": status}, MERGE)

    def work() -> None:
        fine = {"conditions": [{"type": "Ready", "status": "True", "reason": "Test", "message": ""}]}
        while not stop.wait(0.2):
            for namespace in namespaces:
                with suppress(Refused):  # the namespace or the kind is not there, or not any more
                    for pod in api.items("pods", namespace):
                        if pod["status"].get("phase") != "Running":
                            write("pods", pod, ready(pod))
                    for item in api.items("scaledobjects", namespace):
                        if not item.get("status", {}).get("conditions"):
                            write("scaledobjects", item, fine)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
