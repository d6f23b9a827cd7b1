"""What of an object is parsed when it arrives: the parts a store keeps, and who applied which fields, still as text.

Called by api.py and reflector.py for every object that goes to a store. Half of an object is `managedFields`, most of them somebody
else's: parsing all of it took more of a new actor's time than deciding about it. Must name every part that slim.py keeps.
"""

from typing import Any, TypedDict

import msgspec


class Applied(msgspec.Struct):
    """One entry of `managedFields`. `fieldsV1` is JSON text."""

    manager: str = ""
    operation: str = ""
    subresource: str = ""
    fieldsV1: msgspec.Raw = msgspec.Raw(b"{}")  # as it is sent


class Metadata(TypedDict, total=False):
    """Metadata of an object, in the order in which it is kept."""

    name: str
    namespace: str
    uid: str
    resourceVersion: str
    generation: int
    creationTimestamp: str
    deletionTimestamp: str
    labels: dict[str, str] | None
    annotations: dict[str, str] | None
    ownerReferences: list[dict[str, Any]] | None
    finalizers: list[str] | None
    managedFields: list[Applied] | None


class Document(TypedDict, total=False):
    """An object of any kind."""

    metadata: Metadata
    spec: Any
    status: Any


class Listed(TypedDict, total=False):
    """One page of a list."""

    metadata: dict[str, Any]
    items: list[Document] | None


class Change(TypedDict):
    """One event of a watch."""

    type: str
    object: Document


read = msgspec.json.Decoder(Document).decode
read_list = msgspec.json.Decoder(Listed).decode
read_change = msgspec.json.Decoder(Change).decode
