"""Reads the operator's configuration and the runtime script from their files.

Called once at the start. What is in them is checked by `decide.config`.
"""

from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from asya_controller.decide.config import ConfigurationError, OperatorConfig, operator_config
from asya_controller.settings import Settings


def read_configuration(settings: Settings, version: str) -> OperatorConfig:
    """The configuration with what the environment sets over it.

    Raises:
        ConfigurationError: with every problem.
    """
    return operator_config(document(settings), settings.overrides, version)


def document(settings: Settings) -> Any:
    """The file, parsed; JSON is YAML too. None when there is none at the default place.

    Raises:
        ConfigurationError
    """
    path = Path(settings.config_file)
    try:
        return YAML(typ="safe", pure=True).load(path.read_text())
    except FileNotFoundError:
        if not settings.config_file_required:
            return None
        raise ConfigurationError([f"configuration error: {path}: there is no such file"]) from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError([f"configuration error: {path}: cannot be read: {error}"]) from error
    except YAMLError as error:
        told = " ".join(str(error).split())
        raise ConfigurationError([f"configuration error: {path}: is neither YAML nor JSON: {told}"]) from error


def read_script(settings: Settings) -> str:
    """The runtime script.

    Raises:
        ConfigurationError: there is none, or it is empty.
    """
    path = Path(settings.runtime_script)
    try:
        script = path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(
            [f"configuration error: {path}: the runtime script cannot be read: {error}"]
        ) from error
    if not script.strip():
        raise ConfigurationError([f"configuration error: {path}: the runtime script is empty"])
    return script
