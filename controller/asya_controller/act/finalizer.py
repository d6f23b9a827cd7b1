"""Sets and removes our finalizer on an AsyncActor.

Called by passes. Both carry the uid, so that an actor made anew under the same name is never touched by mistake.
"""

from collections.abc import Mapping
from typing import Any

from asya_controller.act.api import FINALIZER as MANAGER
from asya_controller.act.api import Api, Json
from asya_controller.act.api_errors import Conflict, NotFound
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
    answer = api.apply(body_of(actor, [FINALIZER]), ACTOR, MANAGER)
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
            meta = answer["metadata"]
            rest = [name for name in meta["finalizers"] if name != FINALIZER]
            patch = {"metadata": {"resourceVersion": meta["resourceVersion"], "finalizers": rest}}
            answer = api.merge(ACTOR, meta["namespace"], meta["name"], patch)
    except NotFound:
        return
    except Conflict as error:
        if "uid" in error.message.lower():
            return  # gone, or another one under this name
        raise
    view.wrote(ACTOR, answer)


def body_of(actor: Mapping[str, Any], finalizers: list[str] | None) -> Json:
    """What is applied: nothing but the finalizer, to this very object."""
    meta = actor["metadata"]
    named = {"name": meta["name"], "namespace": meta["namespace"], "uid": meta["uid"]}
    return {
        "apiVersion": ACTOR.api_version,
        "kind": ACTOR.name,
        "metadata": named | ({"finalizers": finalizers} if finalizers else {}),
    }
