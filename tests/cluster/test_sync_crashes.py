"""A pass of the file source that ends right before or right after any of its writes is finished by the next one."""

from pathlib import Path
from typing import Any

import pytest

from asya_cli.cluster.connection import reach
from asya_controller.act.api import Api, Json
from asya_controller.act.kinds import ACTOR, CONFIG_MAP, Kind
from asya_controller.act.source.passes import Source
from asya_controller.decide.source.applyset import ApplySet
from asya_controller.decide.source.sync import Rules
from tests.support.kube.cluster import Cluster
from tests.support.source_files import write


class Killed(BaseException):
    """Stands for SIGKILL: nothing catches it, and a pass keeps nothing outside of the cluster."""


class Mortal(Api):
    """Dies right before (`after` False) or right after its n-th write; 0 is never."""

    def __init__(self, api: Api, at: int = 0, after: bool = False) -> None:
        self.__dict__ |= api.__dict__
        self.writes, self.at, self.after = 0, at, after

    def _die(self, after: bool) -> None:
        if self.writes == self.at and self.after is after and self.at:
            raise Killed

    def apply(self, *arguments: Any, dry_run: bool = False, **options: Any) -> Json:
        if dry_run:
            return super().apply(*arguments, dry_run=True, **options)
        self.writes += 1
        self._die(after=False)
        answer = super().apply(*arguments, **options)
        self._die(after=True)
        return answer

    def delete(self, kind: Kind, namespace: str, name: str, uid: str) -> None:
        self.writes += 1
        self._die(after=False)
        super().delete(kind, namespace, name, uid)
        self._die(after=True)


@pytest.fixture
def api(cluster: Cluster, namespace: str, monkeypatch: pytest.MonkeyPatch) -> Api:
    monkeypatch.setenv("KUBECONFIG", str(cluster.kubeconfig))
    return reach(None, namespace).api


def one_pass(api: Api, folder: Path, rules: Rules, at: int = 0, after: bool = False) -> int:
    """How many writes it made."""
    mortal = Mortal(api, at, after)
    source = Source(mortal, [folder], rules, "1.0.0")
    source.run(source.look())
    return mortal.writes


def state(api: Api, namespace: str, name: str) -> tuple[list[tuple[str, str]], dict[str, str]]:
    """Actors with their images, and what the inventory says."""
    items = [item for page, _ in api.pages(ACTOR, namespace) for item in page]
    images = [
        (item["metadata"]["name"], item["spec"]["workload"]["template"]["spec"]["containers"][0]["image"])
        for item in items
    ]
    parent = api.get(CONFIG_MAP, namespace, name)
    return images, parent["metadata"]["annotations"]


def prepared(api: Api, folder: Path, rules: Rules) -> None:
    """Actors a and gone are there; the files say a in another version, b and c."""
    write(folder, "a", "gone")
    one_pass(api, folder, rules)
    (folder / "gone.yaml").unlink()
    write(folder, "a", "b", "c", tag="2")


def test_every_write_may_be_the_last(api: Api, namespace: str, tmp_path: Path) -> None:
    def rules(name: str) -> Rules:
        return Rules(ApplySet(name, namespace), namespace, prune=True, allow_empty=True)

    prepared(api, tmp_path / "whole", rules("whole"))
    writes = one_pass(api, tmp_path / "whole", rules("whole"))
    assert writes == 5  # a, b, c, the delete, the inventory
    expected = state(api, namespace, "whole")
    cleared(api, tmp_path / "whole", rules("whole"))
    for at in range(1, writes + 1):
        for after in (False, True):
            name = f"cut-{at}-{'after' if after else 'before'}"
            prepared(api, tmp_path / name, rules(name))
            with pytest.raises(Killed):
                one_pass(api, tmp_path / name, rules(name), at, after)
            one_pass(api, tmp_path / name, rules(name))
            assert state(api, namespace, name) == expected, name
            assert one_pass(api, tmp_path / name, rules(name)) == 0, name
            cleared(api, tmp_path / name, rules(name))


def cleared(api: Api, folder: Path, rules: Rules) -> None:
    """Remove the set's actors, so that the next one may have their names."""
    for file in folder.iterdir():
        file.unlink()
    one_pass(api, folder, rules)
