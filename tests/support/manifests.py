"""The manifests of kustomize/ as people get them: a copy with the file that they make first, what an overlay builds, an older CRD.

Used by tests/gitops and tests/e2e.
"""

import shutil
import subprocess
from io import StringIO
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from tests.support.console import ROOT
from tests.support.kube.binaries import binaries
from tests.support.kube.cluster import CRD, documents

JSON = dict[str, Any]
OVERLAYS = ("local", "production", "namespaced")
CREDENTIALS = "username=asya\npassword=only-for-tests\n"


def tree(folder: Path) -> Path:
    """A copy of what people apply from, with the file that they make first."""
    for part in ("kustomize", "schemas/crd"):
        shutil.copytree(ROOT / part, folder / part, ignore=shutil.ignore_patterns("rabbitmq.env"))
    (folder / "kustomize/overlays/local/rabbitmq.env").write_text(CREDENTIALS)
    return folder


def whole(overlay: Path) -> str:
    """What `kubectl kustomize` prints."""
    command = [binaries()["kubectl"], "kustomize", str(overlay)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def built(overlay: Path) -> str:
    """The same without the CRD, which has tests of its own."""
    return "---\n".join(part for part in whole(overlay).split("---\n") if "kind: CustomResourceDefinition" not in part)


def objects(text: str) -> list[JSON]:
    """Every document."""
    return [dict(found) for found in YAML(typ="safe").load_all(text) if found]


def as_yaml(*documents: JSON) -> str:
    """Documents as one text for `kubectl apply -f -`."""
    text = StringIO()
    YAML(typ="safe").dump_all(documents, text)
    return text.getvalue()


def older_crd() -> JSON:
    """The CRD as a version before ours may have had it: fewer fields, fewer columns, no rules."""
    (crd,) = documents(CRD)
    crd = dict(_without_rules(crd))
    (version,) = crd["spec"]["versions"]
    version["additionalPrinterColumns"] = version["additionalPrinterColumns"][:3]
    spec = version["schema"]["openAPIV3Schema"]["properties"]["spec"]
    for field in ("resiliency", "timeout"):
        del spec["properties"][field]
    return crd


def _without_rules(value: Any) -> Any:
    """A copy of a schema without its CEL rules."""
    if isinstance(value, dict):
        return {key: _without_rules(item) for key, item in value.items() if key != "x-kubernetes-validations"}
    return [_without_rules(item) for item in value] if isinstance(value, list) else value
