"""What one look of `asya doctor` says, and what the looks share. Used by checks.py and broker_checks.py."""

from dataclasses import dataclass
from typing import Any, Literal

from asya_cli.cluster.connection import Cluster
from asya_cli.cluster.installation import Installation
from asya_controller.decide.config import OperatorConfig

State = Literal["ok", "warning", "wrong"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the answer. `mend` is empty when nothing is to be done."""

    subject: str
    state: State
    found: str
    mend: str = ""


@dataclass(slots=True)
class Patient:
    """The cluster and what several looks need of it."""

    cluster: Cluster
    installation: Installation | None = None
    config: OperatorConfig | None = None
    actors: tuple[dict[str, Any], ...] = ()
