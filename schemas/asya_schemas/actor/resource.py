"""The whole AsyncActor as one typed value, for code that prefers attributes to dictionaries."""

from typing import Any, Literal

from asya_schemas.actor.shapes import Block
from asya_schemas.actor.spec import AsyncActorSpec
from asya_schemas.actor.status import ActorStatus


class AsyncActor(Block):
    """An AsyncActor in Kubernetes' form; read it with `AsyncActor.model_validate(document)`.

    Metadata is Kubernetes' own and stays a dictionary. Stored defaults are filled in; rules are not checked.
    """

    api_version: Literal["asya.sh/v1alpha1"]
    kind: Literal["AsyncActor"]
    metadata: dict[str, Any]
    spec: AsyncActorSpec
    status: ActorStatus | None = None
