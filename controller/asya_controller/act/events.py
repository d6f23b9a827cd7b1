"""Sends Kubernetes Events about AsyncActors from a thread of its own.

Passes hand over what `decide.events` found; an Event that cannot be sent in time is dropped and counted, never waited for. The same words
again make a series of one Event.
"""

import threading
import time
import uuid
from collections import OrderedDict, deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import structlog

from asya_controller.act.api import Api
from asya_controller.act.api_errors import ApiError, NotFound
from asya_controller.act.kinds import ACTOR, EVENT
from asya_controller.act.lease import moment
from asya_controller.act.metrics import Metrics
from asya_controller.decide.events import Event

log = structlog.get_logger()

BURST = 25
REFILL_S = 300.0
"""25 at once, then one per 5 min and actor (contract: controller, Events)."""
MOST_WAITING = 1000
SAME_WITHIN_S = 360.0
MOST_REMEMBERED = 4096
LONGEST_NOTE = 1024


@dataclass(slots=True)
class Bucket:
    """How many Events an actor may still send."""

    tokens: float
    at: float


@dataclass(slots=True)
class Sent:
    """An Event that may become a series."""

    name: str
    count: int
    at: float


class EventSender:
    """The thread and what it has sent."""

    def __init__(self, api: Api, metrics: Metrics, instance: str) -> None:
        self._api = api
        self._metrics = metrics
        self._instance = instance
        self._changed = threading.Condition()
        self._waiting: deque[tuple[dict[str, Any], Event]] = deque()
        self._buckets: dict[str, Bucket] = {}
        self._sent: OrderedDict[tuple[str, str, str, str], Sent] = OrderedDict()
        self._stopped = False
        self._thread = threading.Thread(target=self._run, name="events", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def tell(self, actor: Mapping[str, Any], event: Event) -> None:
        """Send it soon, unless the actor has told too much already."""
        meta = actor["metadata"]
        about = {
            "apiVersion": ACTOR.api_version,
            "kind": ACTOR.name,
            "name": meta["name"],
            "namespace": meta["namespace"],
            "uid": meta["uid"],
        }
        with self._changed:
            if len(self._waiting) >= MOST_WAITING or not self._allowed(str(meta["uid"])):
                self._metrics.dropped.inc()
                return
            self._waiting.append((about, event))
            self._changed.notify()

    def forget(self, uid: str) -> None:
        """The actor is gone."""
        with self._changed:
            self._buckets.pop(uid, None)

    def flush(self, within_s: float) -> None:
        """Send what waits, then end."""
        with self._changed:
            self._stopped = True
            self._changed.notify()
        self._thread.join(within_s)

    def _allowed(self, uid: str) -> bool:
        now = time.monotonic()
        bucket = self._buckets.setdefault(uid, Bucket(BURST, now))
        bucket.tokens = min(BURST, bucket.tokens + (now - bucket.at) / REFILL_S)
        bucket.at = now
        if bucket.tokens < 1:
            return False
        bucket.tokens -= 1
        return True

    def _run(self) -> None:
        while True:
            with self._changed:
                while not self._waiting and not self._stopped:
                    self._changed.wait()
                if not self._waiting:
                    return
                about, event = self._waiting.popleft()
            try:
                self._send(about, event)
            except ApiError as error:
                # Also what a namespace answers that is going away.
                self._metrics.dropped.inc()
                log.warning("event dropped", actor=about["name"], reason=event.reason, problem=error.message)

    def _send(self, about: dict[str, Any], event: Event) -> None:
        key, now = (str(about["uid"]), event.type, event.reason, event.message), time.monotonic()
        sent = self._sent.get(key)
        if sent is not None and now - sent.at < SAME_WITHIN_S:
            sent.count, sent.at = sent.count + 1, now
            series = {"series": {"count": sent.count, "lastObservedTime": moment()}}
            try:
                self._api.merge(EVENT, about["namespace"], sent.name, series)
                return
            except NotFound:
                pass  # expired in the meantime: told anew
        name = f"{about['name'][:200]}.{uuid.uuid4().hex[:16]}"
        self._api.create(EVENT, about["namespace"], self._body(name, about, event))
        self._sent[key] = Sent(name, 1, now)
        while len(self._sent) > MOST_REMEMBERED:
            self._sent.popitem(last=False)

    def _body(self, name: str, about: dict[str, Any], event: Event) -> dict[str, Any]:
        return {
            "apiVersion": EVENT.api_version,
            "kind": EVENT.name,
            "metadata": {"name": name, "namespace": about["namespace"]},
            "eventTime": moment(),
            "reportingController": "asya.sh/asya-controller",
            "reportingInstance": self._instance[:128],
            "action": event.reason,
            "reason": event.reason,
            "regarding": about,
            "note": event.message[:LONGEST_NOTE],
            "type": event.type,
        }
