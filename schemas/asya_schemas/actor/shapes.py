"""Words that the models are written in: marked-up types with the limits of contract: crd, section 4.

Used by `spec` and `status`; read by `structural`, which turns models into a schema that the API server accepts.
Markers carry what pydantic has no word for. Must not hold rules about more than one field: see `rules`.
"""

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from asya_schemas.actor.patterns import (
    ABOVE_ZERO,
    DECIMAL_PATTERN,
    DNS_LABEL_PATTERN,
    DOTTED_NAME_PATTERN,
    DURATION_PATTERN,
    FROM_ZERO,
    QUANTITY_PATTERN,
)


@dataclass(frozen=True, slots=True)
class ListMap:
    """This list is a map by these keys: no two items may agree in all of them, and server-side apply merges by them."""

    keys: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Format:
    """The OpenAPI `format` of a string."""

    name: str


@dataclass(frozen=True, slots=True)
class IntOrString:
    """An integer, or a string with this pattern."""

    pattern: str


class Block(BaseModel):
    """A closed object: unknown fields are mistakes. Fields are camelCase outside, snake_case in Python.

    A default that is not None is a stored one, marked (s) in the contract: it stands in the schema and the API server
    writes it into the object. Effective defaults (e) are not here: see `effective`.
    """

    model_config = ConfigDict(
        alias_generator=to_camel,
        populate_by_name=True,
        extra="forbid",
        frozen=True,
        # The text below a field is its description in `kubectl explain` and in editors.
        use_attribute_docstrings=True,
    )
    open_object: ClassVar[bool] = False


class OpenBlock(Block):
    """A part of the pod template: fields of Kubernetes that are not named here are kept as they are."""

    model_config = ConfigDict(extra="allow")
    open_object: ClassVar[bool] = True


class AnyObject(OpenBlock):
    """An object whose fields are none of our business."""


DnsLabel = Annotated[str, Field(min_length=1, max_length=63, pattern=DNS_LABEL_PATTERN)]
Image = Annotated[str, Field(min_length=1, max_length=512)]
Name = Annotated[str, Field(min_length=1, max_length=63)]
Decimal = Annotated[str, Field(max_length=32, pattern=DECIMAL_PATTERN)]
DottedName = Annotated[str, Field(min_length=1, max_length=256, pattern=DOTTED_NAME_PATTERN)]
Duration = Annotated[str, Field(max_length=32, pattern=DURATION_PATTERN), ABOVE_ZERO]
DurationOrZero = Annotated[str, Field(max_length=32, pattern=DURATION_PATTERN), FROM_ZERO]
Quantity = Annotated[int | str, IntOrString(QUANTITY_PATTERN)]
Time = Annotated[str, Field(max_length=64), Format("date-time")]


def text(max_length: int, min_length: int = 0) -> Any:
    """A string of bounded length, as `Annotated` metadata."""
    return Field(min_length=min_length or None, max_length=max_length)
