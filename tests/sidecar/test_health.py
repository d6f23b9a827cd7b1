"""Ready or not, why, and whether the event loop turns."""

import asyncio
from typing import Any

import pytest

from asya_sidecar.act.health import STALLED_S, Health


class Desk:
    """A Health with its log, its stalls and a clock that is set by hand."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, str, dict[str, Any]]] = []
        self.stalls: list[str] = []
        self.clock_s = 0.0
        self.health = Health(self, self.stalls.append, lambda: self.clock_s)

    def info(self, event: str, **members: Any) -> None:
        self.lines.append(("INFO", event, members))

    def warning(self, event: str, **members: Any) -> None:
        self.lines.append(("WARNING", event, members))


def test_it_begins_with_starting() -> None:
    desk = Desk()
    assert (desk.health.reasons, desk.health.ready, desk.stalls) == (("starting",), False, [])


def test_it_is_ready_when_the_last_reason_is_gone() -> None:
    desk = Desk()
    desk.health.clear("starting")
    assert desk.health.ready
    assert desk.lines == [("INFO", "ready", {})]


def test_reasons_stand_in_the_contracts_order() -> None:
    desk = Desk()
    desk.health.set("draining")
    desk.health.set("runtime_not_ready")
    assert desk.health.reasons == ("starting", "runtime_not_ready", "draining")


def test_each_change_is_one_line_and_each_new_reason_one_stall() -> None:
    desk = Desk()
    desk.health.clear("starting")
    desk.health.set("queue_missing", "asya-ns-a")
    desk.health.set("queue_missing", "asya-ns-a")
    desk.health.clear("queue_missing")
    desk.health.clear("queue_missing")
    assert desk.lines[1:] == [
        ("WARNING", "not ready", {"reasons": ["queue_missing"], "detail_queue_missing": "asya-ns-a"}),
        ("INFO", "ready", {}),
    ]
    assert desk.stalls == ["queue_missing"]


def test_what_belongs_to_a_start_and_an_end_is_no_warning() -> None:
    desk = Desk()
    desk.health.set("runtime_not_ready")
    desk.health.clear("starting")
    desk.health.clear("runtime_not_ready")
    desk.health.set("draining")
    assert {level for level, _, _ in desk.lines} == {"INFO"}


def test_the_runtime_gone_later_is_a_warning() -> None:
    desk = Desk()
    desk.health.clear("starting")
    desk.health.set("runtime_not_ready")
    assert desk.lines[-1][0] == "WARNING"


def test_a_reason_the_contract_does_not_know_is_refused() -> None:
    with pytest.raises(ValueError, match="tired"):
        Desk().health.set("tired")


def test_it_ticks_until_the_loop_has_not_turned_for_10_s() -> None:
    desk = Desk()

    async def live() -> list[bool]:
        desk.health.start()
        seen = [desk.health.ticking]
        desk.clock_s = STALLED_S - 0.1
        seen.append(desk.health.ticking)
        desk.clock_s = STALLED_S
        seen.append(desk.health.ticking)
        desk.health.stop()
        return [*seen, desk.health.ticking]

    assert asyncio.run(live()) == [True, True, False, True]


def test_before_it_is_started_nothing_is_said_to_be_stuck() -> None:
    desk = Desk()
    desk.clock_s = 1000.0
    assert desk.health.ticking
