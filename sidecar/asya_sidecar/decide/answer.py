"""What did the runtime say?

Pure: from the status, the body or the events of an answer, one value that says which case it is (contract: runtime, HTTP on the
socket; sidecar, Outcomes). Called by act/runtime_client.py; what follows from a reply is decided in outcome.py and end_actor.py.
Payloads stay raw bytes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import msgspec

from asya_schemas import strictjson
from asya_schemas.errors import ErrorInfo
from asya_schemas.refusal import Refused as JsonRefused

LARGE_BYTES: Final = 1_048_576
"""A smaller answer cannot hold so many frames that they would matter."""


class _Anything(msgspec.Struct, gc=False):
    """A JSON object none of whose members is looked at."""


class _Counted(msgspec.Struct):
    frames: list[_Anything]


_counter: Final = msgspec.json.Decoder(_Counted)


@dataclass(frozen=True, slots=True)
class Whole:
    """The handler made frames; the body `{"frames": [..]}` is not read yet."""

    body: bytes


@dataclass(frozen=True, slots=True)
class Streamed:
    """A generator made these frames, none of them read yet."""

    frames: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Nothing:
    """The handler made nothing: the route ends."""


@dataclass(frozen=True, slots=True)
class Raised:
    """The handler raised, or its result could not be used (500, or an `error` event)."""

    error: ErrorInfo


@dataclass(frozen=True, slots=True)
class Refused:
    """The runtime refused the request (400)."""

    error: ErrorInfo


@dataclass(frozen=True, slots=True)
class Unavailable:
    """The call was not begun: it waited too long behind another one (503)."""

    message: str = "the runtime was busy with another call"


@dataclass(frozen=True, slots=True)
class Unreachable:
    """Nothing of the request was sent."""

    message: str


@dataclass(frozen=True, slots=True)
class Ended:
    """The connection ended during the call, or a stream ended without `done`."""

    message: str


@dataclass(frozen=True, slots=True)
class Late:
    """The call ran past its limit."""

    limit_s: float


@dataclass(frozen=True, slots=True)
class Broken:
    """The answer is not what the runtime's contract allows."""

    message: str


@dataclass(frozen=True, slots=True)
class TooLarge:
    """The answer exceeds the limits of one answer."""

    message: str


Reply = Whole | Streamed | Nothing | Raised | Refused | Unavailable | Unreachable | Ended | Late | Broken | TooLarge


def has_more_frames(body: bytes, allowed: int) -> bool:
    """Whether a plain answer has more frames than allowed; False where it is no answer at all, which shows later.

    Asked before anything is built of it: a frame costs a hundred times its few bytes once it is taken apart.
    """
    if len(body) < LARGE_BYTES:
        return False
    try:
        return len(_counter.decode(body).frames) > allowed
    except msgspec.DecodeError:
        return False


def plain_reply(status: int, body: bytes) -> Reply:
    """The case of an answer with a plain body (or none)."""
    if status == 200:
        return Whole(body)
    if status == 204:
        return Nothing()
    if status == 503:
        return Unavailable()
    if status not in (400, 500):
        return Broken(f"the runtime answered with status {status}")
    error = _read_error(body)
    if isinstance(error, Broken):
        return error
    return Raised(error) if status == 500 else Refused(error)


def stream_reply(frames: Sequence[bytes], error: bytes | None, done: bool) -> Reply:
    """The case of an event stream that has ended; without `done` it is incomplete, whatever came before."""
    if not done:
        return Ended("the stream ended without `done`")
    if error is not None:
        info = _read_error(error)
        return info if isinstance(info, Broken) else Raised(info)
    return Streamed(tuple(frames)) if frames else Nothing()


def _read_error(body: bytes) -> ErrorInfo | Broken:
    """`{"error", "details"}`, or a list with that object as in older documents."""
    try:
        value = strictjson.loads(body)
    except JsonRefused as refusal:
        return Broken(f"an error body is not JSON: {refusal.message}")
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    details = value.get("details") if isinstance(value, dict) else None
    if not isinstance(details, dict):
        return Broken("an error body has no `details`")
    mro = details.get("mro")
    return ErrorInfo(
        type=_text(details.get("type")) or "Error",
        message=_text(details.get("message")) or "",
        mro=tuple(name for name in mro if isinstance(name, str)) if isinstance(mro, list) else None,
        traceback=_text(details.get("traceback")),
        code=_text(details.get("code")),
        path=_text(details.get("path")),
    )


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None
