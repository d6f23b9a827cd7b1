"""Inputs for the sidecar's pure rules: settings from a mapping, envelopes from members, answers from frames.

Used by tests/sidecar. Everything is made by the code that makes it in the process, so no test depends on a shape of its own.
"""

import json
from datetime import UTC, datetime
from typing import Any

from asya_schemas.envelope import Envelope, parse
from asya_sidecar.decide.admit import Call, admit, read
from asya_sidecar.decide.answer import Whole
from asya_sidecar.decide.decision import Decision, Rules, Send
from asya_sidecar.settings import from_environ

NOW = datetime(2026, 1, 2, 3, 4, 5, 6000, tzinfo=UTC)
BASE = {
    "ASYA_ACTOR_NAME": "a",
    "ASYA_NAMESPACE": "ns",
    "ASYA_TRANSPORT": "sqlite",
    "ASYA_SQLITE_PATH": "/nowhere/mesh.db",
}


def rules(transport_bytes: int | None = None, max_delay_s: float | None = None, **variables: str) -> Rules:
    """Rules of actor `a` in namespace `ns`."""
    return Rules.of(from_environ(BASE | variables), transport_bytes, max_delay_s)


def body(**members: Any) -> bytes:
    """E of the contract with other members."""
    base = {"id": "e-1", "route": {"prev": [], "curr": "a", "next": ["b"]}, "payload": {"x": 1}}
    return json.dumps(base | members).encode()


def envelope(given: Rules, **members: Any) -> Envelope:
    """Read and stamped as at the start of its turn."""
    found = read(given, body(**members), None, NOW)
    assert isinstance(found, Envelope)
    return found


def call(given: Rules, **members: Any) -> Call:
    """Admitted to the handler."""
    found = admit(given, envelope(given, **members), 1, NOW)
    assert isinstance(found, Call), found
    return found


def whole(*frames: dict[str, Any]) -> Whole:
    """A plain answer with these frames."""
    return Whole(json.dumps({"frames": frames}).encode())


def frame(payload: Any = None, route: dict[str, Any] | None = None, **members: Any) -> dict[str, Any]:
    """A frame whose route is E's, advanced."""
    return {"payload": payload, "route": route or {"prev": ["a"], "curr": "b", "next": []}} | members


def sent(send: Send) -> Any:
    """The JSON of a message."""
    parse(send.body, 20_000_000)
    return json.loads(send.body)


def only(decision: Decision) -> Any:
    """The JSON of the one message of a decision."""
    assert len(decision.sends) == 1, decision
    return sent(decision.sends[0])
