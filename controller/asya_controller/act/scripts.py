"""The ConfigMaps with the runtime script: one per namespace, made with the first actor, gone with the last.

Called by passes (`ensure`, `release`) and by housekeeping (`sweep`). Objects have no owner, because all actors of a namespace share them.
"""

import threading
import time
from datetime import UTC, datetime, timedelta

import structlog

from asya_controller.act.api import CHILDREN, Api
from asya_controller.act.api_errors import ApiError, NotFound
from asya_controller.act.kinds import CONFIG_MAP, POD
from asya_controller.act.view import View
from asya_controller.decide.desired import config_map, config_map_name
from asya_controller.decide.pods import time_of

log = structlog.get_logger()

OUTDATED_AFTER = timedelta(hours=1)
PREFIX = "asya-runtime-"


class Scripts:
    """The script that new pods run."""

    def __init__(self, api: Api, view: View, script: str) -> None:
        self._api = api
        self._view = view
        self._script = script
        self.name = config_map_name(script)
        self._lock = threading.Lock()

    def there(self, namespace: str) -> bool:
        """Whether it is known to exist."""
        return self._view.get(CONFIG_MAP, (namespace, self.name)) is not None

    def ensure(self, namespace: str) -> None:
        """Make it unless it is there.

        Raises:
            ApiError
        """
        with self._lock:  # actors of one namespace come together: one of them makes it
            if not self.there(namespace):
                made = self._api.apply(config_map(self._script, namespace), CONFIG_MAP, CHILDREN)
                self._view.wrote(CONFIG_MAP, made)

    def release(self, namespace: str) -> None:
        """Remove it when no actor is left in the namespace.

        Raises:
            ApiError
        """
        with self._lock:
            if self.there(namespace) and not self._view.actors_in(namespace):
                self._remove(namespace, self.name)

    def sweep(self) -> None:
        """Remove the scripts of earlier versions that no pod mounts any more, and those of namespaces without actors.

        Raises:
            ApiError
        """
        now = datetime.now(UTC)
        for kept in self._view.stores[CONFIG_MAP].all():
            namespace, name = kept.name
            created = time_of(kept.read()["metadata"].get("creationTimestamp"))
            old = created is not None and now - created >= OUTDATED_AFTER
            if name == self.name:
                self.release(namespace)
            elif name.startswith(PREFIX) and old and not self._mounted(namespace, name):
                self._remove(namespace, name)

    def _mounted(self, namespace: str, name: str) -> bool:
        for page, _ in self._api.pages(POD, namespace, "asya.sh/actor"):
            for pod in page:
                for volume in pod["spec"].get("volumes") or ():
                    if (volume.get("configMap") or {}).get("name") == name:
                        return True
        return False

    def _remove(self, namespace: str, name: str) -> None:
        try:
            live = self._api.get(CONFIG_MAP, namespace, name)
            labels = live["metadata"].get("labels") or {}
            if labels.get("app.kubernetes.io/managed-by") == "asya-controller":
                self._api.delete(CONFIG_MAP, namespace, name, str(live["metadata"]["uid"]))
        except NotFound:
            return


def housekeeping(scripts: Scripts, stop: threading.Event, every_s: float) -> None:
    """Sweep now and then, until `stop`; at once first, for what a predecessor had no time for between a last actor and its script."""
    while True:
        began = time.monotonic()
        try:
            scripts.sweep()
        except ApiError as error:
            log.warning("old runtime scripts not removed", problem=error.message, after_s=time.monotonic() - began)
        if stop.wait(every_s):
            return
