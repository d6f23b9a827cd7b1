"""What is shown: tables, lines, waterfall, graph, explanation (wide.py, display.py, live.py, waterfall.py, graph.py, explanation.py)."""

import io
from datetime import UTC, datetime, timedelta
from typing import Any

import pyte
import pytest
from rich.console import Console

from asya_cli.local.display import Budget, Row, as_json, as_text, is_routine
from asya_cli.local.drawings import as_mermaid
from asya_cli.local.drawings import as_text as graph_text
from asya_cli.local.explanation import explanation
from asya_cli.local.graph import Edge, Graph, Node, declared, graph_of_files
from asya_cli.local.hops import Hop
from asya_cli.local.live import LiveTable
from asya_cli.local.meters import Meter, delivery
from asya_cli.local.tail import Line
from asya_cli.local.waterfall import bar, waterfall
from asya_cli.local.wide import age, row

NOW = datetime(2026, 1, 2, 12, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (0, "0s"),
        (119, "119s"),
        (120, "2m"),
        (130, "2m10s"),
        (1800, "30m"),
        (11100, "3h5m"),
        (40000, "11h"),
        (200000, "2d7h"),
    ],
)
def test_age_is_written_as_kubectl_writes_it(seconds: int, expected: str) -> None:
    created = (NOW - timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")
    assert age(created, NOW) == expected


def test_a_row_has_empty_cells_for_what_is_absent() -> None:
    document = {"metadata": {"name": "a"}, "spec": {}, "status": {"status": "Creating"}}
    assert row(document, NOW) == ["a", "Creating", *[""] * 14]


# --- lines ------------------------------------------------------------------------------------------------------------


def line(text: str, process: str = "sidecar") -> Line:
    return Line("a", "a-0", process, text.encode())


def test_a_delivery_is_one_short_line() -> None:
    text = (
        '{"level":"INFO","msg":"envelope done","envelope_id":"e-1","outcome":"success","reason":"Completed",'
        '"handler_ms":3.5,"destinations":["asya-default-b"]}'
    )
    assert as_text(line(text)) == "e-1 success 3.5 ms -> asya-default-b"


def test_a_traceback_stands_on_lines_of_its_own() -> None:
    text = '{"level":"ERROR","msg":"call done","error_type":"KeyError","traceback":"Traceback\\n  here\\n"}'
    assert as_text(line(text)) == "ERROR call done error_type=KeyError\nTraceback\n  here"


def test_a_print_is_shown_as_it_is_and_becomes_json_when_asked() -> None:
    printed = line("hello", "runtime")
    assert as_text(printed) == "hello"
    assert as_json(printed) == '{"level": "INFO", "msg": "hello", "component": "runtime", "pod": "a-0"}'


def test_lines_that_the_status_says_again_are_routine() -> None:
    assert is_routine(line('{"level":"WARNING","msg":"not ready"}'))
    assert not is_routine(line('{"level":"ERROR","msg":"call done"}'))
    assert not is_routine(line("print"))


def test_more_lines_than_a_person_can_read_are_counted() -> None:
    budget = Budget(per_second=2)
    assert [budget.spend(now) for now in (1.0, 1.1, 1.2, 1.3, 2.0)] == [0, 0, None, None, 2]


def test_the_live_table_shows_a_row_per_actor_above_the_lines() -> None:
    stream = io.StringIO()
    table = LiveTable(Console(file=stream, force_terminal=True, width=80, height=12))
    table.table([Row("hello", "Running", 1, 1, 5, 1, 2.5, 40, 3)])
    for number in range(20):
        table.line(line(f"line {number}", "runtime"))
    table.close()
    screen = pyte.Screen(80, 12)
    pyte.Stream(screen).feed(stream.getvalue().replace("\n", "\r\n"))
    shown = [text.rstrip() for text in screen.display if text.strip()]
    assert shown[0].split() == ["ACTOR", "STATUS", "REPLICAS", "QUEUED", "PROCESSING", "RATE", "DONE", "ERRORS"]
    assert shown[1].split() == ["hello", "Running", "1/1", "5", "1", "2.5/s", "40", "3"]
    assert shown[-1] == "a-0 | line 19"


# --- meters -----------------------------------------------------------------------------------------------------------


def test_only_envelope_done_lines_are_deliveries() -> None:
    assert delivery(b'{"msg":"envelope done","outcome":"success"}') == {"msg": "envelope done", "outcome": "success"}
    assert delivery(b"envelope done, printed by a handler") is None
    assert delivery(b'{"msg":"ready"}') is None


def test_a_meter_counts_ends_failures_and_edges_and_forgets_the_rate() -> None:
    meter = Meter()
    meter.add({"outcome": "success", "destinations": ["q-b"]}, now_s=0.0)
    meter.add({"outcome": "error", "destinations": ["q-sump"], "error_type": "KeyError", "envelope_id": "e"}, now_s=1.0)
    meter.add({"outcome": "retried", "destinations": ["q-a"]}, now_s=2.0)
    meter.add({"outcome": "returned"}, now_s=3.0)
    assert (meter.processed, meter.failed, meter.retried) == (3, 1, 1)
    assert dict(meter.edges) == {"q-b": 1, "q-sump": 1}
    assert meter.last_error == {"envelope_id": "e", "error_type": "KeyError"}
    assert (meter.rate(5.0), meter.rate(11.5)) == (0.3, 0.1)


# --- waterfall --------------------------------------------------------------------------------------------------------


def hop(actor: str, begin_ms: float, total_ms: float, **more: Any) -> Hop:
    ended = NOW + timedelta(milliseconds=begin_ms + total_ms)
    members: dict[str, Any] = {
        "envelope_id": "e", "trace_id": "t", "pod": f"{actor}-0", "outcome": "success", "reason": None, "attempt": 1,
        "destinations": (), "queue_wait_ms": None, "handler_ms": None, "error": None,
    }  # fmt: skip
    return Hop(actor=actor, ended_at=ended, total_ms=total_ms, **{**members, **more})


def test_a_bar_shows_queue_handler_and_sidecar_on_one_scale() -> None:
    one = hop("a", 20, 40, queue_wait_ms=20.0, handler_ms=20.0)
    assert bar(one, NOW, NOW + timedelta(milliseconds=100), 10) == "··██--"


def test_a_hop_too_short_for_the_scale_is_still_seen() -> None:
    assert bar(hop("a", 99.9, 0.1, handler_ms=0.05), NOW, NOW + timedelta(milliseconds=100), 10) == " " * 9 + "█"


def test_the_waterfall_names_retries_and_errors() -> None:
    text = waterfall([hop("a", 0, 1, outcome="retried", error="KeyError: 'x'"), hop("a", 10, 1, attempt=2)])
    assert [part.split()[0] for part in text.splitlines()[1:3]] == ["a", "a"]
    assert "retried: KeyError: 'x'" in text
    assert "a #2" in text


# --- graph ------------------------------------------------------------------------------------------------------------

LOOP = Graph(tuple(Node(name) for name in ("a", "b", "c")), (Edge("a", "b", 3), Edge("b", "c", 1), Edge("c", "a", 1)))


def test_layers_lead_from_left_to_right_and_a_loop_ends() -> None:
    assert LOOP.layers() == [["a"], ["b"], ["c"]]


def test_text_and_mermaid_draw_observed_and_declared_edges() -> None:
    graph = Graph((Node("a", "Running", 1, 1, 2, 0), Node("b")), (Edge("a", "b", 7), Edge("b", "a")))
    assert graph_text(graph).splitlines() == [
        "a  (Running 1/1, 2 queued, 0 in work)",
        "  --> b  7",
        "b",
        "  - -> a  declared",
    ]
    assert "n0 -->|7| n1" in as_mermaid(graph)
    assert "n1 -.-> n0" in as_mermaid(graph)


def test_a_queue_that_nobody_has_counted_is_not_empty() -> None:
    assert Node("a", "Running", 1, 1).facts == "Running 1/1, queue not counted"
    assert Node("a", "Running", 1, 1, 3).facts == "Running 1/1, 3 queued"


def test_a_retry_policy_declares_the_actor_it_falls_back_to() -> None:
    spec = {"resiliency": {"policies": {"default": {"onExhausted": ["rescue", "then"]}, "never": None}}}
    document = {"metadata": {"name": "a"}, "spec": spec}
    assert declared(document) == ["rescue"]
    assert [node.name for node in graph_of_files([document]).nodes] == ["a", "rescue"]


# --- explanation ------------------------------------------------------------------------------------------------------


def entry(**changes: Any) -> dict[str, Any]:
    """An actor in a crash loop as the mesh publishes it."""
    message = (
        'Traceback (most recent call last):\n  File "/app/handler.py", line 3, in <module>\n    import torchx\n'
        "cannot load m.f: ModuleNotFoundError: No module named 'torchx'"
    )
    runtime = {
        "name": "asya-runtime",
        "ready": False,
        "restartCount": 3,
        "state": {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 2s"}},
        "lastState": {"terminated": {"exitCode": 3, "message": message}},
    }
    condition = {"type": "WorkloadReady", "status": "False", "reason": "RuntimeCrashLoop", "message": "exit code 3"}
    return {
        "label": "m", "file": "/app/m.yaml", "queue": "q", "queued": 4, "processing": 0, "delayed": 0, "dead": 2,
        "rule": "workload_failed", "lastError": None, "notes": [],
        "transitions": [{"time": "2026-01-02T03:04:05Z", "from": "Running", "to": "RuntimeError"}],
        "pods": [{"metadata": {"name": "m-0"}, "logs": "/logs/m-0", "status": {"containerStatuses": [runtime]}}],
        "document": {
            "metadata": {"name": "m"},
            "status": {"status": "RuntimeError", "message": "exit code 3", "conditions": [condition]},
        },
        **changes,
    }  # fmt: skip


def test_an_explanation_begins_with_the_users_file_and_line() -> None:
    found = explanation(entry())
    assert found.place == "/app/handler.py:3"
    first = found.as_text().splitlines()[0]
    assert first == "/app/handler.py:3: cannot load m.f: ModuleNotFoundError: No module named 'torchx'"


def test_an_explanation_holds_pod_exit_code_and_queue() -> None:
    facts = "\n".join(explanation(entry()).evidence)
    assert "pod m-0: asya-runtime waiting CrashLoopBackOff, not ready, 3 restarts, last exit code 3" in facts
    assert "queue q: 4 waiting, 0 in work, 2 dead letters" in facts


def test_an_explanation_says_what_changed_and_what_to_do() -> None:
    found = explanation(entry())
    assert found.changed == "2026-01-02T03:04:05Z: Running -> RuntimeError"
    assert found.next == "edit /app/handler.py:3; saving it starts the runtime anew"


def test_without_a_users_line_the_log_is_named() -> None:
    pod = entry()["pods"][0]
    pod["status"]["containerStatuses"][0]["lastState"]["terminated"]["message"] = "module m does not exist"
    found = explanation(entry(pods=[pod]))
    assert (found.place, found.next) == (None, "tail /logs/m-0/runtime.log")
