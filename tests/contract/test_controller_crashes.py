"""The controller killed right before and right after each of its writes (contract: controller, Situations 52): as without.

A scenario is played once undisturbed; then once for each write and side of it, each time in a namespace of its own. The state that is left,
and how often each object was created, changed and deleted, must be the same.
"""

import itertools
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.support.kube import faults
from tests.support.kube.cluster import Cluster
from tests.support.kube.record import Request
from tests.support.kube.scenarios import (
    changed_and_scaling_switched_on,
    created_with_scaling,
    deleted_with_its_queues,
    moved_and_scaling_switched_off,
    moved_to_another_transport,
)
from tests.support.kube.stage import Scenario, Stage, disturbed, undisturbed
from tests.support.rabbitmq import shared_node

AT_ONCE = 3  # mostly they wait
FIRST = {moved_to_another_transport: 6}
"""The first write where it is killed, else 1: those before it are every new actor's, where other scenarios are killed."""


def crash_at(number: int, how: Callable[[Callable[[], None]], faults.Fault]) -> Callable[[Stage], None]:
    """Trouble for `disturbed`: the write of this number is the last thing the controller does."""

    def disturb(stage: Stage) -> None:
        numbers = itertools.count(1)

        def is_it(request: Request) -> bool:
            return request.writes and next(numbers) == number

        stage.proxy.inject(how(stage.crash), where=is_it)

    return disturb


@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    "scenario",
    [
        created_with_scaling,
        changed_and_scaling_switched_on,
        moved_and_scaling_switched_off,
        moved_to_another_transport,
        deleted_with_its_queues,
    ],
    ids=lambda s: s.__name__,
)
def test_row_52_killed_at_any_write_it_ends_as_without(cluster: Cluster, scenario: Scenario) -> None:
    broker, first = shared_node(), FIRST.get(scenario, 1)
    writes = undisturbed(cluster, broker, scenario).writes
    assert writes > first + 2

    def again(case: tuple[int, Callable[[Callable[[], None]], faults.Fault]]) -> None:
        number, how = case
        disturbed(cluster, broker, scenario, crash_at(*case), f"killed right {how.__name__} write {number} of {writes}")

    cases = [(number, how) for number in range(first, writes + 1) for how in (faults.before, faults.after)]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        try:
            for _ in pool.map(again, cases):
                pass
        finally:
            pool.shutdown(cancel_futures=True)
