"""A pass of `asya sync` that is killed right before or right after any of its writes is finished by the next one, and one that the API
server turns away writes nothing by halves.

The passes that are killed are processes, ended by SIGKILL from the proxy in front of the API server; those before and after run here.
"""

import itertools
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from asya_cli.cluster.connection import own_version, reach
from asya_controller.act.api import Api
from asya_controller.act.kinds import ACTOR, CONFIG_MAP
from asya_controller.act.source.passes import Source
from asya_controller.decide.source.applyset import ApplySet
from asya_controller.decide.source.sync import Rules
from tests.support.kube import faults
from tests.support.kube.cluster import Cluster
from tests.support.kube.proxy import ApiProxy
from tests.support.kube.record import Request
from tests.support.source_files import write

WRITES = 5  # a, b, c, the delete, the inventory
CUTS = [(at, how) for at in range(1, WRITES + 1) for how in (faults.before, faults.after)]
BUSY = {
    "429": faults.answer(429, retry_after=1),
    "503": faults.answer(503, retry_after=1),
    "500": faults.answer(500),
    "cut before": faults.cut_before,
    "cut after": faults.cut_after,
}


@pytest.fixture
def proxy(cluster: Cluster) -> Iterator[ApiProxy]:
    found = ApiProxy(cluster.api, cluster.api)
    yield found
    found.close()


@pytest.fixture
def api(cluster: Cluster, namespace: str, monkeypatch: pytest.MonkeyPatch) -> Api:
    monkeypatch.setenv("KUBECONFIG", str(cluster.kubeconfig))
    return reach(None, namespace).api


def is_write(request: Request) -> bool:
    return request.writes and "dryRun" not in request.query


def nth_write(at: int) -> Callable[[Request], bool]:
    numbers = itertools.count(1)
    return lambda request: is_write(request) and next(numbers) == at


def one_pass(api: Api, folder: Path, namespace: str) -> bool:
    """One pass in this process; whether it had to write anything."""
    rules = Rules(ApplySet(folder.name, namespace), namespace, prune=True, allow_empty=True)
    source = Source(api, [folder], rules, own_version())
    planned = source.run(source.look()).planned
    assert planned is not None
    return bool(planned.applies or planned.deletes)


def launched(proxy: ApiProxy, folder: Path, namespace: str) -> subprocess.Popen[bytes]:
    """The same pass as a process, through the proxy."""
    place = folder.parent / f"{folder.name}-kubeconfig"
    place.mkdir(exist_ok=True)
    command = [sys.executable, "-m", "asya_cli", "sync", str(folder), "--prune", "--allow-empty", "--set", folder.name]
    environ = os.environ | {"KUBECONFIG": str(proxy.kubeconfig(place))}
    return subprocess.Popen([*command, "--namespace", namespace], env=environ, stderr=subprocess.PIPE)


def prepared(api: Api, folder: Path, namespace: str) -> None:
    """Actors a and gone are there; the files say a in another version, b and c."""
    write(folder, "a", "gone")
    one_pass(api, folder, namespace)
    (folder / "gone.yaml").unlink()
    write(folder, "a", "b", "c", tag="2")


def state(api: Api, namespace: str, name: str) -> tuple[list[tuple[str, str]], dict[str, str]]:
    """Actors with their images, and what the inventory says."""
    items = [item for page, _ in api.pages(ACTOR, namespace) for item in page]
    images = [
        (item["metadata"]["name"], item["spec"]["workload"]["template"]["spec"]["containers"][0]["image"])
        for item in items
    ]
    return images, api.get(CONFIG_MAP, namespace, name)["metadata"]["annotations"]


def expected(api: Api, folder: Path, namespace: str) -> tuple[list[tuple[str, str]], dict[str, str]]:
    """What an undisturbed pass leads to; afterwards the namespace is empty again."""
    prepared(api, folder, namespace)
    assert one_pass(api, folder, namespace)
    found = state(api, namespace, folder.name)
    for file in folder.iterdir():
        file.unlink()
    one_pass(api, folder, namespace)
    return found


@pytest.mark.parametrize(("at", "how"), CUTS, ids=[f"{how.__name__} write {at}" for at, how in CUTS])
def test_a_pass_that_is_killed_is_finished_by_the_next_one(
    api: Api,
    proxy: ApiProxy,
    namespace: str,
    tmp_path: Path,
    at: int,
    how: Callable[[Callable[[], None]], faults.Fault],
) -> None:
    whole = expected(api, tmp_path / "whole", namespace)
    folder = tmp_path / "cut"
    prepared(api, folder, namespace)
    killed: list[subprocess.Popen[bytes]] = []
    proxy.inject(how(lambda: killed[0].kill()), where=nth_write(at))
    killed.append(launched(proxy, folder, namespace))
    _, said = killed[0].communicate(timeout=60)
    assert killed[0].returncode == -9, said
    one_pass(api, folder, namespace)
    assert state(api, namespace, "cut") == whole
    assert not one_pass(api, folder, namespace), "the next one has nothing left to do"


@pytest.mark.parametrize("fault", BUSY)
def test_a_pass_that_is_turned_away_says_so_and_the_next_one_does_it_all(
    api: Api, proxy: ApiProxy, namespace: str, tmp_path: Path, fault: str
) -> None:
    whole = expected(api, tmp_path / "whole", namespace)
    folder = tmp_path / "busy"
    prepared(api, folder, namespace)
    rule = proxy.inject(BUSY[fault], times=None, where=nth_write(2))
    process = launched(proxy, folder, namespace)
    _, said = process.communicate(timeout=60)
    assert rule.met == 1
    assert process.returncode == 3, said
    assert b"Traceback" not in said
    one_pass(api, folder, namespace)
    assert state(api, namespace, "busy") == whole


def test_a_dry_run_that_is_turned_away_writes_nothing(
    api: Api, proxy: ApiProxy, namespace: str, tmp_path: Path
) -> None:
    """What is tried before anything is written decides nothing by halves."""
    folder = tmp_path / "tried"
    prepared(api, folder, namespace)
    before = state(api, namespace, "tried")
    proxy.inject(faults.answer(503, retry_after=1), where=lambda request: "dryRun" in request.query)
    process = launched(proxy, folder, namespace)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 3, said
    assert state(api, namespace, "tried") == before
