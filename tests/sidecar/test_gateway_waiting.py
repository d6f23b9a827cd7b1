"""Which reports wait, which are replaced, which are dropped."""

from asya_sidecar.act.gateway.reports import Report
from asya_sidecar.act.gateway.waiting import BATCH_BYTES, BATCH_ITEMS, Waiting


def report(kind: str, envelope_id: str = "e", body: bytes = b"x") -> Report:
    return Report(kind, envelope_id, 0, body)


def drained(waiting: Waiting) -> list[Report]:
    taken: list[Report] = []
    while batch := waiting.take():
        taken += batch
    return taken


def test_reports_leave_in_the_order_they_came() -> None:
    waiting = Waiting()
    came = [report("progress", "a"), report("children", "a"), report("partial", "b")]
    assert [waiting.add(one) for one in came] == [[], [], []]
    assert waiting.take() == came


def test_a_newer_progress_replaces_the_unsent_older_one_of_its_id() -> None:
    waiting = Waiting()
    older, other, newer = report("progress", "a", b"1"), report("progress", "b"), report("progress", "a", b"2")
    assert [waiting.add(one) for one in (older, other, newer)] == [[], [], []]
    assert waiting.take() == [other, newer]


def test_partials_and_children_of_one_id_are_all_kept() -> None:
    waiting = Waiting()
    for kind in ("partial", "partial", "children", "children"):
        waiting.add(report(kind, "a"))
    assert len(waiting) == 4


def test_when_full_the_oldest_progress_is_dropped_first() -> None:
    waiting = Waiting(max_items=3)
    partial, first, second, new = report("partial"), report("progress", "1"), report("progress", "2"), report("partial")
    for one in (partial, first, second):
        waiting.add(one)
    assert waiting.add(new) == [first]
    assert waiting.take() == [partial, second, new]


def test_when_full_without_progress_the_oldest_partial_is_dropped() -> None:
    waiting = Waiting(max_items=2)
    first, second, new = report("partial", "1"), report("partial", "2"), report("children")
    waiting.add(first)
    waiting.add(second)
    assert waiting.add(new) == [first]


def test_among_children_alone_a_new_report_is_dropped_itself() -> None:
    waiting = Waiting(max_items=1)
    waiting.add(report("children"))
    new = report("progress")
    assert waiting.add(new) == [new]
    assert len(waiting) == 1


def test_bytes_are_bounded_as_well_as_items() -> None:
    waiting = Waiting(max_bytes=10)
    first, second = report("progress", "1", b"x" * 6), report("progress", "2", b"x" * 4)
    waiting.add(first)
    waiting.add(second)
    assert waiting.add(report("progress", "3", b"x" * 5)) == [first]


def test_a_report_larger_than_the_bound_is_dropped_itself_after_all_that_gives_way() -> None:
    waiting = Waiting(max_bytes=10)
    waiting.add(report("children", "1", b"x"))
    large = report("partial", "2", b"x" * 11)
    assert waiting.add(large) == [large]
    assert len(waiting) == 1


def test_a_batch_has_at_most_500_reports() -> None:
    waiting = Waiting()
    for n in range(BATCH_ITEMS + 1):
        waiting.add(report("progress", str(n)))
    assert [len(waiting.take()), len(waiting.take()), len(waiting.take())] == [BATCH_ITEMS, 1, 0]


def test_a_batch_has_at_most_4_mib() -> None:
    waiting = Waiting()
    for n in range(5):
        waiting.add(report("partial", str(n), b"x" * (BATCH_BYTES // 4)))
    assert [len(waiting.take()), len(waiting.take())] == [4, 1]


def test_a_batch_put_back_stands_before_what_came_meanwhile() -> None:
    waiting = Waiting()
    waiting.add(report("progress", "a"))
    batch = waiting.take()
    later = report("progress", "b")
    waiting.add(later)
    assert waiting.put_back(batch) == []
    assert drained(waiting) == [*batch, later]


def test_a_progress_put_back_gives_way_to_a_newer_one_of_its_id() -> None:
    waiting = Waiting()
    waiting.add(report("progress", "a", b"1"))
    batch = waiting.take()
    newer = report("progress", "a", b"2")
    waiting.add(newer)
    assert waiting.put_back(batch) == []
    assert drained(waiting) == [newer]


def test_a_batch_put_back_keeps_to_the_bound() -> None:
    waiting = Waiting(max_items=2)
    waiting.add(report("progress", "a"))
    batch = waiting.take()
    waiting.add(report("progress", "b"))
    waiting.add(report("progress", "c"))
    assert waiting.put_back(batch) == batch
    assert [one.id for one in drained(waiting)] == ["b", "c"]
