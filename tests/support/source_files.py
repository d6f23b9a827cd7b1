"""Files of a source and what became of them in a namespace: what the tests of `asya sync` share."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.support.kube.cluster import Cluster

ACTOR = """\
apiVersion: asya.sh/v1alpha1
kind: AsyncActor
metadata: {{name: {name}}}
spec:
  transport: rabbitmq
  workload:
    template:
      spec:
        containers:
        - name: asya-runtime
          image: registry.example.com/{name}:{tag}
          env: [{{name: ASYA_HANDLER, value: a.b}}]
"""


Asya = Callable[..., subprocess.CompletedProcess[str]]


def write(folder: Path, *names: str, tag: str = "1") -> None:
    folder.mkdir(exist_ok=True)
    for name in names:
        (folder / f"{name}.yaml").write_text(ACTOR.format(name=name, tag=tag))


class State:
    """What is in the namespace, as a person would look at it."""

    def __init__(self, cluster: Cluster, namespace: str) -> None:
        self._cluster = cluster
        self.namespace = namespace

    def json(self, *arguments: str) -> Any:
        return json.loads(self._cluster.kubectl("get", "-n", self.namespace, "-o", "json", *arguments).stdout)

    def names(self) -> list[str]:
        return [item["metadata"]["name"] for item in self.json("asyncactors")["items"]]

    def versions(self) -> dict[str, str]:
        items = self.json("asyncactors")["items"]
        return {item["metadata"]["name"]: item["metadata"]["resourceVersion"] for item in items}

    def image(self, name: str) -> str:
        spec = self.json("asyncactor", name)["spec"]["workload"]["template"]["spec"]
        return str(spec["containers"][0]["image"])
