"""Where results and errors are kept: objects that are made once and never change (contract: gateway, Crew, Key).

Called by end.py. FolderStore keeps them in a folder; a bucket will be a second class with the same `put`, chosen in
`open_store`. Must not know what an object means, and never overwrites one: of two executions of an envelope the first
one's result stands.
"""

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from asya_crew.settings import Settings

MAX_KEY_NAME_BYTES = 200
"""A file name has at most 255 bytes; `h-`, `.r<count>` and `.json` find room above this."""
PLAIN_BYTES = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-")


class NotStoredError(OSError):
    """The object could not be written or read; the same call may succeed later."""


@dataclass(frozen=True)
class Stored:
    """An object as it stands in the store after `put`."""

    uri: str
    body: bytes
    is_ours: bool
    """False: an earlier object was there and stayed."""

    @property
    def location(self) -> dict[str, object]:
        """As the final report names it."""
        return {"uri": self.uri, "bytes": len(self.body), "sha256": hashlib.sha256(self.body).hexdigest()}


class Store(Protocol):
    """What end actors need of a place to keep objects."""

    def put(self, key: str, body: bytes) -> Stored:
        """Make the object unless there is one, and say which one is there now.

        Raises:
            NotStoredError: neither is known to be durable.
        """


def open_store(settings: Settings) -> Store | None:
    """The configured store; None when there is none."""
    return None if settings.mount is None else FolderStore(settings.mount)


def key_name(envelope_id: str, replays: int = 0) -> str:
    """The last part of a key, from the envelope alone: no clock, no actor.

    An id whose encoded form has more than 200 bytes is named by its hash, because a file name could not hold it.
    `replays` above 0 adds `.r<count>`, for failures of a replayed envelope.
    """
    raw = envelope_id.encode("utf-8", "surrogatepass")
    name = "".join(chr(byte) if byte in PLAIN_BYTES else f"%{byte:02X}" for byte in raw)
    if name.startswith("."):
        name = "%2E" + name[1:]
    if len(name) > MAX_KEY_NAME_BYTES:
        name = "h-" + hashlib.sha256(raw).hexdigest()
    return f"{name}.r{replays}.json" if replays > 0 else f"{name}.json"


class FolderStore:
    """Objects as files below a folder; the key is the relative path."""

    def __init__(self, mount: Path) -> None:
        self._mount = mount

    def put(self, key: str, body: bytes) -> Stored:
        """As Store.put: a complete, synced temporary file is linked to its name, which fails when the name is taken."""
        path = self._mount / key
        try:
            found = _read(path)
            if found is None:
                path.parent.mkdir(parents=True, exist_ok=True)
                if _create(path, body):
                    return Stored(path.as_uri(), body, is_ours=True)
                found = path.read_bytes()
        except OSError as error:
            raise NotStoredError(f"cannot store {path}: {error.strerror or error}; it is tried again") from error
        return Stored(path.as_uri(), found, is_ours=False)


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None


def _create(path: Path, body: bytes) -> bool:
    """Make `path` with all of `body`, durable; False when it exists. A reader sees nothing or everything."""
    temporary = path.with_name(f".{os.getpid()}-{os.urandom(8).hex()}.tmp")
    try:
        with temporary.open("xb") as file:
            file.write(body)
            file.flush()
            os.fsync(file.fileno())
        os.link(temporary, path)
    except FileExistsError:
        return False
    finally:
        temporary.unlink(missing_ok=True)
    _sync_folder(path.parent)
    return True


def _sync_folder(folder: Path) -> None:
    """Make the new name itself durable: without this a power cut may take the file that fsync saved."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
