"""Whatever goes wrong between the controller and the API server, it ends as if nothing had, with the same creates, changes and deletes
(contract: controller, Situations 38 and 53)."""

from collections.abc import Callable, Iterator

import pytest

from tests.support.kube import faults
from tests.support.kube.cluster import Cluster, own_cluster
from tests.support.kube.record import Request, differences
from tests.support.kube.scenarios import changed_and_scaling_switched_on
from tests.support.kube.stage import Stage, disturbed, stage
from tests.support.rabbitmq import shared_node

Trouble = Callable[[Stage], object]


def watches(fault: faults.Fault, times: int | None = None) -> Trouble:
    """The next so many watches meet it; None: every one."""
    return lambda stage: stage.proxy.inject(fault, verb="watch", times=times)


def asks(fault: faults.Fault, verb: str, times: int) -> Trouble:
    """The first so many requests of that verb meet it."""
    return lambda stage: stage.proxy.inject(fault, verb=verb, times=times)


TROUBLE: dict[str, Trouble] = {
    "every watch loses an event and breaks": watches(faults.dropped(1)),
    "every event comes twice": watches(faults.duplicated),
    "every event comes late": watches(faults.delayed(0.7)),
    "every watch says 410 after one event": watches(faults.gone(1)),
    "410 as the answer to a watch": watches(faults.answer(410), 12),
    "events break off in the middle of a line": watches(faults.half_a_line, 12),
    "watches are refused with 429": watches(faults.answer(429, retry_after=1), 12),
    "watches are refused with 500": watches(faults.answer(500), 8),
    "watches are refused with 503": watches(faults.answer(503, retry_after=1), 8),
    "watches break before they begin": watches(faults.cut_before, 8),
    "lists are refused with 500": asks(faults.answer(500), "list", 6),
    "lists break off": asks(faults.cut_after, "list", 6),
    "writes are refused with 429": asks(faults.answer(429, retry_after=1), "patch", 3),
    "writes are refused with 500": asks(faults.answer(500), "patch", 3),
    "writes are refused with 503": asks(faults.answer(503), "patch", 3),
    "writes break before the server hears of them": asks(faults.cut_before, "patch", 3),
    "writes are done and the answer is lost": asks(faults.cut_after, "patch", 3),
}


@pytest.mark.timeout(240)
@pytest.mark.parametrize("trouble", TROUBLE)
def test_row_53_it_ends_as_without(cluster: Cluster, trouble: str) -> None:
    disturbed(cluster, shared_node(), changed_and_scaling_switched_on, TROUBLE[trouble])


@pytest.mark.timeout(400)
def test_row_53_silent_watches_are_given_up_after_70_s(cluster: Cluster) -> None:
    """Half open: the first watch of each kind shows nothing at all and never ends."""

    def mute(stage: Stage) -> None:
        met: set[str] = set()

        def first(request: Request) -> bool:
            new = request.verb == "watch" and request.resource not in met
            met.update({request.resource} if new else ())
            return new

        stage.proxy.inject(faults.mute(0), times=None, where=first)

    disturbed(cluster, shared_node(), changed_and_scaling_switched_on, mute)


def test_row_38_a_count_that_cannot_be_handed_over_yet_is_not_let_go(cluster: Cluster) -> None:
    """The helper meets a newer version of the workload, as when its controller writes status in between: oracles watch the count."""

    def conflict(stage: Stage) -> None:
        refused = faults.answer(409, "the object has been modified; please apply your changes to the latest version")
        stage.proxy.inject(refused, times=2, where=lambda request: request.manager == "asya-replicas-handover")

    disturbed(cluster, shared_node(), changed_and_scaling_switched_on, conflict)


def test_row_40_converged_nothing_is_written_and_not_by_its_successor_either(cluster: Cluster) -> None:
    with stage(cluster, shared_node()) as found:
        changed_and_scaling_switched_on(found)
        found.prove_quiet()


@pytest.fixture(scope="module")
def lonely() -> Iterator[Cluster]:
    """A cluster whose API server may be stopped without disturbing anybody."""
    found = own_cluster()
    yield found
    found.close()


def test_row_53_an_api_server_that_is_killed_and_comes_back_changes_nothing(lonely: Cluster) -> None:
    with stage(lonely, shared_node()) as found:
        changed_and_scaling_switched_on(found)
        found.settle()
        before, since = found.outcome(), len(found.proxy.record.requests)
        lonely.plane.stop_api_server()
        lonely.plane.start_api_server()
        lonely.wait_served()
        found.settle()
        assert "\n".join(differences(before.state, found.outcome().state)) == ""
        assert found.proxy.record.effects(since) == {}
        found.image("one", "registry.example.com/hello:3.0.0")
        found.settle()
        assert found.proxy.record.effects(since) == {("change", "deployments", "one"): 1}
