"""Which replica is the leader: a coordination.k8s.io Lease, as Kubernetes' own controllers hold theirs.

Run by `__main__` in a thread of its own. Must not outlive its right: who could not renew in time has to stop at once, which is why `lost`
ends the process.
"""

import random
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import structlog

from asya_controller.act.api import Api
from asya_controller.act.api_errors import ApiError, NotFound
from asya_controller.act.kinds import LEASE

log = structlog.get_logger()

NAME = "asya-controller"
LASTING_S = 15
RENEW_WITHIN_S = 10.0
RETRY_S = 2.0
JITTER = 0.2


class Lease:
    """One candidate. `holder` is unique to the process."""

    def __init__(self, api: Api, namespace: str, holder: str, on_lost: Callable[[], None]) -> None:
        self._api = api
        self._namespace = namespace
        self._holder = holder
        self._on_lost = on_lost
        self.held = threading.Event()
        self._stop = threading.Event()
        self._seen: tuple[str, float] = ("", 0.0)
        self._thread = threading.Thread(target=self._run, name="lease", daemon=True)

    def start(self) -> None:
        """Begin to ask for it."""
        self._thread.start()

    def release(self) -> None:
        """Give it back, so that the next one need not wait. Nothing may be written afterwards."""
        self._stop.set()
        if self._thread.is_alive():  # else nobody has asked for it yet, and nobody will
            self._thread.join(timeout=RENEW_WITHIN_S)
        if not self.held.is_set():
            return
        self.held.clear()
        try:
            found = self._api.get(LEASE, self._namespace, NAME)
            if found["spec"].get("holderIdentity") == self._holder:
                found["spec"] |= {"holderIdentity": "", "leaseDurationSeconds": 1, "renewTime": moment()}
                self._api.replace(LEASE, self._namespace, NAME, found)
        except ApiError as error:
            log.warning("lease not released: the next leader waits until it ends", problem=error.message)

    def _run(self) -> None:
        renewed_at = time.monotonic()
        while not self._stop.is_set():
            try:
                ours = self._take()
            except ApiError as error:
                ours = False
                log.warning("lease not renewed", problem=error.message)
            now = time.monotonic()
            if ours:
                renewed_at = now
                if not self.held.is_set():
                    log.info("became leader", holder=self._holder)
                    self.held.set()
            elif self.held.is_set() and now - renewed_at >= RENEW_WITHIN_S:
                self._on_lost()
                return
            self._stop.wait(RETRY_S * random.uniform(1.0, 1.0 + JITTER))

    def _take(self) -> bool:
        """Take or renew it; whether it is ours.

        Raises:
            ApiError: it is not known.
        """
        try:
            found = self._api.get(LEASE, self._namespace, NAME)
        except NotFound:
            meta = {"name": NAME, "namespace": self._namespace}
            body = {"apiVersion": LEASE.api_version, "kind": LEASE.name, "metadata": meta, "spec": self._spec({})}
            self._api.create(LEASE, self._namespace, body)
            return True
        spec = found.get("spec") or {}
        holder = spec.get("holderIdentity") or ""
        if holder not in ("", self._holder) and not self._ended(found, spec):
            if self.held.is_set():
                self._on_lost()
            return False
        found["spec"] = self._spec(spec)
        self._api.replace(LEASE, self._namespace, NAME, found)
        return True

    def _ended(self, found: dict[str, Any], spec: dict[str, Any]) -> bool:
        """Whether another's lease has run out by our own clock: clocks of two machines are not compared."""
        version, now = str(found["metadata"]["resourceVersion"]), time.monotonic()
        if self._seen[0] != version:
            self._seen = (version, now)
        return now - self._seen[1] >= float(spec.get("leaseDurationSeconds") or LASTING_S)

    def _spec(self, before: dict[str, Any]) -> dict[str, Any]:
        now, ours = moment(), before.get("holderIdentity") == self._holder
        return {
            "holderIdentity": self._holder,
            "leaseDurationSeconds": LASTING_S,
            "acquireTime": before.get("acquireTime") if ours else now,
            "renewTime": now,
            "leaseTransitions": int(before.get("leaseTransitions") or 0) + (0 if ours or not before else 1),
        }


def moment() -> str:
    """Now, as a MicroTime."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
