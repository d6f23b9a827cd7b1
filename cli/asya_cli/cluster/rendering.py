"""Every object the controller would apply for some actors. Called by `asya render` and `asya diff`. Asks no cluster.

The objects are those of `desired_objects`, the verdict is that of `check`: the controller's own code, with the same configuration.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from asya_cli.local.start import runtime_script
from asya_controller.decide.check import check
from asya_controller.decide.config import OperatorConfig
from asya_controller.decide.desired import config_map, config_map_name, desired_objects
from asya_controller.decide.source.documents import FileProblem, LoadedActor

Object = dict[str, Any]


class Renderer:
    """Renders with one configuration and the runtime script of this installation."""

    def __init__(self, config: OperatorConfig) -> None:
        self._script = runtime_script().read_text(encoding="utf-8")
        self.config = config.model_copy(update={"runtime_config_map": config_map_name(self._script)})

    def problem(self, actor: LoadedActor, document: Mapping[str, Any]) -> FileProblem | None:
        """Why the controller would apply nothing for this actor."""
        violation = check(document, self.config)
        if violation is None:
            return None
        none = (
            ""
            if self.config.transports
            else " (no transports are known: name the operator configuration with --config)"
        )
        return actor.problem(violation.path, f"{violation.reason}: {violation.message}{none}")

    def children(self, document: Mapping[str, Any], script: str | None = None) -> tuple[Object, ...]:
        """The objects of an actor that has no problem, in the order they are applied; `script` names another ConfigMap for it."""
        config = self.config.model_copy(update={"runtime_config_map": script}) if script else self.config
        return desired_objects(document, config).children

    def config_maps(self, namespaces: Iterable[str]) -> list[Object]:
        """The runtime script, once in every namespace."""
        return [config_map(self._script, namespace) for namespace in sorted(set(namespaces))]


def in_namespace(document: Mapping[str, Any], namespace: str) -> Object:
    """The document with its namespace, `namespace` where it names none."""
    metadata = document["metadata"]
    return {**document, "metadata": {**metadata, "namespace": metadata.get("namespace") or namespace}}
