"""The operator configuration that `asya render`, `diff` and `doctor` decide with (contract: controller, Operator configuration).

From a file, or as the controller of a cluster has it. What is wrong with it is said with file, line and column where there is a file.
"""

import os
from importlib.metadata import version
from pathlib import Path
from typing import Any

from asya_cli.errors import UsageMistake
from asya_controller.act.source.files import read
from asya_controller.decide.config import ConfigurationError, OperatorConfig, operator_config
from asya_controller.decide.source.documents import text_of
from asya_controller.decide.source.yaml_nodes import Values, YamlMistake, compose

VARIABLE = "ASYA_CONFIG_FILE"


def from_file(given: Path | None) -> OperatorConfig:
    """The configuration of `--config` or `ASYA_CONFIG_FILE`; all defaults, which have no transports, without either.

    Raises:
        UsageMistake: it cannot be used.
    """
    path = given or (Path(os.environ[VARIABLE]) if os.environ.get(VARIABLE) else None)
    if path is None:
        return checked(None, "")
    try:
        body = read(path)
    except OSError as error:
        raise UsageMistake(f"{path}: {error.strerror}") from None
    return from_text(body, str(path))


def from_text(body: bytes, place: str, of_version: str | None = None) -> OperatorConfig:
    """The configuration from YAML or JSON, for a controller of this version (ours). Raises UsageMistake, with `place` in front."""
    try:
        roots = compose(text_of(body))
    except YamlMistake as mistake:
        line, column = mistake.position
        raise UsageMistake(f"{place}:{line}:{column}: {mistake.reason}") from None
    if len(roots) > 1:
        raise UsageMistake(f"{place}: expected one document, got {len(roots)}")
    return checked(Values().of(roots[0]) if roots else None, f"{place}: ", of_version)


def checked(document: Any, place: str, of_version: str | None = None) -> OperatorConfig:
    """The configuration from a parsed document. Raises UsageMistake with every problem."""
    try:
        return operator_config(document, version=of_version or version("asya-mesh"))
    except ConfigurationError as error:
        raise UsageMistake("\n".join(f"{place}{line}" for line in error.lines)) from None
