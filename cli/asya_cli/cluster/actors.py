"""The AsyncActors of a cluster: one, some, or as they change. Called by `asya get` and `asya explain`."""

import time
from collections.abc import Iterator
from typing import Any

from asya_cli import notes
from asya_cli.cluster.connection import Cluster, reason
from asya_cli.errors import ProblemsFound, UsageMistake
from asya_cli.local.present import near_names
from asya_controller.act.api_errors import Gone, NoAnswer, NotFound
from asya_controller.act.kinds import ACTOR

Json = dict[str, Any]
# A server sends a bookmark every minute; longer silence is a dead connection.
SILENCE_S, LASTING_S = 70.0, 600.0
RECONNECT_S = 2.0
NOT_INSTALLED = "the cluster does not know AsyncActors: install them with `asya crd | kubectl apply --server-side -f -`"


def listed(cluster: Cluster, everywhere: bool = False) -> tuple[list[Json], str]:
    """All actors of the namespace (or of all), by namespace and name, and the version of the list.

    Raises:
        ProblemsFound: the cluster does not know AsyncActors. ApiError.
    """
    found: list[Json] = []
    version = ""
    try:
        for items, version in cluster.api.pages(ACTOR, None if everywhere else cluster.namespace):  # noqa: B007
            found += [{"apiVersion": ACTOR.api_version, "kind": ACTOR.name, **item} for item in items]
    except NotFound:
        raise ProblemsFound(NOT_INSTALLED) from None
    return found, version


def one(cluster: Cluster, name: str) -> Json:
    """The actor of this name.

    Raises:
        UsageMistake: there is none; lists near names. ApiError.
    """
    try:
        return cluster.api.get(ACTOR, cluster.namespace, name)
    except NotFound:
        names = [str(item["metadata"]["name"]) for item in listed(cluster)[0]]
        where = f" in namespace {cluster.namespace}"
        raise UsageMistake(f"no actor is called {name!r}{where}{near_names(name, names)}") from None


def changes(cluster: Cluster, everywhere: bool, version: str) -> Iterator[Json]:
    """Every actor that changes after `version`, for ever. A deleted one is not told.

    A connection that breaks is made again, with a note the first time.
    """
    namespace = None if everywhere else cluster.namespace
    told = False
    while True:
        try:
            for event, item in cluster.api.watch(ACTOR, namespace, version, "", SILENCE_S, LASTING_S, lambda: None):
                version, told = str(item["metadata"]["resourceVersion"]), False
                if event in ("ADDED", "MODIFIED"):
                    yield item
        except Gone:
            items, version = listed(cluster, everywhere)
            yield from items
        except NoAnswer as error:
            if not told:
                notes.say(f"asya: {cluster.server}: {reason(error)}; trying again")
                told = True
            time.sleep(RECONNECT_S)
