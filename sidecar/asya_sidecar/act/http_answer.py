"""The runtime's answer, understood from pieces of any size.

Sans I/O: bytes in, an answer out. Called by act/runtime_client.py for every read of the socket.
Holds at most `max_bytes` of an answer plus one piece; payloads stay bytes and are never decoded here.
What the answer means is decided elsewhere (decide/answer.py); here only HTTP and the event stream are undone.
"""

from collections.abc import Callable
from typing import Final

MAX_HEAD_BYTES: Final = 65_536
MAX_CHUNK_LINE_BYTES: Final = 64
HEAD_END: Final = b"\r\n\r\n"
USUAL_HEAD: Final = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: "
"""What the runtime writes before the length of nearly every answer: its lines need no reading one by one."""


class AnswerBroken(Exception):
    """What came is no HTTP/1 answer, or not one that can be followed to its end."""


class AnswerTooLarge(Exception):
    """The answer has more bytes or more frames than may be held."""


class EventStream:
    """Server-sent events of one call: frames are kept, partials are handed on at once."""

    __slots__ = (
        "_data",
        "_line",
        "_max_bytes",
        "_max_frames",
        "_name",
        "_on_partial",
        "done",
        "error",
        "frames",
        "held_bytes",
    )

    def __init__(self, max_bytes: int, max_frames: int, on_partial: Callable[[bytes], None]) -> None:
        self._max_bytes = max_bytes
        self._max_frames = max_frames
        self._on_partial = on_partial
        self._line = bytearray()
        self._name = b""
        self._data = b""
        self.held_bytes = 0
        self.frames: list[bytes] = []
        self.error: bytes | None = None
        self.done = False

    def feed(self, piece: bytes) -> None:
        """Raises AnswerTooLarge when frames, or one unfinished line, outgrow the limits."""
        start = 0
        while (end := piece.find(b"\n", start)) >= 0:
            if self._line:
                self._line += piece[start:end]
                line = bytes(self._line)
                self._line = bytearray()
            else:
                line = piece[start:end]
            start = end + 1
            self._take(line.removesuffix(b"\r"))
        if start < len(piece):
            self._line += piece[start:]
            self._check(len(self._line))

    def _take(self, line: bytes) -> None:
        if not line:
            self._dispatch()
        elif line.startswith(b"event:"):
            self._name = line[6:].strip()
        elif line.startswith(b"data:"):
            self._data = line[5:].strip()

    def _dispatch(self) -> None:
        name, data = self._name, self._data
        self._name = self._data = b""
        if name == b"frame":
            self.held_bytes += len(data)
            self._check(0)
            self.frames.append(data)
            if len(self.frames) > self._max_frames:
                raise AnswerTooLarge(f"more than {self._max_frames} frames")
        elif name == b"partial":
            self._on_partial(data)
        elif name == b"error":
            self.error = data
        elif name == b"done":
            self.done = True

    def _check(self, more: int) -> None:
        if self.held_bytes + more > self._max_bytes:
            raise AnswerTooLarge(f"more than {self._max_bytes} bytes in one answer")


class AnswerReader:
    """One HTTP/1 answer. `feed` until it says True; then `status`, `content_type`, `body` or `stream`, and `closes`."""

    __slots__ = (
        "_chunked",
        "_chunks",
        "_left",
        "_max_bytes",
        "_pending",
        "_size",
        "closes",
        "content_type",
        "status",
        "stream",
    )

    def __init__(self, max_bytes: int, stream: EventStream) -> None:
        self._max_bytes = max_bytes
        self._pending = b""
        self._chunks: list[bytes] = []
        self._chunked = False
        self._left = 0  # bytes missing of the body, or of the chunk that is being read
        self._size = 0  # bytes of a chunked plain body so far
        self.status = 0
        self.content_type = b""
        self.closes = False
        self.stream: EventStream | None = stream

    @property
    def body(self) -> bytes:
        """The plain body, joined once."""
        return self._chunks[0] if len(self._chunks) == 1 else b"".join(self._chunks)

    @property
    def missing(self) -> int:
        """Bytes known to be missing of the body, or of the chunk that is being read."""
        return self._left

    def feed(self, piece: bytes) -> bool:
        """Take the next piece; True when the answer is complete.

        Raises:
            AnswerBroken: no HTTP/1 answer, or bytes after its end.
            AnswerTooLarge: see class EventStream; also a plain body above the limit, before it is read.
        """
        if not self.status:
            piece = self._pending + piece if self._pending else piece
            end = piece.find(HEAD_END)
            if end < 0:
                self._keep_head(piece)
                return False
            self._pending = b""
            self._read_head(piece[:end])
            piece = piece[end + 4 :]
        if self._chunked:
            return self._feed_chunks(piece)
        return self._feed_plain(piece)

    def _keep_head(self, piece: bytes) -> None:
        if not piece.startswith(b"HTTP/1."[: len(piece)]):
            raise AnswerBroken(f"the answer does not begin with HTTP/1: {piece[:40]!r}")
        if len(piece) > MAX_HEAD_BYTES:
            raise AnswerBroken("the head of the answer does not end")
        self._pending = piece

    def _read_head(self, head: bytes) -> None:
        if head.startswith(USUAL_HEAD) and head[len(USUAL_HEAD) :].isdigit():
            self.status, self.content_type = 200, b"application/json"
            self._expect(head[len(USUAL_HEAD) :])
            return
        lines = head.split(b"\r\n")
        words = lines[0].split(b" ", 2)
        if not words[0].startswith(b"HTTP/1.") or len(words) < 2 or len(words[1]) != 3 or not words[1].isdigit():
            raise AnswerBroken(f"no HTTP/1 status line: {lines[0][:80]!r}")
        self.status = int(words[1])
        self.closes = words[0] == b"HTTP/1.0"
        length: bytes | None = None
        for line in lines[1:]:
            name, colon, value = line.partition(b":")
            if not colon:
                raise AnswerBroken(f"no header line: {line[:80]!r}")
            name, value = name.lower(), value.strip()
            if name == b"content-length":
                length = value
            elif name == b"content-type":
                self.content_type = value.lower()
            elif name == b"connection":
                self.closes = value.lower() == b"close"
            elif name == b"transfer-encoding":
                self._chunked = value.lower() == b"chunked"
        self._expect(length)

    def _expect(self, length: bytes | None) -> None:
        if not self.content_type.startswith(b"text/event-stream"):
            self.stream = None
        if self._chunked or self.status == 204:
            return
        if length is None or not length.isdigit() or len(length) > 18:
            raise AnswerBroken("the answer says neither its length nor chunks")
        self._left = int(length)
        if self._left > self._max_bytes:
            raise AnswerTooLarge(f"an answer of {self._left} bytes, allowed are {self._max_bytes}")

    def _feed_plain(self, piece: bytes) -> bool:
        if len(piece) > self._left:
            raise AnswerBroken("bytes after the end of the answer")
        self._left -= len(piece)
        if piece:
            self._accept(piece)
        return self._left == 0

    def _accept(self, piece: bytes) -> None:
        if self.stream is not None:
            self.stream.feed(piece)
            return
        self._size += len(piece)
        if self._size > self._max_bytes:
            raise AnswerTooLarge(f"more than {self._max_bytes} bytes in one answer")
        self._chunks.append(piece)

    def _feed_chunks(self, piece: bytes) -> bool:
        """Chunk = size in hex, CRLF, data, CRLF; `_left` counts data and its CRLF, so CRLF never reaches the body."""
        piece = self._pending + piece if self._pending else piece
        self._pending = b""
        while piece:
            if self._left:
                data_left = self._left - 2
                if data_left > 0:
                    self._accept(piece[:data_left])
                taken = min(len(piece), self._left)
                self._left -= taken
                piece = piece[taken:]
                continue
            line, found, rest = piece.partition(b"\r\n")
            if not found:
                if len(piece) > MAX_CHUNK_LINE_BYTES:
                    raise AnswerBroken(f"no chunk size: {piece[:40]!r}")
                self._pending = piece
                return False
            size = _chunk_size(line)
            if size == 0:
                return self._end_of_chunks(rest)
            self._left = size + 2
            piece = rest
        return False

    def _end_of_chunks(self, rest: bytes) -> bool:
        if len(rest) < 2:
            self._pending = b"0\r\n" + rest
            return False
        if rest != b"\r\n":
            raise AnswerBroken("bytes after the end of the answer")
        return True


def _chunk_size(line: bytes) -> int:
    try:
        size = int(line.partition(b";")[0], 16)
    except ValueError:
        size = -1
    if size < 0 or len(line) > MAX_CHUNK_LINE_BYTES:
        raise AnswerBroken(f"no chunk size: {line[:40]!r}")
    return size
