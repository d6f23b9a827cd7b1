"""`kubectl apply -k` on the real cluster: how long it takes, and how it says that the configuration has a mistake.

Each test has the cluster to itself: the session's installation is taken away before and applied again after it.
"""

from __future__ import annotations

import time

import pytest

from bench.report import at_most
from tests.support.kube.figures import keep
from tests.support.kube.installation import Installation
from tests.support.wait import until

pytestmark = [pytest.mark.node, pytest.mark.timeout(600)]


def test_from_apply_to_a_ready_controller(away: Installation) -> None:
    started = time.monotonic()
    away.apply()
    away.ready()
    took_s = time.monotonic() - started
    keep(at_most("cold_install_s", "s", 15, [took_s]))


def test_a_mistake_in_the_configuration_is_read_in_the_pods_termination_message(away: Installation) -> None:
    away.configure(endActors={"snik": "x-sink"})
    try:
        away.apply()

        def said() -> str:
            ends = [
                one.get(state, {}).get("terminated") or {}
                for pod in away.controllers()
                for one in pod["status"].get("containerStatuses", ())
                for state in ("state", "lastState")
            ]
            return next((end["message"] for end in ends if end.get("message")), "")

        text = until(said, 60, 0.2, what="the controller has ended")
        assert "configuration error: endActors.snik" in text
        assert "sink" in text
    finally:
        away.configure()
