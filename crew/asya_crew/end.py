"""An end actor's work on one envelope: log it, store it, say what the report shall hold (contract: gateway, Crew).

Called by the handlers in sink.py and sump.py inside the runtime's process. The sidecar beside it sends the report and
acknowledges; an exception here means "not stored yet" to it, and the envelope comes again. Must not talk to the
gateway: the runtime has no token.
"""

import json
from collections.abc import Mapping
from typing import Any

from asya_crew.ending import Ending, ending_of, final_payload, route_of
from asya_crew.log import Log
from asya_crew.settings import Settings, from_environ
from asya_crew.store import Store, Stored, key_name, open_store

Answer = dict[str, Any]


class EndActor:
    """x-sink or x-sump: they differ in what no phase means, in what is stored where, and in the log line."""

    def __init__(self, settings: Settings, store: Store | None, log: Log, *, is_sump: bool) -> None:
        self._settings = settings
        self._store = store
        self._log = log
        self._is_sump = is_sump
        if store is None:
            where = "reported and logged" if settings.has_gateway else "only logged"
            log.write("WARNING", f"no store is configured (ASYA_PERSISTENCE_MOUNT): what ends here is {where}")

    def handle(self, envelope: dict[str, Any]) -> Answer:
        """Take one envelope; the answer's payload is the contract's: `{}`, or `{"asya_report": {..}}`.

        Raises:
            NotStoredError: it is not safe yet.
            ValueError: it has no id.
        """
        ending = ending_of(envelope, "failed" if self._is_sump else "succeeded")
        self._write_line(envelope, ending)
        key = self._key(ending)
        if self._store is None or key is None:
            return {"payload": {}}
        stored = self._store.put(key, _encode(envelope))
        report: Answer = {"location": stored.location}
        if not stored.is_ours and stored.body != _encode(envelope):
            report |= self._earlier(stored)
        return {"payload": {"asya_report": report}}

    def _key(self, ending: Ending) -> str | None:
        """Where it is kept; None at x-sink for a canceled or paused one, which has no outcome to keep."""
        if self._is_sump or ending.status == "failed":
            return self._settings.errors_prefix + key_name(ending.envelope_id, ending.replays)
        if ending.status == "succeeded":
            return self._settings.results_prefix + key_name(ending.envelope_id)
        return None

    def _earlier(self, stored: Stored) -> Answer:
        """The outcome of the object that was there first: store and report must agree."""
        try:
            envelope = json.loads(stored.body)
            ending = ending_of(envelope, "failed" if self._is_sump else "succeeded")
        except ValueError as error:
            self._log.write(
                "WARNING", "stored object cannot be read, reported from the envelope", uri=stored.uri, error=str(error)
            )
            return {}
        outcome = {"status": ending.status, "reason": ending.reason}
        return outcome | ({"error": ending.error} if ending.status == "failed" else {"result": envelope.get("payload")})

    def _write_line(self, envelope: dict[str, Any], ending: Ending) -> None:
        members: dict[str, Any] = {
            "envelope_id": ending.envelope_id,
            "trace_id": ending.trace_id,
            "status": ending.status,
            "reason": ending.reason,
            "route": route_of(envelope),
        }
        if self._is_sump:
            names = {"error_type": "type", "error_message": "message", "traceback": "traceback"}
            members |= {name: ending.error.get(member) for name, member in names.items()}
        if self._settings.log_payloads:
            members |= self._payload(final_payload(envelope))
        level, msg = ("ERROR", "final error") if self._is_sump else ("INFO", "final payload")
        self._log.write(level, msg, **members)

    def _payload(self, payload: Any) -> dict[str, Any]:
        text = json.dumps(payload, ensure_ascii=False, separators=(",", ":")).encode()
        limit = self._settings.log_payload_max_bytes
        if len(text) <= limit:
            return {"payload": payload}
        return {"payload": text[:limit].decode(errors="ignore"), "payload_truncated": True}


def open_end_actor(environ: Mapping[str, str], *, is_sump: bool) -> EndActor:
    """The end actor the environment describes.

    Raises:
        ConfigurationError: it describes none; nothing is started.
    """
    settings = from_environ(environ)
    return EndActor(settings, open_store(settings), Log(settings), is_sump=is_sump)


def _encode(envelope: dict[str, Any]) -> bytes:
    return json.dumps(envelope, ensure_ascii=False, indent=2).encode() + b"\n"
