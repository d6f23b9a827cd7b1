"""A controller that has done its work writes nothing more and rests, and so does the one that follows it.

Asked at the end of every bed (tests/support/controller_bed.py), so that no test can forget it: whatever the tests of a module have left
behind, a successor that knows nothing but what is stored has to find it as it should be.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

from tests.support.controller_process import ControllerProcess
from tests.support.kube.api import Api
from tests.support.kube.proxy import ApiProxy
from tests.support.kube.record import Request, differences, substance
from tests.support.wait import until

QUIET_S = 1.5
WITHIN_S = 60.0
PASSES_AT_REST = 8
"""Of an actor in that time: the broker is looked at, a pod's grace ends."""
# What changes by itself: the broker's figures, which lag behind, and the words for how long ago the last scale was.
BY_ITSELF = (".status.queuedMessages", ".status.processingMessages", ".status.lastScaleFormatted")


def prove_quiet(
    controller: ControllerProcess, proxy: ApiProxy, api: Api, namespace: str, forgotten: frozenset[str] = frozenset()
) -> None:
    """Wait until nothing is written any more, restart, and look again. Silence has no event, so this waits for time to pass. `forgotten`
    are actors whose trouble stands nowhere in the cluster: what a successor cannot know it judges anew.

    Raises:
        AssertionError: writes go on and on, or begin again; with the writes.
    """
    proxy.heal()
    if controller.process is None or controller.process.poll() is not None:
        controller.start()
    until(lambda: not leaving(api, namespace), WITHIN_S, 0.2, what="those that are being deleted are gone")
    silent(proxy, controller, len(api.items("asyncactors", namespace)), "the controller's own work")
    controller.stop()
    since = len(proxy.record.requests)
    controller.start()
    actors = len(api.items("asyncactors", namespace))
    until(lambda: looked(controller) >= actors, WITHIN_S, 0.1, what="the successor has looked at every actor")
    silent(proxy, controller, actors, "the successor's look")
    wrong = [
        str(request) for request in proxy.record.writes(since) if wasted(request) and request.name not in forgotten
    ]
    assert not wrong, "\n".join(["a successor writes although all was done:", *wrong[:5]])


def leaving(api: Api, namespace: str) -> list[str]:
    """The actors that are being deleted."""
    actors = api.items("asyncactors", namespace)
    return [item["metadata"]["name"] for item in actors if item["metadata"].get("deletionTimestamp")]


def looked(controller: ControllerProcess) -> float:
    """Passes so far, 0 while some are still to come."""
    busy = controller.metric("workqueue_depth") or controller.metric("controller_runtime_active_workers")
    return 0 if busy else controller.metric("controller_runtime_reconcile_total")


def silent(proxy: ApiProxy, controller: ControllerProcess, actors: int, what: str) -> None:
    """Nothing was written for a while, and nobody was looked at again and again: a pass that asks for the next one at once writes nothing,
    and takes a core.
    """
    began = time.monotonic()
    passes_at: dict[float, float] = {}

    def quiet() -> bool:
        writes = proxy.record.writes()
        last = max(began, writes[-1].at if writes else began)
        if last not in passes_at:
            passes_at[last] = controller.metric("controller_runtime_reconcile_total")
        return time.monotonic() - last > QUIET_S

    try:
        until(quiet, WITHIN_S, 0.1)
    except AssertionError:
        last = "\n".join(str(request)[:300] for request in proxy.record.writes()[-5:])
        raise AssertionError(f"{what} does not end; last writes:\n{last}") from None
    made = controller.metric("controller_runtime_reconcile_total") - passes_at[max(passes_at)]
    assert made <= (actors + 1) * PASSES_AT_REST, f"{what} does not end: {made:g} passes of {actors} actors at rest"


def wasted(request: Request) -> bool:
    """Whether it was written and need not have been. What was refused before may be tried once more by somebody who does not know that."""
    if request.code is None or request.code >= 300:
        return False
    if request.sub == "status" and request.before and request.after:
        found = list(changes(request))
        return not found or any(not path.startswith(BY_ITSELF) for path in found)
    return True


def changes(request: Request) -> Iterator[str]:
    """`path: old -> new` for what a write changed."""
    assert request.before is not None
    assert request.after is not None
    return differences(substance(request.before), substance(request.after))
