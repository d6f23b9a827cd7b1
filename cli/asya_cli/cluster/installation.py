"""The controller as it is installed in a cluster: where it runs, which version, with which configuration.

Found by its Deployment, which is called `asya-controller` or labelled so. Called by `asya diff`, `doctor` and `version`. What may not
be read is as if it were not there.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from asya_cli.cluster.connection import Cluster, own_version
from asya_cli.cluster.operator import from_text
from asya_cli.errors import UsageMistake
from asya_controller.act.api_errors import ApiError, NoAnswer
from asya_controller.act.kinds import CONFIG_MAP, DEPLOYMENT
from asya_controller.decide.config import OperatorConfig
from asya_controller.settings import DEFAULT_CONFIG_FILE

NAME = "asya-controller"
SYSTEM_NAMESPACE = "asya-system"
LABEL = f"app.kubernetes.io/name={NAME}"
VERSION_LABEL = "app.kubernetes.io/version"

Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Installation:
    """One controller. `place` is where its configuration stands; empty when there is none."""

    deployment: Json
    document: str
    place: str

    @property
    def namespace(self) -> str:
        return str(self.deployment["metadata"]["namespace"])

    @property
    def version(self) -> str | None:
        """Its version: the usual label, else the image's tag."""
        label = (self.deployment["metadata"].get("labels") or {}).get(VERSION_LABEL)
        image = str(controller_container(self.deployment).get("image", ""))
        tag = image.rpartition("/")[2].partition("@")[0].partition(":")[2]
        return str(label) if label else tag or None

    @property
    def environment(self) -> dict[str, str]:
        """The variables with literal values."""
        env = controller_container(self.deployment).get("env") or ()
        return {str(entry["name"]): str(entry.get("value", "")) for entry in env}

    def config(self) -> OperatorConfig:
        """Its configuration.

        Raises:
            UsageMistake: the controller could not have started with it.
        """
        return from_text(self.document.encode(), self.place, self.version or own_version())


def installation(cluster: Cluster) -> Installation | None:
    """The controller of this cluster, None when there is none or it cannot be looked at.

    Raises:
        NoAnswer: the cluster does not answer.
    """
    deployment = next(_deployments(cluster), None)
    if deployment is None:
        return None
    document, place = _configuration(cluster, deployment)
    return Installation(deployment, document, place)


def _deployments(cluster: Cluster) -> Iterator[Json]:
    try:
        for items, _ in cluster.api.pages(DEPLOYMENT, None, selector=LABEL):
            yield from items
    except NoAnswer:
        raise
    except ApiError:  # may not list everywhere: the usual place is left
        pass
    try:
        yield cluster.api.get(DEPLOYMENT, SYSTEM_NAMESPACE, NAME)
    except NoAnswer:
        raise
    except ApiError:
        return


def controller_container(deployment: Json) -> Json:
    """The container that runs the controller: the first one."""
    containers = deployment["spec"]["template"]["spec"].get("containers") or [{}]
    first: Json = containers[0]
    return first


def _configuration(cluster: Cluster, deployment: Json) -> tuple[str, str]:
    """Text and place of the mounted configuration file."""
    container = controller_container(deployment)
    env = {entry["name"]: entry.get("value") for entry in container.get("env") or ()}
    file = str(env.get("ASYA_CONFIG_FILE") or DEFAULT_CONFIG_FILE)
    volumes = {v["name"]: v for v in deployment["spec"]["template"]["spec"].get("volumes") or ()}
    for mount in container.get("volumeMounts") or ():
        path = str(mount["mountPath"]).rstrip("/")
        if file != path and not file.startswith(f"{path}/"):
            continue
        name = (volumes.get(mount["name"], {}).get("configMap") or {}).get("name")
        key = str(mount.get("subPath") or file.removeprefix(f"{path}/"))
        if name:
            return _read(cluster, str(deployment["metadata"]["namespace"]), str(name), key)
    return "", ""


def _read(cluster: Cluster, namespace: str, name: str, key: str) -> tuple[str, str]:
    place = f"ConfigMap {name} in namespace {namespace}, {key}"
    try:
        found = cluster.api.get(CONFIG_MAP, namespace, name)
    except NoAnswer:
        raise
    except ApiError as error:
        raise UsageMistake(f"{place}: the controller's configuration cannot be read: {error.message}") from None
    return str((found.get("data") or {}).get(key, "")), place
