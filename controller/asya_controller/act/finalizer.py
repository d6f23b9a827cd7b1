"""Sets and removes our finalizer on an AsyncActor.

Called by passes. Both carry the uid, so that an actor made anew under the same name is never touched by mistake.
"""

from collections.abc import Mapping
from typing import Any

from asya_controller.act.api import FINALIZER as MANAGER
from asya_controller.act.api import Api, Json
from asya_controller.act.api_errors import Conflict, NotFound, Untyped
from asya_controller.act.kinds import ACTOR
from asya_controller.act.view import View
from asya_schemas.actor.identity import FINALIZER


def present(actor: Mapping[str, Any]) -> bool:
    """Whether it is there."""
    return FINALIZER in (actor["metadata"].get("finalizers") or ())


def add(api: Api, view: View, actor: Mapping[str, Any]) -> bool:
    """Apply it; whether the answer shows it.

    Raises:
        ApiError: Conflict when the object is another one by now.
    """
    try:
        answer = api.apply(body_of(actor, [FINALIZER]), ACTOR, MANAGER)
    except Untyped:
        answer = renamed(api, actor, [*(actor["metadata"].get("finalizers") or ()), FINALIZER])
    return present(view.wrote(ACTOR, answer).read())


def remove(api: Api, view: View, actor: Mapping[str, Any]) -> None:
    """Take it off; an actor that is gone is fine.

    Raises:
        ApiError
    """
    try:
        answer = api.apply(body_of(actor, None), ACTOR, MANAGER)
        if present(answer):
            # Somebody else applied it too, a restored backup for example: then only naming what stays takes it off.
            answer = without(api, answer)
    except Untyped:
        answer = without(api, actor)
    except NotFound:
        return
    except Conflict as error:
        if "uid" in error.message.lower():
            return  # gone, or another one under this name
        raise
    view.wrote(ACTOR, answer)


def without(api: Api, actor: Mapping[str, Any]) -> Json:
    """Take ours off, whoever else has put it there."""
    return renamed(api, actor, [name for name in actor["metadata"].get("finalizers") or () if name != FINALIZER])


def renamed(api: Api, actor: Mapping[str, Any], finalizers: list[str]) -> Json:
    """Name all finalizers, those of others too, of the version that was read."""
    meta = actor["metadata"]
    patch = {"metadata": {"resourceVersion": meta["resourceVersion"], "uid": meta["uid"], "finalizers": finalizers}}
    return api.merge(ACTOR, meta["namespace"], meta["name"], patch, manager=MANAGER)


def body_of(actor: Mapping[str, Any], finalizers: list[str] | None) -> Json:
    """What is applied: nothing but the finalizer, to this very object."""
    meta = actor["metadata"]
    named = {"name": meta["name"], "namespace": meta["namespace"], "uid": meta["uid"]}
    return {
        "apiVersion": ACTOR.api_version,
        "kind": ACTOR.name,
        "metadata": named | ({"finalizers": finalizers} if finalizers else {}),
    }
