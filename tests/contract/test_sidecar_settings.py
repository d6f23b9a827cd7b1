"""Bad configuration: all mistakes at once, exit 2, no connection made (contract: sidecar, Situation 51)."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

GOOD = {"ASYA_ACTOR_NAME": "a", "ASYA_NAMESPACE": "ns", "ASYA_TRANSPORT": "sqlite"}


def started_with(folder: Path, **variables: str) -> tuple[int, list[str], bool]:
    """Exit code, what it said last, and whether it went as far as to touch the broker's file."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("ASYA_", "OTEL_"))}
    environ = clean | GOOD | {"ASYA_SQLITE_PATH": str(folder / "mesh.db"), "ASYA_METRICS_ADDR": "127.0.0.1:0"}
    environ |= variables
    done = subprocess.run(
        [sys.executable, "-m", "asya_sidecar"], env=environ, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.stdout == ""
    return done.returncode, done.stderr.splitlines(), (folder / "mesh.db").exists()


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"ASYA_ACTOR_NAME": ""}, "ASYA_ACTOR_NAME is not set but required"),
        ({"ASYA_TRANSPORT": "kafka"}, "ASYA_TRANSPORT='kafka': must be rabbitmq, sqs or sqlite"),
        ({"ASYA_RESILIENCY_POLICIES": "{"}, "ASYA_RESILIENCY_POLICIES='{': "),
        (
            {"ASYA_RESILIENCY_POLICIES": '{"default": {"initialDelay": "abc"}}'},
            'ASYA_RESILIENCY_POLICIES=\'{"default": {"initialDelay": "abc"}}\': ',
        ),
        (
            {"ASYA_RESILIENCY_RULES": '[{"errors": ["KeyError"], "policy": "gone"}]'},
            'ASYA_RESILIENCY_RULES=\'[{"errors": ["KeyError"], "policy": "gone"}]\': ',
        ),
    ],
    ids=["no-actor-name", "unknown-transport", "broken-json", "no-duration", "unknown-policy"],
)
def test_row_51_a_mistake_is_named_and_exits_2(tmp_path: Path, variables: dict[str, str], expected: str) -> None:
    code, lines, connected = started_with(tmp_path, **variables)
    assert code == 2
    assert len(lines) == 1
    assert lines[0].startswith(expected)
    assert not connected


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({"ASYA_RESILIENCY_POLICIES": '{"default": {"initialDelay": "abc"}}'}, ("default", "initialDelay", "'abc'")),
        ({"ASYA_RESILIENCY_RULES": '[{"errors": ["KeyError"], "policy": "gone"}]'}, ("policy", "gone")),
    ],
    ids=["no-duration", "unknown-policy"],
)
def test_row_51_the_place_inside_json_is_named(
    tmp_path: Path, variables: dict[str, str], words: tuple[str, ...]
) -> None:
    _, (line,), _ = started_with(tmp_path, **variables)
    said = line.split("': ", 1)[1]
    assert all(word in said for word in words)


def test_row_51_all_mistakes_are_named_at_once(tmp_path: Path) -> None:
    code, lines, _ = started_with(
        tmp_path,
        ASYA_ACTOR_NAME="",
        ASYA_RESILIENCY_POLICIES="{",
        ASYA_MAX_FRAMES="many",
        ASYA_QUEUE_NAME_TEMPLATE="queue",
    )
    assert code == 2
    assert {line.split("=")[0].split(" ")[0] for line in lines} == {
        "ASYA_ACTOR_NAME",
        "ASYA_RESILIENCY_POLICIES",
        "ASYA_MAX_FRAMES",
        "ASYA_QUEUE_NAME_TEMPLATE",
    }


def test_row_51_no_secret_is_shown(tmp_path: Path) -> None:
    _, lines, _ = started_with(
        tmp_path,
        ASYA_TRANSPORT="rabbitmq",
        ASYA_RABBITMQ_URL="amqp:/user:s3cret@host",
        ASYA_GATEWAY_URL="http://user:s3cret@host",
    )
    assert lines
    assert not any("s3cret" in line for line in lines)
