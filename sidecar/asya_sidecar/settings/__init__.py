"""The sidecar's input: one frozen value made from the environment.

Called by `__main__` alone; everything else is handed a `Settings`. The table of variables (variables.py) is the only
place that names them, and docs/reference/sidecar-variables.md is generated from it. Must not import anything from act
or decide.
"""

from asya_sidecar.settings.model import (
    Address,
    ConfigurationError,
    GatewaySettings,
    Settings,
    SqliteSettings,
    SqsSettings,
)
from asya_sidecar.settings.reading import from_environ

__all__ = [
    "Address",
    "ConfigurationError",
    "GatewaySettings",
    "Settings",
    "SqliteSettings",
    "SqsSettings",
    "from_environ",
]
