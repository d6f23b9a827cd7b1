"""Nothing is lost on a real RabbitMQ while everything fails (issue: the storm; contract: README, the promise)."""

from pathlib import Path

import pytest

from tests.faults.storm import run
from tests.faults.storm_report import Scale


@pytest.mark.alone
@pytest.mark.timeout(900)
def test_nothing_is_lost_and_nothing_invented_in_a_storm(tmp_path: Path) -> None:
    report = run(Scale(envelopes=5000, kills=60), tmp_path / "ledger")
    assert report.troubles() == []
    faults = report.verdict.faults
    once = ("broker killed", "broker frozen", "memory alarm", "queue deleted")
    assert {kind: faults[kind] for kind in once} == dict.fromkeys(once, 1)
    assert report.verdict.kinds["ghost"] == 1
    assert report.verdict.kills == 60
