"""The alerts fire when they should and are quiet otherwise: asked of Prometheus' own tool.

`promtool` comes with Debian's package prometheus, which tools/setup installs.
"""

import subprocess
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

ROOT = Path(__file__).parents[2]
RULES = ROOT / "kustomize/components/monitoring/alerts.yaml"


def series(name: str, values: str) -> dict[str, str]:
    return {"series": name, "values": values}


CASES: dict[str, tuple[list[dict[str, str]], str, dict[str, str]]] = {
    "AsyaActorNotReady": (
        [series('asya_asyncactor_ready{namespace="ns", name="a"}', "0x30")],
        "11m",
        {"namespace": "ns", "name": "a", "severity": "warning"},
    ),
    "AsyaDeadLetters": (
        [series('asya_queue_messages{namespace="ns", name="a", state="dead"}', "2x30")],
        "2m",
        {"namespace": "ns", "name": "a", "severity": "warning"},
    ),
    "AsyaFailures": (
        [
            series('asya_actor_messages_processed_total{queue="q", status="error"}', "0+10x60"),
            series('asya_actor_messages_processed_total{queue="q", status="success"}', "0+90x60"),
        ],
        "25m",
        {"queue": "q", "severity": "warning"},
    ),
    "AsyaSidecarStalled": (
        [series('asya_actor_consuming{namespace="ns", pod="a-1", queue="q"}', "0x30")],
        "6m",
        {"namespace": "ns", "pod": "a-1", "queue": "q", "severity": "warning"},
    ),
    "AsyaBacklogGrows": (
        [series('asya_queue_messages{namespace="ns", name="a", state="queued"}', "100+10x120")],
        "60m",
        {"namespace": "ns", "name": "a", "severity": "info"},
    ),
    "AsyaTransportDown": (
        [series('asya_transport_up{transport="rabbitmq"}', "0x30")],
        "3m",
        {"transport": "rabbitmq", "severity": "critical"},
    ),
    "AsyaControllerDown": ([], "6m", {"severity": "critical"}),
}
QUIET = [
    series('asya_asyncactor_ready{namespace="ns", name="a"}', "1x60"),
    series('asya_queue_messages{namespace="ns", name="a", state="dead"}', "0x60"),
    series('asya_queue_messages{namespace="ns", name="a", state="queued"}', "5x60"),
    series('asya_actor_messages_processed_total{queue="q", status="success"}', "0+90x60"),
    series('asya_actor_messages_processed_total{queue="q", status="error"}', "0+1x60"),
    series('asya_actor_consuming{namespace="ns", pod="a-1", queue="q"}', "1x60"),
    series('asya_transport_up{transport="rabbitmq"}', "1x60"),
    series('leader_election_master_status{name="asya-controller"}', "1x60"),
]


def groups() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = YAML(typ="safe").load(RULES)["spec"]["groups"]
    return found


def promtool(folder: Path, tests: list[dict[str, Any]]) -> subprocess.CompletedProcess[str]:
    yaml = YAML()
    with (folder / "rules.yaml").open("w") as file:
        yaml.dump({"groups": groups()}, file)
    with (folder / "tests.yaml").open("w") as file:
        yaml.dump({"rule_files": ["rules.yaml"], "tests": tests}, file)
    command = ["promtool", "test", "rules", "tests.yaml"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def test_every_alert_has_a_case() -> None:
    assert {rule["alert"] for group in groups() for rule in group["rules"]} == set(CASES)


@pytest.mark.parametrize("alert", CASES)
def test_an_alert_fires(alert: str, tmp_path: Path) -> None:
    given, at, labels = CASES[alert]
    query = f'ALERTS{{alertname="{alert}", alertstate="firing"}}'
    expected = {"__name__": "ALERTS", "alertname": alert, "alertstate": "firing", **labels}
    sample = "{" + ", ".join(f'{key}="{value}"' for key, value in expected.items()) + "}"
    tests = [
        {
            "interval": "1m",
            "input_series": given,
            "promql_expr_test": [{"expr": query, "eval_time": at, "exp_samples": [{"labels": sample, "value": 1}]}],
        }
    ]
    done = promtool(tmp_path, tests)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_healthy_mesh_is_quiet(tmp_path: Path) -> None:
    tests = [
        {
            "interval": "1m",
            "input_series": QUIET,
            "promql_expr_test": [{"expr": 'ALERTS{alertstate="firing"}', "eval_time": "50m", "exp_samples": []}],
        }
    ]
    done = promtool(tmp_path, tests)
    assert done.returncode == 0, done.stdout + done.stderr
