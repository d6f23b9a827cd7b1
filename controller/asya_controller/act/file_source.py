"""The file source inside the controller: `asya sync --watch --prune` on a thread, while this replica leads.

Made by `__main__` for `--source PATH`. The set's inventory and its guards are those of the command (contract: cli, "asya sync"); what the
thread does is told in the log.
"""

import threading
from pathlib import Path

import structlog

from asya_controller.act.api import Api
from asya_controller.act.source.loop import LAST_RETRY_S, follow
from asya_controller.act.source.passes import Outcome, Source
from asya_controller.decide.source.applyset import MANAGER, ApplySet
from asya_controller.decide.source.documents import DEFAULT_NAMESPACE
from asya_controller.decide.source.sync import Rules

log = structlog.get_logger()


class FileSource:
    """One folder. `start` when this replica leads, `stop` before it gives that up."""

    def __init__(self, api: Api, path: str, namespaces: tuple[str, ...], own: str, version: str) -> None:
        # In namespaced mode there are no rights elsewhere, not even in the own namespace.
        home = namespaces[0] if namespaces else own
        default = namespaces[0] if namespaces else DEFAULT_NAMESPACE
        rules = Rules(ApplySet(MANAGER, home), default, prune=True, allowed=namespaces)
        self._source = Source(api, [Path(path)], rules, version)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="source", daemon=True)

    def start(self) -> None:
        """Begin to follow the folder."""
        self._thread.start()

    def stop(self, within_s: float) -> None:
        """End after the request under way."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(within_s)

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                follow(self._source, told, self._stop)
            except (
                Exception
            ):  # a task's boundary: files that nobody understands must not end the source for good, unheard
                log.exception("the file source failed unexpectedly")
                self._stop.wait(LAST_RETRY_S)


def told(news: Outcome | str) -> None:
    """One pass, as log lines; a pass that changed nothing is not told."""
    if isinstance(news, str):
        log.warning("the file source cannot work now", problem=news)
        return
    for problem in news.problems:
        log.error("the file source applies nothing until this is mended", problem=str(problem))
    planned = news.planned
    if planned is None:
        return
    if planned.held_back:
        log.error("the file source deletes nothing", problem=planned.held_back)
    applied, pruned = len(planned.applies), len(planned.deletes)
    if news.written and (applied or pruned):
        log.info("the file source has applied", revision=news.revision, applied=applied, pruned=pruned)
