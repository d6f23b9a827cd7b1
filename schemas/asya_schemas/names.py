"""Names that everybody must compute alike: actors, queues, children.

Used by every component. Must not know which transport a queue lives on.
"""

from __future__ import annotations

import re
import string
import uuid
from functools import lru_cache
from typing import Final

# uuid5(DNS, "asya.sh"), fixed for ever: ids of fan-out children are made in it (contract: envelope, Identity and fan-out).
ID_NAMESPACE: Final = uuid.UUID("a606e246-d58c-56b3-88d3-b2b7992f662a")
DEFAULT_QUEUE_TEMPLATE: Final = "asya-{namespace}-{actor}"

_DNS_LABEL: Final = re.compile(r"[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?")
_PLACEHOLDERS: Final = ("namespace", "actor")


class TemplateError(ValueError):
    """A queue name template that no queue name can be made from; the text is a sentence for the operator."""


def is_actor_name(text: str) -> bool:
    """Whether `text` may stand in a route: a DNS label (contract: envelope, Route)."""
    return _DNS_LABEL.fullmatch(text) is not None


@lru_cache(maxsize=64)  # every hop asks for a queue's name, and of the same template
def check_template(template: str) -> None:
    """Raise TemplateError unless `template` has `{actor}` and no other placeholder than `{namespace}`."""
    try:
        parts = list(string.Formatter().parse(template))
    except ValueError as error:
        raise TemplateError(f"queue name template {template!r}: {error}") from None
    used = [name for _, name, _, _ in parts if name is not None]
    plain = all(not spec and conversion is None for _, name, spec, conversion in parts if name is not None)
    if not plain or any(name not in _PLACEHOLDERS for name in used):
        raise TemplateError(f"queue name template {template!r}: only {{namespace}} and {{actor}} may stand in it")
    if "actor" not in used:
        raise TemplateError(f"queue name template {template!r} must contain {{actor}}")


def uses_namespace(template: str) -> bool:
    """Whether a checked template needs a namespace."""
    return "{namespace}" in template


def queue_name(template: str, namespace: str, actor: str) -> str:
    """Name of an actor's work queue. Raises TemplateError for a template `check_template` refuses."""
    check_template(template)
    return template.format(namespace=namespace, actor=actor)


def dead_letter_queue(queue: str) -> str:
    """Name of the queue for messages that kill whoever takes them."""
    return f"{queue}-dlq"


def child_id(envelope_id: str, hops: int, index: int) -> str:
    """Id of fan-out frame `index` >= 1 made from an input with `hops` hops done: the same again on a repeat."""
    return str(uuid.uuid5(ID_NAMESPACE, f"{envelope_id}/{hops}/{index}"))
