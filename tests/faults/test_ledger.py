"""The checker of the ledger, on ledgers made up for it: one category each, and what must fail."""

from pathlib import Path
from typing import Any

from tests.faults.ledger import Ledger, Line, Verdict, check, read

RESULT = {"number": 1}


def end(name: str, parent: str | None = None) -> Line:
    return {"id": name, "parent": parent, "reasons": ["Completed"], "result": RESULT}


def attempted(name: str, *children: str) -> Line:
    return {
        "what": "attempted",
        "id": name,
        "kind": "plain",
        "ends": [end(name), *(end(child, name) for child in children)],
    }


def accepted(name: str) -> Line:
    return {"what": "accepted", "id": name}


def ended(name: str, parent: str | None = None, **members: Any) -> Line:
    line = {"what": "ended", "id": name, "parent": parent, "reason": "Completed", "result": RESULT, "place": "x-sink"}
    return line | members


def ran(name: str, begin: float, done: float | None, place: str = "a 1", pod: str = "a-0") -> Line:
    return {"what": "run", "id": name, "place": place, "pod": pod, "begin": begin, "done": done}


def fault(kind: str, at: float, pod: str | None = "a-0", until: float | None = None) -> Line:
    return {"what": "fault", "kind": kind, "pod": pod, "begin": at, "until": at if until is None else until}


def counts(verdict: Verdict) -> tuple[int, ...]:
    names = ("attempted", "accepted", "ok", "lost", "recovered", "absent", "duplicated", "unexpected")
    figures = verdict.figures()
    return tuple(figures[name] for name in names)


def test_an_empty_ledger_is_fine() -> None:
    assert check([]).ok_in_all


def test_what_was_accepted_and_ended_as_it_had_to_is_ok() -> None:
    verdict = check([attempted("e"), accepted("e"), ended("e")])
    assert counts(verdict) == (1, 1, 1, 0, 0, 0, 0, 0)
    assert verdict.ok_in_all


def test_one_lost_id_among_many_fails() -> None:
    names = [f"e-{number}" for number in range(100)]
    lines = [line for name in names for line in (attempted(name), accepted(name))]
    verdict = check(lines + [ended(name) for name in names if name != "e-42"])
    assert counts(verdict) == (100, 100, 99, 1, 0, 0, 0, 0)
    assert verdict.lost == ["e-42"]
    assert not verdict.ok_in_all
    assert verdict.troubles() == ["lost: 1, such as e-42"]


def test_children_of_a_fan_out_are_ends_of_their_own() -> None:
    lines = [attempted("e", "c-1", "c-2"), accepted("e"), ended("e"), ended("c-1", "e")]
    assert counts(check([*lines, ended("c-2", "e")])) == (1, 1, 3, 0, 0, 0, 0, 0)
    verdict = check(lines)
    assert (verdict.ok, verdict.lost, verdict.ok_in_all) == (2, ["c-2"], False)


def test_a_child_with_another_parent_is_unexpected() -> None:
    verdict = check([attempted("e", "c-1"), accepted("e"), ended("e"), ended("c-1", "x")])
    assert verdict.unexpected == ["c-1 (plain) has parent 'x', not 'e'"]
    assert not verdict.ok_in_all


def test_what_arrived_although_the_outcome_was_unknown_is_recovered() -> None:
    verdict = check([attempted("e", "c"), {"what": "unknown", "id": "e"}, ended("e"), ended("c", "e")])
    assert counts(verdict) == (1, 0, 2, 0, 1, 0, 0, 0)
    assert verdict.ok_in_all


def test_what_arrived_in_part_is_lost_although_the_outcome_was_unknown() -> None:
    verdict = check([attempted("e", "c"), {"what": "unknown", "id": "e"}, ended("e")])
    assert (verdict.recovered, verdict.lost, verdict.ok_in_all) == ([], ["c"], False)


def test_what_the_broker_never_confirmed_may_be_absent() -> None:
    verdict = check([attempted("e"), {"what": "unknown", "id": "e"}])
    assert counts(verdict) == (1, 0, 0, 0, 0, 1, 0, 0)
    assert verdict.ok_in_all


def test_what_nobody_sent_is_unexpected() -> None:
    verdict = check([attempted("e"), accepted("e"), ended("e"), ended("other")])
    assert verdict.unexpected == ["other was never attempted"]
    assert not verdict.ok_in_all


def test_another_reason_or_result_is_unexpected() -> None:
    lines = [attempted("e"), accepted("e")]
    verdict = check([*lines, ended("e", reason="Crashed", place="x-sump")])
    assert verdict.unexpected == ["e (plain) ended at x-sump with Crashed, not Completed"]
    assert check([*lines, ended("e", result={"number": 2})]).unexpected
    # Also when it has ended well besides.
    assert check([*lines, ended("e"), ended("e", reason="Timeout", place="x-sump")]).unexpected


def test_the_crash_fence_may_end_what_another_reason_would_have_ended_later_with_what_it_was_given() -> None:
    begin = attempted("e")
    begin["ends"] = [begin["ends"][0] | {"reasons": ["UnknownActor", "Crashed"], "crashed": {"number": 0}}]
    lines = [begin, accepted("e")]
    assert check([*lines, ended("e", reason="UnknownActor", place="x-sump")]).ok_in_all
    assert check([*lines, ended("e", reason="Crashed", place="x-sump", result={"number": 0})]).ok_in_all
    assert check([*lines, ended("e", reason="Crashed", place="x-sump")]).unexpected


def test_two_runs_at_an_end_are_a_duplicate_which_an_interruption_excuses() -> None:
    lines = [attempted("e"), accepted("e"), ended("e")]
    runs = [ran("e", 1.0, None, "x-sink", "x-sink"), ran("e", 3.0, 3.1, "x-sink", "x-sink")]
    verdict = check([*lines, *runs, fault("sidecar", 2.0, "x-sink")])
    assert (verdict.duplicated, verdict.unexplained, verdict.ok_in_all) == (["e"], [], True)
    verdict = check([*lines, *runs])
    assert (verdict.duplicated, verdict.ok_in_all) == (["e"], False)
    assert verdict.unexplained == ["e ran 2 times at x-sink, 0 interruptions"]


def test_an_interruption_excuses_only_what_was_in_progress_there() -> None:
    twice = [ran("e", 1.0, 1.1), ran("e", 3.0, 3.1)]
    assert check([*twice, fault("sidecar", 2.0)]).unexplained, "it was settled before"
    assert check([*twice, fault("sidecar", 0.5)]).unexplained, "it had not begun"
    assert check([*twice, fault("sidecar", 1.05, "a-1")]).unexplained, "on another pod"
    assert check([*twice, fault("queue deleted", 1.05, "")]).unexplained, "an event that interrupts nobody"
    assert not check([*twice, fault("sidecar", 1.05)]).unexplained
    assert not check([*twice, fault("broker killed", 1.05, None, 2.0)]).unexplained


def test_a_dead_runtime_interrupts_one_call_and_a_dead_sidecar_all_in_hand() -> None:
    runs = [ran("e", 1.0, 9.0), ran("f", 1.1, 9.0), ran("e", 10.0, 10.1), ran("f", 10.0, 10.1)]
    assert check([*runs, fault("runtime", 2.0)]).unexplained == ["e ran 2 times at a 1, 0 interruptions"]
    assert not check([*runs, fault("sidecar", 2.0)]).unexplained


def test_each_interruption_excuses_one_more_run() -> None:
    runs = [ran("e", 1.0, None), ran("e", 3.0, None), ran("e", 5.0, 5.1)]
    assert check([*runs, fault("sidecar", 2.0)]).unexplained
    assert not check([*runs, fault("sidecar", 2.0), fault("sidecar", 4.0)]).unexplained


def test_a_run_that_a_crash_ended_is_not_interrupted_again_by_the_next() -> None:
    runs = [ran("e", 1.0, None), ran("e", 5.0, 5.1), ran("e", 6.0, 6.1)]
    assert check([*runs, fault("sidecar", 2.0), fault("sidecar", 3.0)]).unexplained


def test_interruptions_that_overlap_are_told_apart() -> None:
    runs = [ran("e", 1.0, 1.5), ran("e", 9.0, 9.1)]
    within = fault("sidecar", 3.0)
    assert not check([*runs, fault("broker killed", 1.2, None, 8.0), within]).unexplained
    assert check([*runs, fault("broker killed", 2.0, None, 8.0), within]).unexplained


def test_what_was_perhaps_given_back_is_told_apart_where_nobody_sees_it() -> None:
    runs = [ran("e", 5.0, 5.1, "b 1", "b-0"), ran("e", 9.0, 9.1, "b 1", "b-1"), ran("e", 9.5, 9.6, "x-sink", "x-sink")]
    before, meanwhile = ran("e", 1.0, 1.1), fault("sidecar", 6.0, "b-1")
    verdict = check([before, *runs, meanwhile], unstarted_seen=False)
    assert (verdict.given_back, verdict.unexplained, verdict.ok_in_all) == (["e"], [], True)
    assert check([before, *runs, meanwhile]).unexplained, "the exact world has no such excuse"
    for other in (
        fault("sidecar", 6.0, "c-1"),
        fault("runtime", 6.0, "b-1"),
        fault("sidecar", 0.5, "b-1"),
        fault("sidecar", 9.5, "b-1"),
    ):
        assert check([before, *runs, other], unstarted_seen=False).unexplained


def test_copies_made_upstream_are_excused_downstream_and_in_children() -> None:
    sent = [attempted("e", "c"), accepted("e"), ended("e"), ended("c", "e")]
    upstream = [ran("e", 1.0, None), ran("e", 3.0, 3.1), fault("sidecar", 2.0)]
    downstream = [ran("e", 4.0, 4.1, "b 1", "b-0"), ran("e", 4.2, 4.3, "b 1", "b-0")]
    children = [ran("c", 5.0, 5.1, "x-sink", "x-sink"), ran("c", 5.2, 5.3, "x-sink", "x-sink")]
    assert check([*sent, *upstream, *downstream, *children]).ok_in_all
    assert len(check([*sent, *downstream, *children]).unexplained) == 2


def test_the_additional_runs_are_bounded_by_interruptions_window_and_places() -> None:
    runs = [ran("e", 1.0, None), ran("e", 3.0, 3.1), fault("sidecar", 2.0), fault("runtime", 2.0)]
    verdict = check(runs, window=8)
    assert (verdict.runs, verdict.extra_runs, verdict.allowed_runs) == (2, 1, 9)


def test_what_is_left_in_a_queue_fails() -> None:
    assert check([{"what": "left", "queue": "asya-ns-a", "count": 0}]).ok_in_all
    verdict = check([{"what": "left", "queue": "asya-ns-a-dlq", "count": 2}])
    assert (verdict.left, verdict.ok_in_all) == (["2 in asya-ns-a-dlq"], False)


def test_a_ledger_is_read_again_but_for_a_line_that_a_crash_cut(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger")
    ledger.write("accepted", id="e")
    ledger.sync()
    ledger.write("accepted", id="f")
    ledger.close()
    again = Ledger(tmp_path / "ledger")
    again.write("accepted", id="g")
    again.close()
    whole = (tmp_path / "ledger").read_text()
    (tmp_path / "ledger").write_text(whole[:-3])
    assert list(read(tmp_path / "ledger")) == [accepted("e"), accepted("f")]
