"""docs/installation.md and docs/debugging.md are typed as they stand on a real node: from a clone to a processed message and back.

`docker` is tests/support/kube/docker.py there; what it built is loaded into the node as `kind load` would do it. KEDA and a RabbitMQ run.
tests/gitops/test_installation.py types what needs no containers on an API server alone.
"""

import sys
from pathlib import Path

import pytest

from tests.support.console import ROOT, check, copy_of_the_repository, steps
from tests.support.kube.binaries import binaries
from tests.support.kube.installation import Installation
from tests.support.rabbitmq import PASSWORD, USER

pytestmark = [pytest.mark.node, pytest.mark.timeout(900)]

INSTALLATION = ROOT / "docs" / "installation.md"
DEBUGGING = ROOT / "docs" / "debugging.md"


def docker(folder: Path) -> Path:
    """A folder for PATH with a `docker` that builds."""
    folder.mkdir()
    program = folder / "docker"
    program.write_text(f'#!/bin/sh\nPYTHONPATH={ROOT} exec {sys.executable} -m tests.support.kube.docker "$@"\n')
    program.chmod(0o755)
    return folder


def test_the_pages_lead_from_a_clone_to_a_processed_message_and_back_to_nothing(
    away: Installation, tmp_path: Path
) -> None:
    copy = copy_of_the_repository(tmp_path / "copy")
    page = steps(INSTALLATION)
    lines = INSTALLATION.read_text().splitlines()
    controller, upgrade = (
        next(number for number, step in enumerate(page) if step.line > lines.index(heading) + 1)
        for heading in ("## The controller", "## Upgrade")
    )
    broker = away.broker
    with broker.vhost() as vhost:
        environ = {
            "KUBECONFIG": str(away.cluster.kubeconfig),
            "PATH": f"{docker(tmp_path / 'bin')}:{binaries()['kubectl'].parent}",
            "ASYA_TEST_IMAGES": str(tmp_path / "images"),
            "BROKER_HOST": broker.address(vhost).hosts[0],
            "BROKER_PORT": str(broker.port),
            "BROKER_VHOST": vhost,
            "BROKER_USER": USER,
            "BROKER_PASSWORD": PASSWORD,
            "MANAGEMENT_PORT": broker.management_url.rpartition(":")[2],
        }
        check(INSTALLATION, page[:controller], copy, 400, **environ)
        away.cluster.node.load(tmp_path / "images")
        check(INSTALLATION, page[controller:upgrade], copy, 300, **environ)
        check(DEBUGGING, steps(DEBUGGING), copy, 150, **environ)
        check(INSTALLATION, page[upgrade:], copy, 300, **environ)
        kinds = "deployments,pods,scaledobjects,triggerauthentications,horizontalpodautoscalers"
        left = away.cluster.kubectl("get", kinds, "--namespace", "default", "-o", "name", "--ignore-not-found")
        assert left.stdout == "", "the actors' children went with them, and no finalizer keeps any"
        # What an actor's removal leaves: queues of the end actors, which are the namespace's.
        queues = {found["name"] for found in broker.ask("GET", f"queues/{vhost}") if "delay" not in found["name"]}
        assert queues <= {f"asya-default-{end}{tail}" for end in ("x-sink", "x-sump") for tail in ("", "-dlq")}
