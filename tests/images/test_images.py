"""What is in each image and what is not, how large it is, that it starts as its manifest wants it, and that it refuses bad configuration.

Pods of the real node start them: as somebody who is not root, on a root folder that cannot be written.
"""

from __future__ import annotations

import json
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.report import at_most
from tests.support.console import ROOT
from tests.support.kube.api import JSON
from tests.support.kube.figures import keep
from tests.support.kube.images import BASE, OURS, Image, layout, run
from tests.support.kube.real import RealCluster
from tests.support.wait import until

pytestmark = [pytest.mark.node, pytest.mark.timeout(900)]

MB = 1_000_000
MOST_BYTES = {"controller": 60 * MB, "sidecar": 35 * MB, "crew": 5 * MB}
PACKAGES = {
    "controller": {"asya_controller", "asya_schemas", "asya_transport"},
    "sidecar": {"asya_sidecar", "asya_schemas", "asya_transport"},
    "crew": {"asya_crew"},
}
WEB_FRAMEWORKS = {"aiohttp", "fastapi", "flask", "starlette", "uvicorn", "django", "tornado"}
RESTRICTED = {
    "allowPrivilegeEscalation": False,
    "readOnlyRootFilesystem": True,
    "runAsNonRoot": True,  # the kubelet looks at the image's own user
    "capabilities": {"drop": ["ALL"]},
    "seccompProfile": {"type": "RuntimeDefault"},
}


@pytest.fixture(scope="module")
def folder() -> Path:
    return layout()


def image(folder: Path, target: str) -> Image:
    return Image(folder, OURS[target])


def top(folder: Path, target: str) -> set[str]:
    """Packages and modules in the image's own layers."""
    files = image(folder, target).files(Image(folder, BASE))
    found = {name.removeprefix("app/").split("/")[0] for name in files if name.startswith("app/")}
    return {name.removesuffix(".py") for name in found if not name.endswith(".dist-info")}


@pytest.mark.parametrize("target", OURS)
def test_an_image_is_not_larger_than_it_may_be(target: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    size = image(folder, target).size(Image(folder, BASE))
    keep(at_most(f"image_{target}_mb", "MB", MOST_BYTES[target] / MB, [size / MB]))
    with capsys.disabled():
        print(f"\nimage {target}: {size / MB:.1f} MB beyond the base, at most {MOST_BYTES[target] / MB:g}")  # noqa: T201
    assert size <= MOST_BYTES[target]


@pytest.mark.parametrize("target", OURS)
def test_an_image_holds_its_own_packages_and_no_other_of_ours(target: str, folder: Path) -> None:
    assert {name for name in top(folder, target) if name.startswith("asya_")} == PACKAGES[target]


@pytest.mark.parametrize("target", OURS)
def test_an_image_holds_the_libraries_of_its_dependency_group_and_no_other(target: str, folder: Path) -> None:
    how = ("export", "--quiet", "--frozen", "--no-emit-project", "--no-hashes", "--no-header", "--no-annotate")
    asynchronous = ("--prune=aiohttp", "--prune=aiohttp-retry")  # of the Kubernetes package; the Dockerfile says why
    lines = run(
        Path(sys.executable).parent / "uv", "--directory", ROOT, *how, *asynchronous, "--only-group", target
    ).splitlines()
    # A line may end with the systems that it is for.
    wanted = {line.partition("==")[0] for line in lines if "sys_platform == 'win32'" not in line}
    files = image(folder, target).files(Image(folder, BASE))
    found = {name.split("/")[1].partition("-")[0] for name in files if name.endswith(".dist-info/METADATA")}
    assert {name.lower().replace("_", "-") for name in found} == {name.replace(".", "-") for name in wanted} | {
        "asya-mesh"
    }


@pytest.mark.parametrize("target", ["sidecar", "crew"])
def test_an_image_of_the_actors_knows_nothing_of_kubernetes_and_serves_no_web(target: str, folder: Path) -> None:
    unwanted = {"kubernetes", "asya_controller", "asya_cli"} | WEB_FRAMEWORKS
    assert top(folder, target) & unwanted == set()
    assert {"kubernetes", "asya_controller"} <= top(folder, "controller") & unwanted, "where it is, it is seen"


@pytest.mark.parametrize("target", OURS)
def test_an_image_adds_nothing_to_the_base_but_its_own_folder(target: str, folder: Path) -> None:
    added = {name.split("/")[0] for name in image(folder, target).files(Image(folder, BASE))}
    assert added == ({"app", "runtime"} if target == "controller" else {"app"})


def test_the_crew_needs_nothing_but_python(folder: Path) -> None:
    assert top(folder, "crew") == {"asya_crew"}


@pytest.mark.parametrize("target", OURS)
def test_an_image_runs_as_somebody_who_is_not_root(target: str, folder: Path) -> None:
    user = image(folder, target).config["User"]
    assert user.split(":")[0].isdigit()
    assert user.split(":")[0] != "0"


@pytest.fixture
def place(real: RealCluster) -> Iterator[str]:
    """A namespace that demands what our manifests promise."""
    name = f"t-{uuid.uuid4().hex[:10]}"
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    real.api.create("namespaces", "", {"metadata": {"name": name, "labels": labels}})
    yield name
    real.api.delete("namespaces", "", name)


def ended(real: RealCluster, place: str, target: str, container: JSON, volumes: list[JSON] | None = None) -> JSON:
    """Run one pod of an image to its end; the state in which its container ended."""
    whole = {
        "name": "main",
        "image": OURS[target],
        "imagePullPolicy": "Never",
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "securityContext": RESTRICTED,
        **container,
    }
    spec = {
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "containers": [whole],
        "volumes": volumes or [],
    }
    until(lambda: real.api.find("serviceaccounts", place, "default"), what="the namespace is ready for pods")
    real.api.create("pods", place, {"metadata": {"name": target}, "spec": spec})

    def state() -> JSON | None:
        status = real.api.get("pods", place, target)["status"]
        for one in status.get("containerStatuses", ()):
            assert one["state"].get("waiting", {}).get("reason", "ContainerCreating") == "ContainerCreating", one
            if "terminated" in one["state"]:
                return dict(one["state"]["terminated"])
        return None

    found = until(state, 60, 0.1, what=f"the {target} has ended")
    assert found is not None
    return found


def test_the_controller_says_which_key_of_its_configuration_is_wrong(real: RealCluster, place: str) -> None:
    data = {
        "controller.yaml": "transports:\n  main:\n    type: rabbitmq\n    config: {hots: b, passwordSecretRef: {name: s, key: k}}\n"
    }
    real.api.create("configmaps", place, {"metadata": {"name": "config"}, "data": data})
    mount = {"name": "config", "mountPath": "/etc/asya"}
    end = ended(
        real, place, "controller", {"volumeMounts": [mount]}, [{"name": "config", "configMap": {"name": "config"}}]
    )
    assert end["exitCode"] == 2
    assert "configuration error: transports.main.config.hots" in end["message"]
    assert "host" in end["message"]


def test_the_sidecar_says_which_variables_are_missing(real: RealCluster, place: str) -> None:
    end = ended(real, place, "sidecar", {"env": [{"name": "ASYA_TRANSPORT", "value": "pigeons"}]})
    assert end["exitCode"] == 2
    assert "ASYA_ACTOR_NAME" in end["message"]
    assert "ASYA_TRANSPORT" in end["message"]


def test_the_crew_says_what_is_wrong_when_the_runtime_loads_it(real: RealCluster, place: str) -> None:
    script = (ROOT / "runtime" / "asya_runtime.py").read_text()
    real.api.create("configmaps", place, {"metadata": {"name": "runtime"}, "data": {"asya_runtime.py": script}})
    env = {
        "ASYA_HANDLER": "asya_crew.sink.handle",
        "ASYA_HANDLER_MODE": "envelope",
        "ASYA_SOCKET_DIR": "/sockets",
        "ASYA_PERSISTENCE_MOUNT": "/nowhere",
    }
    end = ended(
        real,
        place,
        "crew",
        {
            "command": ["python3", "/opt/asya/asya_runtime.py"],
            "env": [{"name": name, "value": value} for name, value in env.items()],
            "volumeMounts": [
                {"name": "runtime", "mountPath": "/opt/asya"},
                {"name": "sockets", "mountPath": "/sockets"},
            ],
        },
        [{"name": "runtime", "configMap": {"name": "runtime"}}, {"name": "sockets", "emptyDir": {}}],
    )
    assert end["exitCode"] in (2, 3)
    assert "ASYA_PERSISTENCE_MOUNT='/nowhere'" in end["message"]


def test_a_crew_that_nobody_gave_a_runtime_says_where_it_belongs(real: RealCluster, place: str) -> None:
    assert ended(real, place, "crew", {})["exitCode"] == 0
    assert "kustomize/end-actors" in real.kubectl("logs", "-n", place, "crew").stdout


def test_the_image_of_the_controller_carries_the_runtime_script(folder: Path) -> None:
    files = image(folder, "controller").files(Image(folder, BASE))
    assert "runtime/asya_runtime.py" in files
    assert json.dumps(files).count("asya_runtime.py") == 1
