"""Requests to the API server as raw JSON: get, list, watch, apply, delete, and what leases and Events need.

Called by everything in `act`. One method is one request: nothing is repeated here, nothing is cached, and no answer is interpreted beyond
its class of error. Thread-safe. A little long: most of it is one method for each kind of request.
"""

from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from typing import Any, Protocol
from urllib.parse import urlencode

import msgspec
import urllib3

from asya_controller.act import parts
from asya_controller.act.api_errors import ApiError, NoAnswer, error_of
from asya_controller.act.connection import Connection
from asya_controller.act.kinds import Kind
from asya_controller.act.wire import Answer

CONNECT_TIMEOUT_S = 5.0
ANSWER_TIMEOUT_S = 30.0
PAGE = 100
"""Objects of one page of a list. Every kind is listed at once at a start, and Python gives back little of what parsed pages took: with 500
a controller of 1,000 actors holds 100 MiB more afterwards, and is no quicker.
"""

CHILDREN = "asya-controller"
STATUS = "asya-status"
FINALIZER = "asya-finalizer"
HANDOVER = "asya-replicas-handover"
"""Field managers (contract: controller, Applying)."""

JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"
APPLY_PATCH = "application/apply-patch+yaml"
METADATA_ONLY = "application/json;as=PartialObjectMetadata{};g=meta.k8s.io;v=v1"

Json = dict[str, Any]
decode = msgspec.json.decode
encode = msgspec.json.encode
Reader = Callable[[bytes], Any]
"""Parses an answer, or less of it."""


class HeadMeta(msgspec.Struct):
    """Which version of which object."""

    resourceVersion: str = "0"  # as it is sent
    namespace: str = ""
    name: str = ""


class HeadObject(msgspec.Struct):
    """The part of an object that names it."""

    metadata: HeadMeta = msgspec.field(default_factory=HeadMeta)


class Head(msgspec.Struct):
    """A watch event as far as it takes to know whether it is news: a tenth of the work of parsing it."""

    type: str
    object: HeadObject


decode_head = msgspec.json.Decoder(Head).decode


class Observer(Protocol):
    """Who counts requests."""

    def __call__(self, code: str, method: str) -> None:
        """One answer; code `<error>` when there was none."""
        ...


class Api:
    """One API server."""

    def __init__(self, connection: Connection, observe: Observer) -> None:
        self._connection = connection
        self._observe = observe

    # reading

    def get(self, kind: Kind, namespace: str, name: str) -> Json:
        """One object, read now.

        Raises:
            NotFound, ApiError
        """
        return self._json("GET", kind.path(namespace, name))

    def document(self, path: str) -> Json:
        """What the server says at a path that is no object's, such as `/version`.

        Raises:
            ApiError
        """
        return self._json("GET", path)

    def served(self, api_version: str) -> frozenset[str]:
        """The plurals of a group's version; empty when the server does not know it.

        Raises:
            ApiError
        """
        try:
            found = self._json("GET", f"/apis/{api_version}")
        except ApiError as error:
            if error.code == 404:
                return frozenset()
            raise
        return frozenset(item["name"] for item in found.get("resources") or ())

    def pages(
        self,
        kind: Kind,
        namespace: str | None,
        selector: str = "",
        fields: str = "",
        metadata_only: bool = False,
        read: Reader = decode,
    ) -> Iterator[tuple[list[Json], str]]:
        """All objects of a kind, page by page, each with the resource version of the list. `read` parses a page.

        Raises:
            Gone: the list ended in between; begin again. ApiError.
        """
        query = {"limit": str(PAGE), "labelSelector": selector, "fieldSelector": fields, "continue": ""}
        accept = METADATA_ONLY.format("List") if metadata_only else "application/json"
        while True:
            found = self._json("GET", kind.path(namespace), query, accept=accept, read=read)
            meta = found["metadata"]
            yield found.get("items") or [], str(meta["resourceVersion"])
            query["continue"] = meta.get("continue") or ""
            if not query["continue"]:
                return

    def watch(
        self,
        kind: Kind,
        namespace: str | None,
        version: str,
        selector: str,
        silence_s: float,
        lasting_s: float,
        answered: Callable[[], None],
        known: Callable[[Head], bool] = lambda _: False,
        metadata_only: bool = False,
        read: Reader = decode,
    ) -> Iterator[tuple[str, Json]]:
        """(type, object) of every change after `version`, bookmarks included, until the server ends the stream. `answered` is called when
        it has taken the watch, which may be long before the first change; what `known` says it knows already
        is not parsed and comes as a bookmark. `read` parses an event.

        Raises:
            Gone, ApiError: the server says so, at once or in the stream. NoAnswer: silence for `silence_s`, or a broken stream.
        """
        query = {
            "watch": "true", "allowWatchBookmarks": "true", "resourceVersion": version, "labelSelector": selector,
            "timeoutSeconds": str(round(lasting_s)),
        }  # fmt: skip
        accept = METADATA_ONLY.format("") if metadata_only else "application/json"
        answer = self._request("GET", kind.path(namespace), query, accept=accept, silence_s=silence_s)
        answered()
        try:
            for line in lines(answer):
                head = decode_head(line)
                if head.type != "ERROR" and known(head):
                    # Its version counts all the same: who goes on from before it would meet it for ever.
                    yield "BOOKMARK", {"metadata": {"resourceVersion": head.object.metadata.resourceVersion}}
                    continue
                if head.type == "ERROR":
                    status = decode(line)["object"]
                    wait = (status.get("details") or {}).get("retryAfterSeconds")
                    headers = {"retry-after": str(wait)} if wait else {}
                    raise error_of(int(status.get("code") or 500), str(status.get("message") or ""), headers)
                yield head.type, read(line)["object"]
        except msgspec.DecodeError as error:
            raise NoAnswer(f"the watch of {kind.plural} broke in the middle of a line: {error}") from error
        except (OSError, ValueError) as error:
            raise NoAnswer(f"the watch of {kind.plural} broke: {error}") from error
        finally:
            answer.close()  # not kept for others: the server would go on sending on it

    # writing

    def apply(
        self,
        body: Json,
        kind: Kind,
        manager: str,
        *,
        force: bool = True,
        subresource: str | None = None,
        dry_run: bool = False,
        strict: bool = False,
        read: Reader = parts.read,
    ) -> Json:
        """Server-side apply; the object as it is afterwards, of which `read` parses what is wanted. `dry_run` writes nothing; `strict`
        refuses unknown fields.

        Raises:
            Conflict: without `force`, somebody else owns a field; or `metadata.uid` or `resourceVersion` is not as given. ApiError.
        """
        meta = body["metadata"]
        query = {"fieldManager": manager, "force": "true" if force else "false"}
        query |= {"dryRun": "All"} if dry_run else {}
        query |= {"fieldValidation": "Strict"} if strict else {}
        path = kind.path(meta["namespace"], meta["name"], subresource)
        return self._json("PATCH", path, query, body, content=APPLY_PATCH, read=read)

    def merge(
        self, kind: Kind, namespace: str, name: str, body: Json, *, manager: str = "", subresource: str | None = None
    ) -> Json:
        """A merge patch: for Events, whose series grow, and where an apply is not possible. The object as far as a store keeps it."""
        path = kind.path(namespace, name, subresource)
        return self._json("PATCH", path, {"fieldManager": manager}, body, content=MERGE_PATCH, read=parts.read)

    def create(self, kind: Kind, namespace: str, body: Json) -> Json:
        """A new object.

        Raises:
            Conflict: one of this name is there. ApiError.
        """
        return self._json("POST", kind.path(namespace), {}, body)

    def replace(self, kind: Kind, namespace: str, name: str, body: Json) -> Json:
        """The whole object, if it is still the version that `body` names.

        Raises:
            Conflict, ApiError
        """
        return self._json("PUT", kind.path(namespace, name), {}, body)

    def delete(self, kind: Kind, namespace: str, name: str, uid: str) -> None:
        """Begin to delete the object of this uid; another of the same name is left alone.

        Raises:
            NotFound, Conflict: it is another one. ApiError.
        """
        options = {
            "apiVersion": "v1",
            "kind": "DeleteOptions",
            "propagationPolicy": "Background",
            "preconditions": {"uid": uid},
        }
        self._json("DELETE", kind.path(namespace, name), {}, options)

    # one request

    def _json(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None = None,
        body: Json | None = None,
        *,
        content: str = "application/json",
        accept: str = "application/json",
        read: Reader = decode,
    ) -> Json:
        text = self._whole(method, path, self._request(method, path, query, body, content=content, accept=accept))
        try:
            found: Json = read(text)
        except msgspec.DecodeError as error:
            raise NoAnswer(f"{method} {path}: the answer is no JSON: {error}") from error
        return found

    def _whole(self, method: str, path: str, answer: Answer) -> bytes:
        try:
            return answer.read()
        except OSError as error:
            raise NoAnswer(f"{method} {path}: {error}") from error

    def _request(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None,
        body: Json | None = None,
        *,
        content: str = "application/json",
        accept: str,
        silence_s: float = ANSWER_TIMEOUT_S,
    ) -> Answer:
        target = f"{self._connection.prefix}{path}{query_of(tuple((query or {}).items()))}"
        headers = {**self._connection.headers(), "Accept": accept, **({"Content-Type": content} if body else {})}
        data = encode(body) if body is not None else None
        try:
            answer = self._connection.wire.ask(method, target, headers, data, CONNECT_TIMEOUT_S, silence_s)
        except (urllib3.exceptions.HTTPError, OSError) as error:
            self._observe("<error>", method)
            raise NoAnswer(f"{method} {path}: {error}") from error
        self._observe(str(answer.status), method)
        if answer.status >= 300:
            raise error_of(answer.status, sentence(self._whole(method, path, answer)), answer.headers)
        return answer


@lru_cache(maxsize=256)
def query_of(pairs: tuple[tuple[str, str], ...]) -> str:
    """The end of a request's target; a pass asks with the same few again and again. What is empty is left out."""
    given = [pair for pair in pairs if pair[1]]
    return f"?{urlencode(given)}" if given else ""


def lines(answer: Answer) -> Iterator[bytes]:
    """The lines of a stream as they come; half a line at the end is dropped, as its object comes again."""
    rest = b""
    for piece in answer.pieces():
        *whole, rest = (rest + piece).split(b"\n")
        yield from (line for line in whole if line)


def sentence(text: bytes) -> str:
    """What the server says about a refusal: the `message` of its Status, else the beginning of its text."""
    try:
        found = decode(text)
        return str(found["message"])
    except (msgspec.DecodeError, KeyError, TypeError):
        return text[:512].decode(errors="replace").strip()
