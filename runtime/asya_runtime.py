#!/usr/bin/env python3
"""The Asya runtime: runs a user's handler behind HTTP/1.1 on a unix socket, beside a sidecar that holds the broker.

Started as `<python> asya_runtime.py`, usually as process 1 of the user's container; the sidecar and `curl --unix-socket`
call it. It must work from one file with the standard library of Python 3.7 alone, so it repeats the rules of the
envelope it needs (`schemas/golden/` proves that both agree), and it is longer than any other file of the project.
It must know no broker, no queue and no secret, and must not log a payload or a header.

The wire, in short:

    POST /invoke    body: an envelope {"id", "route", "headers"?, "payload", "status"?, ...}
                    X-Asya-Deadline-Ms: time left for this call; 1 s later the whole process ends itself
                    200 application/json   {"frames": [{"payload", "route", "headers"?}, ..]}, routes advanced
                    200 text/event-stream  a generator: events frame, partial, error and at the end always done
                    204                    nothing to send on
                    400, 500               {"error": "msg_parsing_error" | "processing_error", "details": {..}}
                    503                    waited too long behind another call; the handler was not called
    GET /healthz    200 {"status": "ready", "busy", "handler", "mode", "python"}; 503 {"status": "draining", ..}

Two threads share the work so that the usual call needs no hand-over between them. The main thread runs handlers, and
reads the connection of the last call itself (`Server`). The door, a second thread, owns the listening socket and all
other connections, so that /healthz and new callers are answered while a handler runs (`Door`).
Exit status: 0 drained after a signal, 1 fault or deadline, 2 configuration, 3 handler cannot be loaded.

Read on in this order: settings, strict JSON, envelope and route, results, errors, log, loading, HTTP, watchdog,
calling, door, server, life.
"""

import sys

if sys.version_info < (3, 7):  # noqa: UP036 - an image with an older one shall say so, not stumble
    sys.stderr.write(f"asya-runtime: Python {sys.version.split()[0]} is too old, expected 3.7 or newer\n")
    sys.exit(2)

# User code may patch any of these modules later, as gevent does: what is bound here stays as it is.
import _socket
import atexit
import binascii
import faulthandler
import json
import os
import re
import signal
import traceback

# `signal` wraps these three, turning every number into an enum: 4 us for each call of a handler.
from _signal import getsignal, set_wakeup_fd  # type: ignore[import-not-found]
from _signal import signal as set_signal
from _socket import AF_UNIX, SHUT_WR, SO_SNDBUF, SOCK_STREAM, SOL_SOCKET
from _socket import socket as Socket  # the C type: its methods cannot be patched, and `socket` costs 0.5 MB
from _thread import start_new_thread
from collections import deque
from importlib import import_module
from itertools import accumulate
from json.decoder import JSONDecodeError, scanstring  # type: ignore[attr-defined]
from json.encoder import c_make_encoder, encode_basestring_ascii  # type: ignore[attr-defined]
from json.scanner import make_scanner
from os import _exit as exit_now
from os import close as close_fd
from os import dup, fsencode, fstat, getcwd, getpid, lstat, pipe, set_blocking, umask, unlink
from os import open as open_fd
from os import read as read_fd
from os import write as write_fd
from select import POLLERR, POLLHUP, POLLIN, POLLNVAL, POLLOUT
from select import poll as new_poll
from stat import S_ISDIR, S_ISFIFO
from time import gmtime, monotonic, strftime
from time import time as wall_time
from types import AsyncGeneratorType, GeneratorType

TYPE_CHECKING = False  # `typing` itself would cost every process half a megabyte
if TYPE_CHECKING:
    from typing import Any, Callable, Deque, Dict, FrozenSet, List, Mapping, NoReturn, Optional, Set, Tuple

# Not on every system; elsewhere the user's setting of SIGPIPE decides what a write to a closed connection does.
MSG_NOSIGNAL: int = getattr(_socket, "MSG_NOSIGNAL", 0)

HEAD_ALLOWANCE_BYTES = 65536  # what the mesh may add to a message on its way
SEND_BUFFER_BYTES = 2097152  # asked for, so that a large answer leaves in one piece; the system may grant less
READ_DEPTH = 216
MADE_DEPTH_OF_RESULT = 199  # 200 less the envelope itself
INTEGER_DIGITS = 4300
ROUTE_NAMES = 256
ID_CHARACTERS = 256
MESSAGE_BYTES = 8 * 1024
TRACEBACK_BYTES = 16 * 1024
TRACEBACK_HEAD_BYTES = 4 * 1024
SOCKET_PATH_BYTES = 107  # sun_path less its final zero
HTTP_HEAD_BYTES = 16 * 1024
SILENCE_S = 30.0  # half a request, or an answer nobody reads
LINGER_S = 2.0  # how long a refused client may still push bytes before its answer would be lost
CONNECTIONS = 512  # served at once; the next ones wait in the kernel's backlog
HAND_OVER_S = 0.5  # more than the door needs to hand a call to an idle main thread, even on a busy machine
DRAIN_S = 2.0  # from the signal to the exit of an idle runtime
ATEXIT_S = 0.5  # what the user's atexit functions get
CHECK_S = 4.0  # between two looks at our own descriptors, which are done sooner where something else wakes us
EARLY_S = 2.0
SLOW_S = 0.2  # a request that takes longer to come keeps the main thread no more
RECURSION = 1000  # for our own reading and writing, whatever the user has set
SIGNALS = (int(signal.SIGTERM), int(signal.SIGINT))
USUAL_HANDLERS = {number: getsignal(number) for number in SIGNALS}


# ---------------------------------------------------------------- settings


class Settings:
    """What the environment says, never changed. What is wrong with it is added to `mistakes`, one sentence each."""

    def __init__(self, environ: "Mapping[str, str]", mistakes: "List[str]") -> None:
        self.handler = self._handler(environ, mistakes)
        self.envelope_mode = self._choice(environ, "ASYA_HANDLER_MODE", ("payload", "envelope"), mistakes) == "envelope"
        folder = environ.get("ASYA_SOCKET_DIR") or environ.get("ASYA_SOCKETS_DIR") or "/var/run/asya"
        self.folder = os.path.abspath(folder)
        self.socket_path = self._socket_path(environ, mistakes)
        self.ready_path = os.path.join(self.folder, "runtime-ready")
        self.socket_mode = self._mode(environ, mistakes)
        self.chunk_bytes = self._integer(environ, "ASYA_CHUNK_SIZE", 65536, 1024, 16777216, mistakes)
        self.validate = self._boolean(environ, "ASYA_ENABLE_VALIDATION", True, mistakes)
        made = self._integer(environ, "ASYA_MAX_MESSAGE_BYTES", 10485760, 1, 2**40, mistakes)
        self.body_bytes = made + HEAD_ALLOWANCE_BYTES
        self.actor = environ.get("ASYA_ACTOR_NAME", "")
        self.log_json = self._choice(environ, "ASYA_LOG_FORMAT", ("json", "text"), mistakes) == "json"
        level = environ.get("ASYA_LOG_LEVEL", "").strip().upper() or "INFO"
        level = "WARNING" if level == "WARN" else level
        self.log_level = level if level in LEVELS else "INFO"
        self.unknown_log_level = None if level in LEVELS else level

    @staticmethod
    def _handler(environ: "Mapping[str, str]", mistakes: "List[str]") -> str:
        value = environ.get("ASYA_HANDLER", "")
        if not HANDLER_PATTERN.fullmatch(value):
            found = "is not set" if not value else f"is {shown(value)}"
            mistakes.append(f"ASYA_HANDLER {found}, expected module.function or module.Class.method")
        return value

    def _socket_path(self, environ: "Mapping[str, str]", mistakes: "List[str]") -> str:
        name = environ.get("ASYA_SOCKET_NAME") or "asya-runtime.sock"
        if "/" in name or name in (".", "..", "runtime-ready"):
            mistakes.append(f"ASYA_SOCKET_NAME is {shown(name)}, expected a file name without a folder")
        path = os.path.join(self.folder, name)
        if len(fsencode(path)) > SOCKET_PATH_BYTES:
            text = "ASYA_SOCKET_DIR and ASYA_SOCKET_NAME make a path of %d bytes, at most %d are possible: %s"
            mistakes.append(text % (len(fsencode(path)), SOCKET_PATH_BYTES, shown(path)))
        return path

    @staticmethod
    def _mode(environ: "Mapping[str, str]", mistakes: "List[str]") -> "Optional[int]":
        value = environ.get("ASYA_SOCKET_CHMOD", "0o666")
        if value == "":
            return None
        if not re.fullmatch("(0[oO])?[0-7]{1,5}", value) or int(value, 8) > 0o7777:
            mistakes.append(f"ASYA_SOCKET_CHMOD is {shown(value)}, expected octal permission bits such as 0o666")
            return None
        return int(value, 8)

    @staticmethod
    def _choice(environ: "Mapping[str, str]", name: str, values: "Tuple[str, ...]", mistakes: "List[str]") -> str:
        value = environ.get(name) or values[0]
        if value.strip().lower() not in values:
            mistakes.append("{} is {}, expected {}".format(name, shown(value), " or ".join(values)))
        return value.strip().lower()

    @staticmethod
    def _integer(
        environ: "Mapping[str, str]", name: str, default: int, least: int, most: int, mistakes: "List[str]"
    ) -> int:
        value = environ.get(name) or str(default)
        if not re.fullmatch("[0-9]{1,15}", value.strip()) or not least <= int(value) <= most:
            mistakes.append(f"{name} is {shown(value)}, expected an integer from {least} to {most}")
            return default
        return int(value)

    @staticmethod
    def _boolean(environ: "Mapping[str, str]", name: str, default: bool, mistakes: "List[str]") -> bool:
        value = environ.get(name, "").strip().lower()
        if value in ("", "true", "1", "yes", "on", "false", "0", "no", "off"):
            return value in ("true", "1", "yes", "on") if value else default
        mistakes.append(f"{name} is {shown(value)}, expected true or false")
        return default


LEVELS = {"DEBUG": 10, "INFO": 20, "WARNING": 30, "ERROR": 40}
HANDLER_PATTERN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)+")


def shown(value: str) -> str:
    """A foreign text for a sentence: quoted, on one line, not endless."""
    return repr(value if len(value) <= 200 else value[:200] + "...")


def path_mistakes(settings: Settings) -> "List[str]":
    """What stands in the way of socket and ready file; makes the folder."""
    mistakes = []
    try:
        os.makedirs(settings.folder, exist_ok=True)
    except OSError as error:
        mistakes.append(f"ASYA_SOCKET_DIR {shown(settings.folder)} cannot be made: {error.strerror}")
    for path in (settings.socket_path, settings.ready_path):
        try:
            if S_ISDIR(lstat(path).st_mode):
                mistakes.append(f"{shown(path)} is a directory, expected a free place in ASYA_SOCKET_DIR")
        except FileNotFoundError:
            pass
        except OSError as error:
            mistakes.append(f"{shown(path)} is not usable: {error.strerror}")
    return mistakes


def remove(path: str) -> None:
    """Remove a file, socket or link, if there is one."""
    try:
        unlink(path)
    except FileNotFoundError:
        pass


def remove_if_possible(path: str) -> None:
    """The same on the way out, where a folder that has become read-only shall not change the exit status."""
    try:
        unlink(path)
    except OSError:
        pass


# ---------------------------------------------------------------- strict JSON (envelope, Limits and strict JSON)


class Refused(Exception):
    """A body that is no valid envelope, with the code of the golden cases."""

    def __init__(self, kind: str, code: str, message: str, path: "Optional[str]" = None) -> None:
        super().__init__(message)
        self.kind = kind
        self.code = code
        self.message = message
        self.path = path


def unparsable(code: str, message: str) -> Refused:
    return Refused("ParseError", code, "body is not valid JSON: " + message)


def invalid(code: str, message: str, path: "Optional[str]" = None) -> Refused:
    return Refused("ValidationError", code, message, path or code)


# All digits become 0 and E becomes e, so that a plain search finds what may be too large a number.
FLAT_DIGITS = bytes.maketrans(b"123456789E", b"000000000e")
LONG_NUMBER = b"0" * 200  # below this, an exponent of two digits cannot overflow either
TOO_LONG_INTEGER = b"0" * (INTEGER_DIGITS + 1)
OPENING_OR_CLOSING = bytes.maketrans(b"[{]}", b"\x01\x01\xff\xff")
NO_BRACKETS = bytes(byte for byte in range(256) if byte not in b"[{]}")
STRINGS = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)
# Every escape is one match, so that "\\ud800" (a backslash and text) is not taken for one; a pair matches before a half.
ESCAPES = re.compile(r"\\(?:u[dD][89abAB]..\\u[dD][c-fC-F]..|u[dD]([89a-fA-F])|.)", re.DOTALL)
HALF_OF_A_PAIR = re.compile(r"\\u[dD][89a-fA-F]")  # the quick look before
INFINITY = float("inf")

get_digit_limit = getattr(sys, "get_int_max_str_digits", None)
set_digit_limit = getattr(sys, "set_int_max_str_digits", None)


class OwnLimits:
    """Our recursion limit and digit limit instead of those the user's code has set, for the time of a `with`."""

    def __enter__(self) -> None:
        self.recursion = sys.getrecursionlimit()
        if self.recursion != RECURSION:
            sys.setrecursionlimit(RECURSION)
        if get_digit_limit is not None:
            self.digits = get_digit_limit()
            if self.digits != INTEGER_DIGITS:
                set_digit_limit(INTEGER_DIGITS)  # type: ignore[misc]

    def __exit__(self, *error: "Any") -> None:
        if self.recursion != RECURSION:
            sys.setrecursionlimit(self.recursion)
        if get_digit_limit is not None and self.digits != INTEGER_DIGITS:
            set_digit_limit(self.digits)  # type: ignore[misc]


def no_constant(name: str) -> "Any":
    raise unparsable("syntax", name + " is not allowed")


def exact_integer(text: str) -> int:
    if len(text) - text.startswith("-") > INTEGER_DIGITS:
        raise unparsable("number", f"an integer has more than {INTEGER_DIGITS} digits")
    return int(text)


def exact_float(text: str) -> float:
    value = float(text)
    if value in (INFINITY, -INFINITY):
        raise unparsable("number", "a number is too large for a 64-bit float")
    return value


# Two readers: hooks cost as much again as the reading, so only a body that looks suspicious gets them.
scan_plain: "Any" = make_scanner(json.JSONDecoder(parse_constant=no_constant))  # type: ignore[arg-type]
scan_exact: "Any" = make_scanner(
    json.JSONDecoder(parse_constant=no_constant, parse_int=exact_integer, parse_float=exact_float)  # type: ignore[arg-type]
)


def depth(text: bytes) -> int:
    """How many containers are open at once, at most, by brackets outside of strings. No recursion."""
    brackets = STRINGS.sub(b"", text).translate(OPENING_OR_CLOSING, NO_BRACKETS)
    return max(accumulate(memoryview(brackets).cast("b")), default=0)


def too_deep(text: bytes, limit: int) -> bool:
    return text.count(b"[") + text.count(b"{") > limit and depth(text) > limit


def has_lone_surrogate(text: str) -> bool:
    if "\\" not in text or not HALF_OF_A_PAIR.search(text):
        return False
    return any(match.group(1) for match in ESCAPES.finditer(text))


def has_suspicious_number(text: bytes) -> bool:
    flat = text.translate(FLAT_DIGITS)
    return LONG_NUMBER in flat or b"0e000" in flat or b"0e+000" in flat


# A name without escapes and what stands before its value: one match for five steps of the reading below.
USUAL_MEMBER = re.compile(r'"([^"\\\x00-\x1f]*)"[ \t\n\r]*:[ \t\n\r]*')


def past_white(text: str, at: int) -> int:
    while text[at : at + 1] in (" ", "\n", "\r", "\t"):
        at += 1
    return at


def scan_object(
    text: str, at: int, scan: "Callable[[str, int], Tuple[Any, int]]", own: "FrozenSet[str]"
) -> "Tuple[Dict[str, Any], Dict[str, Tuple[int, int]], int]":
    """Read the object whose `{` stands before `at`: members, where each value stands, and the place behind.

    By hand because a repeated key must be refused here and in the members named in `own`, and nowhere else.
    """
    members: Dict[str, Any] = {}
    places: Dict[str, Tuple[int, int]] = {}
    at = past_white(text, at)
    if text[at : at + 1] == "}":
        return members, places, at + 1
    while True:
        usual = USUAL_MEMBER.match(text, at)
        if usual is not None:
            key, start = usual.group(1), usual.end()
        else:
            if text[at : at + 1] != '"':
                raise unparsable("syntax", f"expected a member name in double quotes at character {at}")
            key, at = scanstring(text, at + 1, True)
            at = past_white(text, at)
            if text[at : at + 1] != ":":
                raise unparsable("syntax", f"expected ':' at character {at}")
            start = past_white(text, at + 1)
        if key in own and text[start : start + 1] == "{":
            value, _, at = scan_object(text, start + 1, scan, frozenset())
        else:
            value, at = scan(text, start)
        if key in members:
            raise unparsable("duplicate", "a member is repeated: " + shown(key))
        members[key] = value
        places[key] = (start, at)
        sign = text[at : at + 1]
        if sign != "," and sign != "}":
            at = past_white(text, at)
            sign = text[at : at + 1]
        if sign == "}":
            return members, places, at + 1
        if sign != ",":
            raise unparsable("syntax", f"expected ',' or '}}' at character {at}")
        at += 1
        if text[at : at + 1] != '"':
            at = past_white(text, at)


ROUTE_ONLY = frozenset(["route"])


def read_object(body: bytes) -> "Tuple[Dict[str, Any], str, Dict[str, Tuple[int, int]]]":
    """The members of a strict JSON object, its text, and where each value stands in it. Raises Refused."""
    if body.startswith(b"\xef\xbb\xbf"):
        raise unparsable("encoding", "it starts with a byte order mark")
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise unparsable("encoding", f"byte {error.start} is not UTF-8") from None
    if too_deep(body, READ_DEPTH):
        raise unparsable("depth", f"it is nested deeper than {READ_DEPTH} levels")
    if has_lone_surrogate(text):
        raise unparsable("encoding", "a surrogate escape has no partner")
    scan = scan_exact if has_suspicious_number(body) else scan_plain
    start = past_white(text, 0)
    try:
        with OwnLimits():
            if text[start : start + 1] != "{":
                _, end = scan(text, start)
                members = None
            else:
                members, places, end = scan_object(text, start + 1, scan, ROUTE_ONLY)
    except StopIteration as error:  # how the scanner says that no value begins here
        raise unparsable("syntax", f"expected a value at character {error.value}") from None
    except JSONDecodeError as error:
        raise unparsable("syntax", f"{error.msg} at character {error.pos}") from None
    if past_white(text, end) != len(text):
        raise unparsable("syntax", f"something follows it at character {end}")
    if members is None:
        raise unparsable("object", "expected an object")
    return members, text, places


# ---------------------------------------------------------------- envelope and route (envelope, Fields and Route)

NAME = re.compile("[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?")
CONTROL = re.compile("[\x00-\x1f\x7f]")
TRACEPARENT = re.compile("(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(?:-.*)?")
NEW_MEMBERS = ("prev", "curr", "next")
OLD_MEMBERS = ("actors", "current")


class Route:
    """A valid route; `extra` are members of other names, which are carried along."""

    __slots__ = ("curr", "extra", "next", "old_shape", "prev")

    def __init__(
        self, prev: "List[str]", curr: str, ahead: "List[str]", old_shape: bool, extra: "Dict[str, Any]"
    ) -> None:
        self.prev = prev
        self.curr = curr
        self.next = ahead
        self.old_shape = old_shape
        self.extra = extra

    def actors(self) -> "List[str]":
        return [*self.prev, self.curr, *self.next] if self.curr else list(self.prev)

    def position(self) -> "Tuple[List[str], str, List[str]]":
        return self.prev, self.curr, self.next

    def advanced(self) -> "Route":
        """One hop further; a finished route stays as it is."""
        if not self.curr:
            return self
        ahead = self.next
        return Route([*self.prev, self.curr], ahead[0] if ahead else "", ahead[1:], self.old_shape, self.extra)

    def document(self) -> "Dict[str, Any]":
        if self.old_shape:
            document: Dict[str, Any] = {"actors": self.actors(), "current": len(self.prev)}
        else:
            document = {"prev": self.prev, "curr": self.curr, "next": self.next}
        document.update(self.extra)
        return document

    def both_views(self) -> "Dict[str, Any]":
        """What a handler sees: both shapes, nothing shared with us or each other."""
        views: Dict[str, Any] = {"prev": list(self.prev), "curr": self.curr, "next": list(self.next)}
        views.update(actors=self.actors(), current=len(self.prev), **self.extra)
        return views


def names(value: "Any", code: str, at_least: int = 0) -> "List[str]":
    if not isinstance(value, (list, tuple)) or len(value) < at_least:
        raise invalid(code, code + " must be a list of actor names")
    for index, name in enumerate(value):
        if not isinstance(name, str) or not NAME.fullmatch(name):
            raise invalid(code, code + " must be a list of actor names", f"{code}[{index}]")
    return list(value)


def short_enough(behind: "List[str]", ahead: "List[str]", code_behind: str, code_ahead: str) -> None:
    for found, code in ((behind, code_behind), (ahead, code_ahead)):
        if len(found) > ROUTE_NAMES:
            raise invalid(code, f"{code} has more than {ROUTE_NAMES} names")


def read_new_view(value: "Mapping[str, Any]") -> "Tuple[List[str], str, List[str]]":
    for member in NEW_MEMBERS:
        if member not in value:
            raise invalid("route." + member, f"route.{member} is missing")
    prev = names([] if value["prev"] is None else value["prev"], "route.prev")
    curr = value["curr"]
    if not isinstance(curr, str) or (curr and not NAME.fullmatch(curr)):
        raise invalid("route.curr", "route.curr must be an actor name or empty")
    ahead = names([] if value["next"] is None else value["next"], "route.next")
    if ahead and not curr:
        raise invalid("route.next", "route.next must be empty where route.curr is")
    short_enough(prev, ahead, "route.prev", "route.next")
    return prev, curr, ahead


def read_old_view(value: "Mapping[str, Any]") -> "Tuple[List[str], str, List[str]]":
    actors = names(value.get("actors"), "route.actors", at_least=1)
    current = value.get("current", 0)
    if type(current) is not int or not 0 <= current <= len(actors):
        raise invalid("route.current", f"route.current must be an integer from 0 to {len(actors)}")
    curr = actors[current] if current < len(actors) else ""
    short_enough(actors[:current], actors[current + 1 :], "route.actors", "route.actors")
    return actors[:current], curr, actors[current + 1 :]


def read_route(value: "Any") -> Route:
    """A route in either shape. Raises Refused."""
    new = isinstance(value, dict) and any(member in value for member in NEW_MEMBERS)
    old = isinstance(value, dict) and any(member in value for member in OLD_MEMBERS)
    if not new and not old:
        raise invalid("route", "route must be an object with prev, curr and next")
    position = read_new_view(value) if new else read_old_view(value)
    if new and old and read_old_view(value) != position:
        raise invalid("route", "route has two shapes that disagree")
    extra = {key: value[key] for key in value if key not in NEW_MEMBERS and key not in OLD_MEMBERS}
    return Route(position[0], position[1], position[2], not new, extra)


def check_id(members: "Mapping[str, Any]", code: str) -> str:
    value = members.get(code)
    if not isinstance(value, str) or not 1 <= len(value) <= ID_CHARACTERS or CONTROL.search(value):
        text = "%s must be a text of 1 to %d characters without control characters"
        raise invalid(code, f"{code} is missing" if value is None else text % (code, ID_CHARACTERS))
    return value


class Envelope:
    """One call's input as we keep it: the handler's copy of it may change, this does not."""

    __slots__ = ("headers_text", "id", "members", "payload", "raw_route", "route", "trace_id")

    def __init__(self, body: bytes, validate: bool) -> None:
        """Read and judge a body. Raises Refused."""
        members, text, places = read_object(body)
        self.members = members
        self.route: Optional[Route] = None
        if validate:
            self._check()
        else:
            self._look_at()
        self.payload = members["payload"]
        headers = members.get("headers")
        self.headers_text = ""
        if headers and isinstance(headers, dict):
            start, end = places["headers"]
            carried = text[start:end]  # passed through, so that numbers keep their spelling
            one_line = carried.isascii() and "\n" not in carried and "\r" not in carried
            self.headers_text = carried if one_line else encode_own(headers)
        self.trace_id = self._trace_id(headers if isinstance(headers, dict) else {})

    def _check(self) -> None:
        members = self.members
        self.id = check_id(members, "id")
        if members.get("parent_id") is not None:
            check_id(members, "parent_id")
        self.route = read_route(members.get("route"))
        self.raw_route: Any = None
        for code in ("headers", "status"):
            if members.get(code) is not None and not isinstance(members[code], dict):
                raise invalid(code, code + " must be an object or null")
        if "payload" not in members:
            raise invalid("payload", "payload is missing")

    def _look_at(self) -> None:
        """The relaxed checks of ASYA_ENABLE_VALIDATION=false: a payload, and what else there happens to be."""
        members = self.members
        if "payload" not in members:
            raise invalid("payload", "payload is missing")
        self.id = members.get("id") if isinstance(members.get("id"), str) else ""  # type: ignore[assignment]
        self.raw_route = members.get("route")
        try:
            self.route = read_route(members.get("route"))
        except Refused:
            self.route = None

    def _trace_id(self, headers: "Mapping[str, Any]") -> str:
        own = headers.get("trace_id")
        if own and isinstance(own, str):
            return own
        parent = headers.get("traceparent")
        match = TRACEPARENT.fullmatch(parent) if isinstance(parent, str) else None
        return match.group(1) if match else self.id

    def for_handler(self) -> "Dict[str, Any]":
        """The argument in envelope mode."""
        if self.members.get("headers") is None:
            self.members["headers"] = {}
        if self.route is not None:
            self.members["route"] = self.route.both_views()
        return self.members

    def onward_text(self) -> str:
        """The route of a frame whose handler did not touch it, as JSON; empty where there is none."""
        if self.route is not None:
            return encode_own(self.route.advanced().document())
        return encode_own(self.raw_route) if "route" in self.members else ""


# ---------------------------------------------------------------- what an envelope-mode handler returned


class Fault(Exception):
    """A failure that is the handler's, found by us: no traceback, and a type of our own."""

    type = ""
    mro: "Tuple[str, ...]" = ()


class InvalidOutput(Fault):
    type = "asya.InvalidOutput"
    mro = ("ValueError", "Exception")


class ResultNotJSON(Fault):
    type = "asya.ResultNotJSON"
    mro = ("TypeError", "Exception")

    def __init__(self, reason: str) -> None:
        super().__init__("handler result is not JSON serialisable: " + reason)


def changed(value: "Any", given: "Any") -> bool:
    if isinstance(given, list):
        return (value is not None and not (isinstance(value, (list, tuple)) and list(value) == given)) or (
            value is None and given != []
        )
    return type(value) is not type(given) or bool(value != given)


def edited_route(given: Route, returned: "Any") -> Route:
    """The route of a frame by the rules of "What an envelope-mode handler sees and may do". Raises Refused."""
    if not isinstance(returned, dict):
        raise invalid("route", "route must be an object")
    views = given.both_views()
    edits = {
        member
        for member in NEW_MEMBERS + OLD_MEMBERS
        if member in returned and changed(returned[member], views[member])
    }
    whole = {member: returned[member] if member in edits else views[member] for member in NEW_MEMBERS + OLD_MEMBERS}
    outcomes = []
    if edits.intersection(NEW_MEMBERS):
        outcomes.append(onward(given, read_new_view(whole)))
    if edits.intersection(OLD_MEMBERS):
        outcomes.append(onward(given, read_old_view(whole)))
    if len(outcomes) == 2 and outcomes[0].position() != outcomes[1].position():
        raise invalid("route", "the views disagree: edit prev, curr and next, or actors and current, or both alike")
    result = outcomes[0] if outcomes else given.advanced()
    extra = dict(given.extra)
    extra.update((key, returned[key]) for key in returned if key not in views or key in given.extra)
    return Route(result.prev, result.curr, result.next, given.old_shape, extra)


def onward(given: Route, view: "Tuple[List[str], str, List[str]]") -> Route:
    """Rules 3, 4 and 6: history stays, the position is the input's or one further; the route after the advance."""
    edited = Route(view[0], view[1], view[2], given.old_shape, given.extra)
    done = len(given.prev)
    if edited.actors()[: done + 1] != given.actors()[: done + 1]:
        raise invalid("route", f"route history is fixed: it must begin with {', '.join(given.actors()[: done + 1])}")
    moved = len(edited.prev) - done
    if moved not in ((0, 1) if given.curr else (0,)):
        allowed = f"{done} or {done + 1}" if given.curr else str(done)
        raise invalid("route", f"route position must be {allowed}, not {len(edited.prev)}")
    result = edited if moved else edited.advanced()
    short_enough(result.prev, result.next, "route.prev", "route.next")
    return result


# ---------------------------------------------------------------- encoding results (runtime, Encoding results)


def type_name(cls: type) -> str:
    """`module.Class`, bare for builtins."""
    module = getattr(cls, "__module__", None)
    name = str(getattr(cls, "__qualname__", cls.__name__))
    return name if module in ("builtins", None) else f"{module}.{name}"


def ordered(value: "Any") -> "List[Any]":
    try:
        return sorted(value)
    except Exception:  # noqa: BLE001 - whatever the items say against being compared, the order is then ours
        return list(value)


def base64_text(value: "Any") -> str:
    return binascii.b2a_base64(bytes(value), newline=False).decode("ascii")


# By name, because an instance proves that its module is loaded, while importing them all would cost megabytes.
CONVERSIONS: "Dict[str, Callable[[Any], Any]]" = {
    "builtins.set": ordered,
    "builtins.frozenset": ordered,
    "builtins.bytes": base64_text,
    "builtins.bytearray": base64_text,
    "builtins.memoryview": base64_text,
    "datetime.datetime": lambda value: value.isoformat(),
    "datetime.date": lambda value: value.isoformat(),
    "datetime.time": lambda value: value.isoformat(),
    "datetime.timedelta": lambda value: value.total_seconds(),
    "uuid.UUID": str,
    "enum.Enum": lambda value: value.value,
    "decimal.Decimal": str,
}


def convert(value: "Any") -> "Any":
    """What the JSON encoder does not know, one step towards JSON. Called by the encoder. Raises ResultNotJSON."""
    cls = type(value)
    if cls is not type and callable(getattr(cls, "model_dump", None)):
        return value.model_dump(mode="json")
    if callable(getattr(cls, "json", None)) and callable(getattr(cls, "dict", None)) and hasattr(cls, "__fields__"):
        return read_any(value.json())
    if hasattr(cls, "__dataclass_fields__"):
        return {
            name: getattr(value, name)
            for name, field in cls.__dataclass_fields__.items()
            if getattr(field._field_type, "name", "") == "_FIELD"  # not ClassVar, not InitVar
        }
    for ancestor in cls.__mro__:
        conversion = CONVERSIONS.get(f"{ancestor.__module__}.{ancestor.__qualname__}")
        if conversion is not None:
            return conversion(value)
    raise ResultNotJSON(cls.__name__)


def read_any(text: str) -> "Any":
    return scan_exact(text, past_white(text, 0))[0]


def make_encoder(default: "Callable[[Any], Any]") -> "Callable[[Any], str]":
    """An encoder for strict ASCII JSON that no later patch of `json` reaches.

    Cycles are left to the recursion limit: to remember every container costs a third of the time.
    """
    if c_make_encoder is None:  # an interpreter without the C accelerator
        encoder = json.JSONEncoder(allow_nan=False, separators=(",", ":"), default=default)
        encode = json.JSONEncoder.encode
        return lambda value: encode(encoder, value)
    chunks = c_make_encoder(None, default, encode_basestring_ascii, None, ":", ",", False, False, False)
    return lambda value: "".join(chunks(value, 0))


encode_plain = make_encoder(convert)


def encode_own(value: "Any") -> str:
    """JSON of what came out of a message, whatever limits the user's code has set."""
    with OwnLimits():
        return encode_plain(value)


def encode_result(value: "Any") -> str:
    """The result as strict JSON in ASCII. Raises ResultNotJSON."""
    try:
        with OwnLimits():
            text = encode_plain(value)
    except ResultNotJSON:
        raise
    except RecursionError:
        raise ResultNotJSON("it contains itself or is nested too deeply") from None
    except BaseException as error:  # noqa: BLE001 - converters are user code, and may raise anything
        told = (
            str(error) if type(error) in (TypeError, ValueError) else f"{type_name(type(error))}: {message_of(error)}"
        )
        raise ResultNotJSON(told) from None
    if text.count("[") + text.count("{") > MADE_DEPTH_OF_RESULT and depth(text.encode()) > MADE_DEPTH_OF_RESULT:
        raise ResultNotJSON(f"it is nested deeper than {MADE_DEPTH_OF_RESULT} levels")
    if has_lone_surrogate(text):
        raise ResultNotJSON("a text has an unpaired surrogate")
    if len(text) > INTEGER_DIGITS and get_digit_limit is None and has_too_long_integer(text.encode()):
        raise ResultNotJSON(f"an integer has more than {INTEGER_DIGITS} digits")
    return text


def has_too_long_integer(text: bytes) -> bool:
    """Needed before Python 3.10.7 only, later ones refuse by themselves."""
    if TOO_LONG_INTEGER not in text.translate(FLAT_DIGITS):
        return False
    return TOO_LONG_INTEGER in STRINGS.sub(b"", text).translate(FLAT_DIGITS)


# ---------------------------------------------------------------- errors (runtime, Errors)

OWN_FILE = (lambda: 0).__code__.co_filename
STANDARD_LIBRARY = os.path.dirname(os.__file__)
BETWEEN_US = (
    "<frozen importlib",
    os.path.join(STANDARD_LIBRARY, "asyncio", ""),
    os.path.join(STANDARD_LIBRARY, "importlib", ""),
)


def message_of(error: BaseException) -> str:
    try:
        return str(error)
    except BaseException:  # noqa: BLE001 - a user's __str__ may raise anything
        return "<unprintable>"


def well_formed(text: str) -> str:
    """The text without halves of surrogate pairs, which strict JSON has no word for."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def json_size(text: str) -> int:
    """Bytes of the text as JSON in ASCII, without the quotes."""
    return len(encode_basestring_ascii(text)) - 2


def fitting(text: str, size: int, from_end: bool = False) -> str:
    """The longest beginning, or end, of a text that takes at most `size` bytes of JSON."""
    fits, most = 0, min(len(text), size)
    while fits < most:
        middle = (fits + most + 1) // 2
        if json_size(text[-middle:] if from_end else text[:middle]) <= size:
            fits = middle
        else:
            most = middle - 1
    return text[len(text) - fits :] if from_end else text[:fits]


def cut(text: str, size: int) -> str:
    """The beginning of a text that takes at most `size` bytes of JSON, with a mark where it was cut."""
    text = well_formed(text[: size + 1])
    return text if json_size(text) <= size else fitting(text, size - 3) + "..."


def cut_middle(text: str, size: int, head: int) -> str:
    """First `head` bytes and the last of a text, with a mark between, `size` bytes of JSON together."""
    text = well_formed(text if len(text) <= 2 * size else text[:size] + text[-size:])
    if json_size(text) <= size:
        return text
    mark = "\n... cut ...\n"
    return fitting(text, head) + mark + fitting(text, size - head - json_size(mark), from_end=True)


def is_foreign_frame(name: str) -> bool:
    """Whether a frame stands between us and the user's code: this file, the import system, the event loop."""
    return name == OWN_FILE or name.startswith(BETWEEN_US)


def users_traceback(error: BaseException) -> "Any":
    """The part of the traceback that begins in the user's code."""
    found = error.__traceback__
    while found is not None and is_foreign_frame(found.tb_frame.f_code.co_filename):
        found = found.tb_next
    return found


def traceback_text(error: BaseException) -> str:
    for lines_of in (traceback_lines, traceback_lines_alone):
        try:
            return cut_middle("".join(lines_of(error)), TRACEBACK_BYTES, TRACEBACK_HEAD_BYTES)
        except BaseException:  # noqa: BLE001, S112 - formatting calls the user's __str__, and may run out of memory again
            continue
    return ""


def traceback_lines(error: BaseException) -> "List[str]":
    return traceback.format_exception(type(error), error, users_traceback(error))


def traceback_lines_alone(error: BaseException) -> "List[str]":
    """Without the message and the causes, which cannot be printed."""
    return [*traceback.format_tb(users_traceback(error)), f"{type_name(type(error))}: <unprintable>\n"]


def details_of(error: BaseException) -> "Dict[str, Any]":
    """`details` of a processing_error."""
    if isinstance(error, Fault):
        return {"message": cut(str(error), MESSAGE_BYTES), "type": error.type, "mro": error.mro, "traceback": ""}
    ancestors = [cls for cls in type(error).__mro__[1:] if cls not in (BaseException, object)]
    return {
        "message": cut(message_of(error), MESSAGE_BYTES),
        "type": well_formed(type_name(type(error))),
        "mro": [well_formed(type_name(cls)) for cls in ancestors],
        "traceback": traceback_text(error),
    }


# ---------------------------------------------------------------- log (runtime, Log lines)


class Log:
    """One line per event on a private copy of stderr, which the user's code cannot close or redirect by accident."""

    def __init__(self, settings: Settings) -> None:
        self.as_json = settings.log_json
        self.least = LEVELS[settings.log_level]
        self.actor = settings.actor
        self.second = 0
        self.stamp = ""
        try:
            self.fd = dup(2)
        except OSError:  # stderr was closed when we began
            self.fd = -1

    def now(self) -> str:
        moment = wall_time()
        second = int(moment)
        if second != self.second:
            self.second = second
            self.stamp = strftime("%Y-%m-%dT%H:%M:%S", gmtime(second))
        return f"{self.stamp}.{int((moment - second) * 1000):03d}Z"

    def write(self, level: str, msg: str, actor: str = "", **fields: "Any") -> None:
        if LEVELS[level] < self.least:
            return
        event = {"time": self.now(), "level": level, "msg": msg, "component": "runtime", "actor": self.actor or actor}
        event.update(fields)
        line = encode_plain(event) if self.as_json else as_text(event)
        data = line.encode("ascii", "backslashreplace") + b"\n"
        try:
            while data:
                data = data[write_fd(self.fd, data) :]
        except OSError:  # nobody reads, or the user closed it: there is no other place to say so
            pass


def as_text(event: "Dict[str, Any]") -> str:
    head = f"{event['time']} {event['level']:7} {event['msg']} actor={event['actor']}"
    rest = [key for key in event if key not in ("time", "level", "msg", "component", "actor")]
    return head + "".join(f" {key}={encode_plain(event[key])}" for key in rest)


def leave(status: int, sentence: str, before: str = "") -> "NoReturn":
    """End before serving: the sentence is the last line on stderr, and what Kubernetes shows of the container."""
    line = ("asya-runtime: " + " ".join(sentence.split())).encode("utf-8", "backslashreplace")[:4000] + b"\n"
    for write, text in (
        (write_to_stderr, before.encode("utf-8", "backslashreplace") + line),
        (write_termination_log, line),
    ):
        try:
            write(text)
        except OSError:  # closed, full or not ours; the exit status still tells
            pass
    exit_now(status)
    raise SystemExit(status)  # not reached; exit_now does not return


def write_to_stderr(line: bytes) -> None:
    flush_streams()
    write_fd(2, line)


def write_termination_log(line: bytes) -> None:
    fd = open_fd("/dev/termination-log", os.O_WRONLY | os.O_TRUNC)
    write_fd(fd, line)
    close_fd(fd)


def flush_streams() -> None:
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except Exception:  # noqa: BLE001, S112 - the user may have closed it, or put any object there
            continue


# ---------------------------------------------------------------- loading (runtime, Loading the handler)


class NotLoadable(Exception):
    """The handler cannot be loaded, with the sentence for the last line."""


class HandlerRaised(NotLoadable):
    """The user's code raised while being loaded; `__cause__` is what it raised."""


def use_working_directory() -> None:
    """The working directory instead of this file's own folder at the head of sys.path."""
    own = os.path.dirname(os.path.abspath(__file__))
    if sys.path and os.path.abspath(sys.path[0] or ".") == own:
        del sys.path[0]
    sys.path.insert(0, getcwd())


def load(path: str) -> "Callable[[Any], Any]":
    """Find the handler named by ASYA_HANDLER; makes the instance of a class. Raises NotLoadable."""
    parts = path.split(".")
    module, left = find_module(parts)
    place = ".".join(parts[: len(parts) - len(left)])
    try:
        found = attribute(module, left[0], f"module {place}")
    except NotLoadable as error:
        if len(left) == 1 or isinstance(error, HandlerRaised):
            raise
        missing = f"{place}.{left[0]}"
        raise NotLoadable(f"{error}; nor is there a module {missing} in the folders searched: {searched()}") from None
    if len(left) == 1:
        return function(found, path)
    if not isinstance(found, type):
        text = "%s.%s is %s, expected a class, because a name follows it in ASYA_HANDLER"
        raise NotLoadable(text % (place, left[0], described(found)))
    if len(left) > 2:
        text = "%s has %d names after module %s, expected a function or a class and a method: nested classes are not supported"
        raise NotLoadable(text % (path, len(left), place))
    instance = construct(found)
    method = attribute(instance, left[1], f"class {left[0]}")
    if not callable(method):
        text = "%s of class %s is %s, expected a method%s"
        raise NotLoadable(text % (left[1], left[0], described(method), near_names(instance, left[1])))
    return method  # type: ignore[no-any-return]


def find_module(parts: "List[str]") -> "Tuple[Any, List[str]]":
    """The longest prefix that is a module, and the names behind it."""
    for count in range(len(parts) - 1, 0, -1):
        name = ".".join(parts[:count])
        try:
            return import_module(name), parts[count:]
        except ModuleNotFoundError as error:
            missing = error.name or ""
            if not (name == missing or name.startswith(missing + ".")) or users_traceback(error) is not None:
                raise raised(f"importing {name}", error) from error
        except BaseException as error:  # user code: SystemExit and KeyboardInterrupt included
            raise raised(f"importing {name}", error) from error
    raise NotLoadable(f"there is no module {parts[0]} in the folders searched: {searched()}")


def searched() -> str:
    return ", ".join(folder or "." for folder in sys.path)


def function(found: "Any", path: str) -> "Callable[[Any], Any]":
    if isinstance(found, type):
        methods = [name for name in vars(found) if not name.startswith("_") and callable(getattr(found, name, None))]
        hint = f", for example {path}.{methods[0]}" if methods else ""
        raise NotLoadable(f"{path} is a class, name one of its methods as {path}.<method>{hint}")
    if not callable(found):
        raise NotLoadable(
            f"{path} is {described(found)}, expected a function, or a class and a method as module.Class.method"
        )
    return found  # type: ignore[no-any-return]


def attribute(owner: "Any", name: str, place: str) -> "Any":
    try:
        return getattr(owner, name)
    except AttributeError as error:
        if users_traceback(error) is None:
            raise NotLoadable(f"{place} has no attribute {name}{near_names(owner, name)}") from None
        raise raised(f"looking up {name} in {place}", error) from error
    except BaseException as error:  # properties and module __getattr__ are user code
        raise raised(f"looking up {name} in {place}", error) from error


def construct(cls: type) -> "Any":
    missing = required_parameters(cls)
    if missing:
        text = "the constructor of class %s requires %s, but it is called without arguments: give them default values"
        raise NotLoadable(text % (cls.__name__, ", ".join(missing)))
    try:
        return cls()
    except BaseException as error:  # user code: SystemExit and KeyboardInterrupt included
        raise raised(f"making an instance of class {cls.__name__}", error) from error


def required_parameters(cls: type) -> "List[str]":
    """Parameters without a default of __init__ or __new__, read from the code: `inspect` would cost two megabytes."""
    for maker in (cls.__init__, cls.__new__):  # type: ignore[misc]
        code = getattr(maker, "__code__", None)
        if code is None:
            continue
        positional = code.co_varnames[1 : code.co_argcount]
        named = code.co_varnames[code.co_argcount : code.co_argcount + code.co_kwonlyargcount]
        without_default = positional[: len(positional) - len(maker.__defaults__ or ())]
        return list(without_default) + [name for name in named if name not in (maker.__kwdefaults__ or {})]
    return []


def raised(doing: str, error: BaseException) -> HandlerRaised:
    place = ""
    if isinstance(error, SyntaxError) and error.filename:
        place = f" ({error.filename}, line {error.lineno})"
        told = f"{type(error).__name__}: {error.msg}"
    else:
        told = f"{type_name(type(error))}: {cut(message_of(error), 1024)}"
        frame = users_traceback(error)
        while (
            frame is not None
            and frame.tb_next is not None
            and not is_foreign_frame(frame.tb_next.tb_frame.f_code.co_filename)
        ):
            frame = frame.tb_next
        if frame is not None:
            place = f" ({frame.tb_frame.f_code.co_filename}, line {frame.tb_lineno})"
    return HandlerRaised(f"{doing} raised {told}{place}")


def described(value: "Any") -> str:
    name = type(value).__name__
    return "{} {}".format("an" if name[:1].lower() in "aeiou" else "a", name)


def near_names(owner: "Any", name: str) -> str:
    from difflib import get_close_matches  # only on the way out

    close = get_close_matches(name, [str(one) for one in dir(owner) if not str(one).startswith("__")], 3, 0.6)
    return ", did you mean {}?".format(" or ".join(close)) if close else ""


# ---------------------------------------------------------------- HTTP (runtime, HTTP on the socket)

REASONS = {
    200: "OK",
    204: "No Content",
    400: "Bad Request",
    404: "Not Found",
    405: "Method Not Allowed",
    408: "Request Timeout",
    411: "Length Required",
    413: "Payload Too Large",
    431: "Request Header Fields Too Large",
    500: "Internal Server Error",
    503: "Service Unavailable",
}
PATHS = {"/invoke": "POST", "/healthz": "GET"}
REQUEST_LINE = re.compile(r"([!#$%&'*+.^_`|~0-9A-Za-z-]+) (\S+) HTTP/1\.([01])")
TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
# As the sidecar writes it: one match tells what reading line by line would, at a fifth of the price.
USUAL_HEAD = re.compile(
    rb"POST /invoke HTTP/1\.1\r\nHost: runtime\r\nContent-Type: application/json\r\n"
    rb"X-Asya-Deadline-Ms: ([0-9]{1,18})\r\nContent-Length: ([0-9]{1,18})"
)
NEVER_IN_A_REQUEST_LINE = re.compile(rb"[^\x20-\x7e\r\n]")
LONGEST_DEADLINE_S = 10.0**8


class HttpFault(Exception):
    """A request that is answered by HTTP alone."""

    def __init__(self, status: int, message: str, close: bool = True, allow: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.close = close
        self.allow = allow

    def body(self) -> bytes:
        details = {"message": str(self), "type": REASONS[self.status].replace(" ", "")}
        return encode_plain({"error": "http_error", "details": details}).encode("ascii")


class Request:
    """One request, its body included once it is complete."""

    __slots__ = (
        "behind_another",
        "body",
        "deadline_s",
        "expects",
        "headers",
        "http10",
        "keep",
        "length",
        "method",
        "path",
        "read_at",
    )

    def __init__(self, head: bytes) -> None:
        """Read request line and headers. Raises HttpFault."""
        self.body = b""
        self.behind_another = False
        self.deadline_s: Optional[float] = None
        self.read_at = 0.0
        usual = USUAL_HEAD.fullmatch(head)
        if usual is None:
            self._read(head)
            return
        deadline, length = usual.groups()
        self.method, self.path = "POST", "/invoke"
        self.headers = {"x-asya-deadline-ms": deadline.decode("ascii"), "content-length": length.decode("ascii")}
        self.length = int(length)
        self.http10 = self.expects = False
        self.keep = True

    def _read(self, head: bytes) -> None:
        lines = head.decode("latin-1").split("\r\n")
        match = REQUEST_LINE.fullmatch(lines[0])
        if match is None:
            raise HttpFault(400, "broken request line, expected METHOD PATH HTTP/1.1")
        self.method = match.group(1)
        target = match.group(2)
        if target.startswith("http://"):  # absolute form, which proxies send
            target = "/" + target[7:].partition("/")[2]
        self.path = target.partition("?")[0]
        self.http10 = match.group(3) == "0"
        headers: Dict[str, str] = {}
        self.headers = headers
        for line in lines[1:]:
            name, colon, value = line.partition(":")
            if not colon or not TOKEN.fullmatch(name) or "\n" in value or "\r" in value or "\0" in value:
                raise HttpFault(400, "broken header, expected Name: value")
            name = name.lower()
            headers[name] = headers[name] + "," + value.strip() if name in headers else value.strip()
        self.length = self._length()
        self.expects = headers.get("expect", "").lower() == "100-continue" and not self.http10
        self.keep = not self.http10 and "close" not in headers.get("connection", "").lower()

    def _length(self) -> int:
        length = self.headers.get("content-length")
        if "transfer-encoding" in self.headers:
            fault = (411, "expected Content-Length, not Transfer-Encoding") if length is None else (400, "two lengths")
            raise HttpFault(fault[0], fault[1])
        if length is None:
            return 0
        if not length.isdigit() or not length.isascii():
            raise HttpFault(400, "broken Content-Length, expected one number")
        return int(length[:19]) if len(length) <= 19 else 10**19

    def check(self) -> None:
        """Path, method, length and deadline of a complete request. Raises HttpFault."""
        method = PATHS.get(self.path)
        if method is None:
            raise HttpFault(404, "no such path", close=False)
        if self.method != method:
            raise HttpFault(405, f"{self.path} takes {method} only", close=False, allow=method)
        if method == "GET":
            return
        if "content-length" not in self.headers:
            raise HttpFault(411, "expected Content-Length")
        deadline = self.headers.get("x-asya-deadline-ms")
        if deadline is not None:
            if not deadline.isascii() or not deadline.isdigit() or not deadline.strip("0"):
                raise HttpFault(400, "X-Asya-Deadline-Ms must be a positive integer", close=False)
            self.deadline_s = min(int(deadline[:19]) / 1000, LONGEST_DEADLINE_S)


def head_of(status: int, kind: str, length: "Optional[int]", close: bool, allow: str = "") -> bytes:
    lines = [f"HTTP/1.1 {status} {REASONS[status]}"]
    if kind:
        lines.append("Content-Type: " + kind)
    if length is not None:
        lines.append(f"Content-Length: {length}")
    if allow:
        lines.append("Allow: " + allow)
    if close:
        lines.append("Connection: close")
    return ("\r\n".join(lines) + "\r\n\r\n").encode("ascii")


def answer_of(status: int, body: bytes, close: bool, allow: str = "") -> bytes:
    if status == 204:
        return head_of(204, "", None, close)
    return head_of(status, "application/json", len(body), close, allow) + body


class ClientGone(Fault):
    """The other side of the connection has closed it, or reads nothing."""

    type = "asya.ClientGone"
    mro = ("Exception",)


class Connection:
    """Bytes of one client, read without blocking by whichever thread owns the connection at the moment."""

    __slots__ = ("data", "fd", "heard_at", "linger_until", "request", "sock")

    def __init__(self, sock: Socket) -> None:
        sock.setblocking(False)
        sock.setsockopt(SOL_SOCKET, SO_SNDBUF, SEND_BUFFER_BYTES)
        self.sock = sock
        self.fd = sock.fileno()
        self.data = bytearray()
        self.request: Optional[Request] = None
        self.heard_at = 0.0
        self.linger_until: Optional[float] = None

    def receive(self, size: int) -> bool:
        """Take what has arrived; False when the client is gone."""
        try:
            piece = self.sock.recv(size)
        except (BlockingIOError, InterruptedError):
            return True
        except OSError:
            return False
        self.heard_at = monotonic()
        if self.linger_until is None:
            self.data += piece
        return bool(piece)

    def half_read(self) -> bool:
        return bool(self.data) or self.request is not None

    def take(self, body_bytes: int) -> "Optional[Request]":
        """The next complete request among the bytes received; None while there is none. Raises HttpFault."""
        data = self.data
        request = self.request
        if request is None:
            if not data:
                return None
            end = self._end_of_head()
            if end < 0:
                return None
            request = Request(bytes(data[:end]))
            if request.length > body_bytes:
                raise HttpFault(413, f"the body has more than {body_bytes} bytes")
            del data[: end + 4]
            self.request = request
            if request.expects and len(data) < request.length:
                self.send_now(b"HTTP/1.1 100 Continue\r\n\r\n")
        if len(data) < request.length:
            return None
        request.body = bytes(data[: request.length])
        del data[: request.length]
        self.request = None
        request.read_at = monotonic()
        return request

    def _end_of_head(self) -> int:
        data = self.data
        while data.startswith(b"\r\n"):  # allowed between requests
            del data[:2]
        end = data.find(b"\r\n\r\n")
        if (end if end >= 0 else len(data)) > HTTP_HEAD_BYTES:
            raise HttpFault(431, f"request line and headers have more than {HTTP_HEAD_BYTES} bytes")
        if end < 0:
            line, newline, _ = bytes(data[:256]).partition(b"\n")
            if NEVER_IN_A_REQUEST_LINE.search(line) or (
                newline and not REQUEST_LINE.fullmatch(line[:-1].decode("latin-1"))
            ):
                raise HttpFault(400, "broken request line, expected METHOD PATH HTTP/1.1")
        return end

    def send_now(self, data: bytes) -> bool:
        """Send something small without waiting; False when the client does not take it."""
        try:
            return self.sock.send(data, MSG_NOSIGNAL) == len(data)
        except OSError:
            return False

    def send(self, data: bytes, patience_s: "Optional[float]") -> None:
        """Send all, waiting for a slow reader at most `patience_s` per piece. Raises ClientGone."""
        rest = memoryview(data)
        while True:
            try:
                rest = rest[self.sock.send(rest, MSG_NOSIGNAL) :]
            except (BlockingIOError, InterruptedError):
                pass
            except OSError:
                raise ClientGone("the client has closed the connection") from None
            if not rest:
                return
            writable = new_poll()
            writable.register(self.fd, POLLOUT)
            if not writable.poll(None if patience_s is None else patience_s * 1000):
                raise ClientGone("the client has read nothing for %g s" % (patience_s or 0))

    def is_gone(self) -> bool:
        """Whether the client has closed, without reading what it may still have sent."""
        state = new_poll()
        state.register(self.fd, 0)
        return any(event & (POLLHUP | POLLERR | POLLNVAL) for _, event in state.poll(0))

    def close(self) -> None:
        try:
            self.sock.close()
        except OSError:  # the user's code has closed the descriptor under us
            self.sock.detach()


# ---------------------------------------------------------------- watchdog (runtime, Deadline)


class Watchdog:
    """Ends the process 1 s after a call's deadline, from C and without the interpreter lock.

    `faulthandler` starts a thread for each timer, some 30 us for arming and disarming. So the timer of a long deadline
    stays armed until the main thread has been idle for IDLE_S, and the next call uses it when it is right to SLACK_S.
    It has seconds to go when that happens, so an idle process is in no danger.
    """

    AFTER_S = 1.0
    SLACK_S = 0.5
    KEEP_FROM_S = 10.0
    IDLE_S = 0.1

    def __init__(self) -> None:
        self.fires_at: Optional[float] = None
        self.arm_timer = faulthandler.dump_traceback_later
        self.stop_timer = faulthandler.cancel_dump_traceback_later
        self.fd = private_stderr()

    def arm(self, deadline_at: "Optional[float]") -> None:
        if deadline_at is None:
            self.stop()
            return
        wanted = deadline_at + self.AFTER_S
        if self.fires_at is not None and wanted <= self.fires_at <= wanted + self.SLACK_S:
            return
        left = wanted - monotonic()
        if left > self.KEEP_FROM_S:
            left += self.SLACK_S
        self.arm_timer(max(left, 0.001), False, self.fd, True)
        self.fires_at = monotonic() + left

    def call_done(self) -> None:
        if self.fires_at is not None and self.fires_at - monotonic() < self.KEEP_FROM_S - self.AFTER_S:
            self.stop()

    def stop(self) -> None:
        if self.fires_at is not None:
            self.stop_timer()
            self.fires_at = None


def private_stderr() -> int:
    """A descriptor for the stacks. Where stderr is a pipe it does not block: a full pipe must not keep us alive."""
    try:
        if S_ISFIFO(fstat(2).st_mode):
            return open_fd("/proc/self/fd/2", os.O_WRONLY | os.O_NONBLOCK)
    except OSError:  # no /proc, or a pipe of another user
        pass
    try:
        return dup(2)
    except OSError:
        return open_fd(os.devnull, os.O_WRONLY)


# ---------------------------------------------------------------- calling (runtime, Calling the handler)


class Outcome:
    """How a call ended: the answer if it was not streamed, and what the log says."""

    __slots__ = ("answer", "details", "frames", "name", "status")

    def __init__(self, name: str, status: int, answer: bytes = b"", frames: int = 0) -> None:
        self.name = name
        self.status = status
        self.answer = answer
        self.frames = frames
        self.details: Optional[Dict[str, Any]] = None


def failed(error: BaseException, frames: int = 0) -> Outcome:
    details = details_of(error)
    outcome = Outcome(
        "error", 500, encode_plain({"error": "processing_error", "details": details}).encode("ascii"), frames
    )
    outcome.details = details
    return outcome


def refused(error: Refused) -> Outcome:
    details = {"message": error.message, "type": error.kind, "code": error.code}
    if error.path is not None:
        details["path"] = error.path
    outcome = Outcome("refused", 400, encode_plain({"error": "msg_parsing_error", "details": details}).encode("ascii"))
    outcome.details = details
    return outcome


class Frames:
    """Makes frames of what a handler returned or yielded."""

    def __init__(self, envelope: Envelope, envelope_mode: bool, validate: bool) -> None:
        self.envelope = envelope
        self.envelope_mode = envelope_mode
        self.validate = validate
        self.onward = envelope.onward_text()
        self.arrived = "" if validate or envelope.route is None else encode_own(envelope.route.document())

    def text(self, item: "Any", place: str) -> str:
        """One frame as JSON. Raises InvalidOutput or ResultNotJSON."""
        if not self.envelope_mode:
            return self._frame(encode_result(item), self.onward, self.envelope.headers_text)
        if not self.validate:
            return self._unchecked(item)
        try:
            return self._checked(item)
        except Refused as error:
            raise InvalidOutput(f"Invalid output envelope[{place}]: {error.message}") from None

    @staticmethod
    def _frame(payload: str, route: str, headers: str) -> str:
        return '{{"payload":{}{}{}}}'.format(
            payload,
            ',"route":' + route if route else "",
            ',"headers":' + headers if headers else "",
        )

    def _checked(self, item: "Any") -> str:
        if not isinstance(item, dict):
            raise invalid("object", f"expected an object with payload and route, not {described(item)}")
        if "payload" not in item:
            raise invalid("payload", "payload is missing")
        if "route" not in item:
            raise invalid("route", "route is missing")
        route = edited_route(self.envelope.route, item["route"])  # type: ignore[arg-type]
        headers = item.get("headers")
        if headers is not None and not isinstance(headers, dict):
            raise invalid("headers", "headers must be an object or null")
        return self._frame(encode_result(item["payload"]), encode_result(route.document()), self._headers(headers))

    def _unchecked(self, item: "Any") -> str:
        if not isinstance(item, dict) or "payload" not in item:
            return self._frame(encode_result(item), self.onward, self.envelope.headers_text)
        route = self.onward
        if "route" in item and self.envelope.route is not None:
            try:
                route = encode_result(edited_route(self.envelope.route, item["route"]).document())
            except (Refused, ResultNotJSON):
                route = self.arrived
        headers = item.get("headers")
        return self._frame(
            encode_result(item["payload"]), route, self._headers(headers if isinstance(headers, dict) else None)
        )

    def _headers(self, headers: "Optional[Dict[str, Any]]") -> str:
        if headers is None:
            return self.envelope.headers_text
        if not headers and not self.envelope.headers_text:
            return ""
        return encode_result(headers)


class Stream:
    """The answer to a generator: server-sent events, the status line with the first of them."""

    def __init__(self, connection: Connection, http10: bool, close: "Callable[[], bool]") -> None:
        self.connection = connection
        self.http10 = http10
        self.close = close
        self.started = False

    def event(self, name: str, data: str, last: bool = False) -> None:
        """Send one event and wait as long as the client does not read. Raises ClientGone."""
        piece = (f"event: {name}\ndata: {data}\n\n").encode("ascii")
        if not self.http10:
            piece = b"%x\r\n%s\r\n%s" % (len(piece), piece, b"0\r\n\r\n" if last else b"")
        if not self.started:
            self.started = True
            head = head_of(200, "text/event-stream", None, self.close())
            piece = (head if self.http10 else head[:-2] + b"Transfer-Encoding: chunked\r\n\r\n") + piece
        self.connection.send(piece, None)


class Caller:
    """Calls the handler and judges what it returned. Lives on the main thread."""

    def __init__(self, handler: "Callable[[Any], Any]", settings: Settings) -> None:
        self.handler = handler
        self.envelope_mode = settings.envelope_mode
        self.validate = settings.validate
        self.loop: Any = None

    def call(self, envelope: Envelope, stream: Stream) -> Outcome:
        """Run one call to its end. A generator's frames go out through `stream`, all others are in the outcome."""
        try:
            frames = Frames(envelope, self.envelope_mode, self.validate)
            result = self.handler(envelope.for_handler() if self.envelope_mode else envelope.payload)
            while is_awaitable(result):
                result = self.awaited(result)
            if isinstance(result, GeneratorType):
                return Streaming(frames, stream).run(result)
            if isinstance(result, AsyncGeneratorType):
                streaming = Streaming(frames, stream)
                return self.awaited(streaming.run_async(result))  # type: ignore[no-any-return]
            return self.collected(frames, result)
        except BaseException as error:  # noqa: BLE001 - the boundary of a call: whatever user code raises ends this call only
            return failed(error)

    @staticmethod
    def collected(frames: Frames, result: "Any") -> Outcome:
        if result is None:
            return Outcome("none", 204)
        several = isinstance(result, (list, tuple)) and not hasattr(result, "_fields")
        items = result if several else (result,)
        if not items:
            return Outcome("none", 204)
        texts = [frames.text(item, f"{index}/{len(items)}") for index, item in enumerate(items)]
        return Outcome("ok", 200, ('{{"frames":[{}]}}'.format(",".join(texts))).encode("ascii"), len(texts))

    def awaited(self, awaitable: "Any") -> "Any":
        """The result of an awaitable, on the one event loop of this process."""
        if self.loop is None or self.loop.is_closed():
            self.loop = event_loop()
        value, error = self.loop.run_until_complete(settle(awaitable))
        if error is not None:
            raise error
        return value


async def settle(awaitable: "Any") -> "Tuple[Any, Optional[BaseException]]":
    """Await without raising: SystemExit and KeyboardInterrupt would leave the event loop half stopped."""
    try:
        return await awaitable, None
    except BaseException as error:  # noqa: BLE001 - handed to `awaited`, which raises it
        return None, error


def is_awaitable(value: "Any") -> bool:
    if isinstance(value, GeneratorType):
        return bool(value.gi_code.co_flags & 0x100)  # a coroutine of types.coroutine
    return hasattr(type(value), "__await__")


def event_loop() -> "Any":
    """The loop the user's code would get on this thread, so that clients made while loading fit it."""
    import asyncio  # only where a handler is asynchronous: 6 MB
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # newer Pythons warn of this way to ask, and then do it
        try:
            loop = asyncio.get_event_loop_policy().get_event_loop()
        except RuntimeError:
            loop = None
    if loop is None or loop.is_closed():
        loop = asyncio.new_event_loop()
        asyncio.set_event_loop(loop)
    return loop


class Streaming:
    """Turns what a generator yields into events."""

    def __init__(self, frames: Frames, stream: Stream) -> None:
        self.frames = frames
        self.stream = stream
        self.count = 0

    def run(self, generator: "Any") -> Outcome:
        error: Optional[BaseException] = None
        try:
            for value in generator:
                self.emit(value)
        except BaseException as raised_error:  # noqa: BLE001 - user code, or our judgement of a value
            error = raised_error
        try:
            generator.close()
        except BaseException as raised_error:  # noqa: BLE001 - user code
            error = error or raised_error
        return self.end(error)

    async def run_async(self, generator: "Any") -> Outcome:
        error: Optional[BaseException] = None
        try:
            async for value in generator:
                self.emit(value)
        except BaseException as raised_error:  # noqa: BLE001 - user code, or our judgement of a value
            error = raised_error
        try:
            await generator.aclose()
        except BaseException as raised_error:  # noqa: BLE001 - user code
            error = error or raised_error
        return self.end(error)

    def emit(self, value: "Any") -> None:
        if value is None:
            if self.stream.connection.is_gone():
                raise ClientGone("the client has closed the connection")
        elif type(value) is tuple and len(value) == 2 and isinstance(value[0], str) and value[0] == "FLY":
            self.stream.event("partial", encode_result(value[1]))
        else:
            self.stream.event("frame", self.frames.text(value, str(self.count)))
            self.count += 1

    def end(self, error: "Optional[BaseException]") -> Outcome:
        if error is None:
            outcome = Outcome("ok" if self.count else "none", 200 if self.stream.started else 204, b"", self.count)
        else:
            outcome = failed(error, self.count)
        if self.stream.started and not isinstance(error, ClientGone):
            try:
                if error is not None:
                    self.stream.event("error", outcome.answer.decode("ascii"))
                self.stream.event("done", "{}", last=True)
            except ClientGone as gone:
                return failed(gone, self.count)
        return outcome


# ---------------------------------------------------------------- the door: everything that is not the current call


class Wakeup:
    """A pipe that ends the other thread's poll."""

    def __init__(self) -> None:
        self.reader, self.writer = pipe()
        set_blocking(self.reader, False)
        set_blocking(self.writer, False)

    def wake(self) -> None:
        try:
            write_fd(self.writer, b"\0")
        except OSError:  # full: it is awake; closed by user code: check_descriptors is about to say so
            pass

    def read(self) -> bytes:
        try:
            return read_fd(self.reader, 4096)
        except BlockingIOError:
            return b""

    def close(self) -> None:
        close_fd(self.reader)
        close_fd(self.writer)


class Door:
    """The second thread: accepts, answers what needs no handler, queues calls, hears signals, watches descriptors."""

    def __init__(self, server: "Server") -> None:
        self.server = server
        self.poll = new_poll()
        self.open: Dict[int, Connection] = {}
        self.listening = False
        self.check_at = 0.0

    def run(self) -> None:
        try:
            self.poll.register(self.server.to_door.reader, POLLIN)
            while True:
                self.turn()
        except BaseException:  # noqa: BLE001 - the boundary of this thread: without it the runtime would be deaf
            self.server.die(traceback.format_exc())

    def turn(self) -> None:
        server = self.server
        for fd, event in self.poll.poll(self.timeout_s() * 1000):
            if fd == server.to_door.reader:
                server.heard(server.to_door.read())
            elif server.listener is not None and fd == server.listener.fileno():
                self.accept()
            elif fd in self.open:
                self.serve(self.open[fd], event)
        if server.listener is None:
            return
        while server.to_serve:
            self.adopt(server.to_serve.popleft())
        self.listen(len(server.connections) < CONNECTIONS)
        self.expire(monotonic())

    def timeout_s(self) -> float:
        ends = [self.check_at] if self.server.listener is not None else []
        for connection in self.open.values():
            if connection.linger_until is not None:
                ends.append(connection.linger_until)
            elif connection.half_read():
                ends.append(connection.heard_at + SILENCE_S)
        return max(0.0, min(ends) - monotonic()) + 0.001 if ends else 3600.0

    def listen(self, wanted: bool) -> None:
        if wanted != self.listening:
            fd = self.server.listener.fileno()  # type: ignore[union-attr]
            if wanted:
                self.poll.register(fd, POLLIN)
            else:
                self.poll.unregister(fd)
            self.listening = wanted

    def accept(self) -> None:
        try:
            fd, _ = self.server.listener._accept()  # type: ignore[union-attr]
        except (BlockingIOError, InterruptedError, ConnectionError):
            return
        except OSError as error:
            self.server.accept_failed(error)
            return
        connection = Connection(Socket(AF_UNIX, SOCK_STREAM, 0, fd))
        connection.heard_at = monotonic()
        self.server.connections.add(connection)
        self.watch(connection)

    def watch(self, connection: Connection) -> None:
        self.open[connection.fd] = connection
        self.poll.register(connection.fd, POLLIN)

    def unwatch(self, connection: Connection) -> None:
        if self.open.pop(connection.fd, None) is not None:
            self.poll.unregister(connection.fd)

    def adopt(self, connection: Connection) -> None:
        """Take over a connection from the main thread, with what it has read of it."""
        self.watch(connection)
        if connection.linger_until is None:
            self.proceed(connection)

    def serve(self, connection: Connection, event: int) -> None:
        if event & POLLNVAL or not connection.receive(self.server.settings.chunk_bytes):
            self.drop(connection)
        elif connection.linger_until is None:
            self.proceed(connection)

    def proceed(self, connection: Connection) -> None:
        """Answer or queue the requests that are complete; a queued call takes its connection along."""
        server = self.server
        while True:
            try:
                request = connection.take(server.settings.body_bytes)
                if request is None:
                    return
                request.check()
                if request.path == "/invoke":
                    self.unwatch(connection)
                    request.behind_another = server.busy or bool(server.calls)
                    server.calls.append((connection, request))
                    server.to_main.wake()
                    return
                answer, close = server.health(request)
            except HttpFault as fault:
                if fault.close:
                    self.refuse(connection, fault)
                    return
                answer, close = server.fault_answer(fault, request)  # type: ignore[arg-type]
            if not connection.send_now(answer) or close:
                self.drop(connection)
                return

    def refuse(self, connection: Connection, fault: HttpFault) -> None:
        connection.linger_until = monotonic() + LINGER_S
        linger(connection, fault)

    def drop(self, connection: Connection) -> None:
        self.unwatch(connection)
        self.server.forget(connection)

    def expire(self, now: float) -> None:
        for connection in list(self.open.values()):
            if connection.linger_until is not None:
                if now >= connection.linger_until:
                    self.drop(connection)
            elif connection.half_read() and now >= connection.heard_at + SILENCE_S:
                self.refuse(connection, HttpFault(408, "the rest of the request did not come"))
        if now >= self.check_at - EARLY_S:
            self.check_at = now + CHECK_S
            self.server.check_descriptors()


def linger(connection: Connection, fault: HttpFault) -> None:
    """Answer and say that no more follows; closing at once, with bytes unread, could take the answer back."""
    connection.data.clear()
    connection.request = None
    connection.send_now(answer_of(fault.status, fault.body(), True, fault.allow))
    try:
        connection.sock.shutdown(SHUT_WR)
    except OSError:  # gone already
        pass


# ---------------------------------------------------------------- the server: the main thread


class Server:
    """Serves calls on the main thread until a signal."""

    def __init__(self, settings: Settings, log: Log) -> None:
        self.settings = settings
        self.log = log
        self.watchdog = Watchdog()
        self.caller: Optional[Caller] = None
        self.listener: Optional[Socket] = None
        self.connections: Set[Connection] = set()
        self.calls: Deque[Tuple[Connection, Request]] = deque()
        self.to_serve: Deque[Connection] = deque()
        self.to_door = Wakeup()
        self.to_main = Wakeup()
        self.kept: Optional[Connection] = None  # the connection of the last call
        self.busy = False
        self.poll = new_poll()
        self.identities: Dict[int, Tuple[int, int]] = {}
        self.socket_identity = (0, 0)
        self.draining_until: Optional[float] = None
        self.signals_called = 0
        self.signals_written = 0
        self.on_signal_method = self.on_signal
        self.accept_warned_at = -60.0
        self.pid = getpid()

    # -- signals

    def hear_signals(self) -> None:
        """Both ways a signal reaches us: Python's own, and a byte for the door while the main thread is in native code."""
        for number in SIGNALS:
            set_signal(number, self.on_signal_method)
        set_wakeup_fd(self.to_door.writer, warn_on_full_buffer=False)
        start_new_thread(Door(self).run, ())

    def on_signal(self, number: int, _frame: "Any") -> None:
        self.signals_called += 1
        self.signalled(number)

    def heard(self, data: bytes) -> None:
        for number in data:
            if number in SIGNALS:
                self.signals_written += 1
                self.signalled(number)

    def signalled(self, number: int) -> None:
        """React to a signal, told by either way or by both."""
        if self.listener is None:
            remove_if_possible(self.settings.ready_path)
            remove_if_possible(self.settings.socket_path)
            exit_now(0)
        if max(self.signals_called, self.signals_written) > 1:
            exit_now(128 + number)
        if self.draining_until is None:
            self.draining_until = monotonic() + DRAIN_S
            remove_if_possible(self.settings.ready_path)
            self.log.write("INFO", "draining", signal=number)
            self.to_main.wake()

    def put_signals_back(self) -> None:
        for number in SIGNALS:
            if getsignal(number) is not self.on_signal_method:
                set_signal(number, self.on_signal_method)

    # -- descriptors

    def bind(self, mask: int) -> None:
        """Bind, listen, and write the ready file. `mask` is the umask we began with."""
        settings = self.settings
        listener = Socket(AF_UNIX, SOCK_STREAM)
        listener.setblocking(False)
        users_mask = umask(mask)
        try:
            remove(settings.socket_path)
            listener.bind(settings.socket_path)
            if settings.socket_mode is not None:
                os.chmod(settings.socket_path, settings.socket_mode)
            listener.listen(128)
            own = os.stat(settings.socket_path)
            self.socket_identity = (own.st_dev, own.st_ino)
            for fd in (listener.fileno(), self.log.fd, self.to_main.reader, self.to_door.reader):
                if fd >= 0:
                    self.identities[fd] = identity(fd)
            remove(settings.ready_path)
            ready = open_fd(settings.ready_path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
            write_fd(ready, b"ready")
            close_fd(ready)
        finally:
            umask(users_mask)
        self.listener = listener
        self.to_door.wake()

    def check_descriptors(self) -> None:
        """End when user code has closed our descriptors, or somebody has removed our socket: a restart repairs that."""
        try:
            for fd, expected in self.identities.items():
                if identity(fd) != expected:
                    self.die(f"descriptor {fd} of the runtime was replaced by another")
            own = lstat(self.settings.socket_path)
        except OSError as error:
            self.die(f"the listening socket was lost: {error}")
        if (own.st_dev, own.st_ino) != self.socket_identity:
            self.die("the socket path now leads to another socket")

    def listener_is_ours(self) -> bool:
        """The cheap look after every call; `os.closerange` takes this descriptor along with the others."""
        fd = self.listener.fileno()  # type: ignore[union-attr]
        try:
            return identity(fd) == self.identities[fd]
        except OSError:
            return False

    def forget_all(self) -> None:
        """In a forked child: keep nothing open that belongs to the parent, and take its signals as usual."""
        if self.listener is not None:
            self.listener.close()
        for connection in self.connections:
            connection.close()
        set_wakeup_fd(-1)
        self.to_door.close()
        self.to_main.close()
        for number in SIGNALS:
            set_signal(number, USUAL_HANDLERS[number])

    def die(self, why: str) -> "NoReturn":
        self.log.write("ERROR", "the runtime ends", error_message=why)
        exit_now(1)
        raise SystemExit(1)  # not reached; exit_now does not return

    def accept_failed(self, error: OSError) -> None:
        """Out of descriptors: the poll comes again at once, so wait a little where a turn would do nothing else."""
        if monotonic() - self.accept_warned_at > 60:
            self.accept_warned_at = monotonic()
            self.log.write("WARNING", "cannot accept a connection", error_message=str(error))
        new_poll().poll(100)

    def forget(self, connection: Connection) -> None:
        self.connections.discard(connection)
        connection.close()

    # -- answers that need no handler

    def health(self, request: Request) -> "Tuple[bytes, bool]":
        draining = self.draining_until is not None
        document = {
            "status": "draining" if draining else "ready",
            "busy": self.busy or bool(self.calls),
            "handler": self.settings.handler,
            "mode": "envelope" if self.settings.envelope_mode else "payload",
            "python": ".".join(map(str, sys.version_info[:3])),
        }
        close = draining or not request.keep
        return answer_of(503 if draining else 200, encode_plain(document).encode("ascii"), close), close

    def fault_answer(self, fault: HttpFault, request: Request) -> "Tuple[bytes, bool]":
        close = self.draining_until is not None or not request.keep
        body = fault.body()
        answer = head_of(fault.status, "application/json", len(body), close, fault.allow)
        return answer if request.method == "HEAD" else answer + body, close

    # -- the loop

    def serve(self) -> None:
        """Take calls until drained."""
        self.poll.register(self.to_main.reader, POLLIN)
        while True:
            if self.calls:
                self.keep(None)
                connection, request = self.calls.popleft()
                self.run(connection, request)
                continue
            if self.kept is not None and self.read_kept():
                continue
            if self.drained():
                return
            self.wait()

    def wait(self) -> None:
        timeout_s: Optional[float] = None  # the door wakes us, and ends the process when it no longer can
        if self.watchdog.fires_at is not None:
            timeout_s = Watchdog.IDLE_S
        elif self.kept is not None and self.kept.half_read():
            timeout_s = SLOW_S
        if self.draining_until is not None:
            timeout_s = min(timeout_s or DRAIN_S, max(0.01, self.draining_until - monotonic()))
        events = self.poll.poll(None if timeout_s is None else timeout_s * 1000)
        if not events and self.watchdog.fires_at is not None:
            self.watchdog.stop()
        for fd, event in events:
            if fd == self.to_main.reader:
                self.to_main.read()
            elif self.kept is not None and (event & POLLNVAL or not self.kept.receive(self.settings.chunk_bytes)):
                connection = self.kept
                self.poll.unregister(connection.fd)
                self.kept = None
                self.forget(connection)

    def keep(self, connection: "Optional[Connection]") -> None:
        """Read this connection on the main thread from now on; the one before goes back to the door."""
        if connection is self.kept:
            return
        if self.kept is not None:
            self.poll.unregister(self.kept.fd)
            self.to_serve.append(self.kept)
            self.to_door.wake()
        self.kept = connection
        if connection is not None:
            self.poll.register(connection.fd, POLLIN)

    def read_kept(self) -> bool:
        """Answer a complete request of the kept connection; False when there is none."""
        connection = self.kept
        assert connection is not None
        if not connection.half_read():
            return False
        if monotonic() - connection.heard_at >= SLOW_S:  # the door waits for the rest of it
            self.keep(None)
            return False
        try:
            request = connection.take(self.settings.body_bytes)
            if request is None:
                return False
            request.check()
            if request.path == "/invoke":
                self.run(connection, request)
                return True
            answer, close = self.health(request)
        except HttpFault as fault:
            if fault.close:
                connection.linger_until = monotonic() + LINGER_S
                linger(connection, fault)
                self.keep(None)
                return True
            answer, close = self.fault_answer(fault, request)  # type: ignore[arg-type]
        if not connection.send_now(answer) or close:
            self.drop(connection)
        return True

    def drop(self, connection: Connection) -> None:
        if connection is self.kept:
            self.poll.unregister(connection.fd)
            self.kept = None
        self.forget(connection)

    def drained(self) -> bool:
        if self.draining_until is None or monotonic() < self.draining_until:
            return False
        now = monotonic()
        return not self.calls and not any(c.half_read() and now - c.heard_at < 1 for c in list(self.connections))

    def run(self, connection: Connection, request: Request) -> None:
        """One call, from its complete request to its log line."""
        self.busy = True
        try:
            close = self.call(connection, request)
        finally:
            self.busy = False
        if close:
            self.drop(connection)
        else:
            self.keep(connection)

    def call(self, connection: Connection, request: Request) -> bool:
        """Judge, call, answer and log; whether the connection is to be closed."""
        began = monotonic()
        deadline_at = None if request.deadline_s is None else request.read_at + request.deadline_s
        waited = request.behind_another or began - request.read_at > HAND_OVER_S
        if waited and deadline_at is not None and began > deadline_at - 1:
            fault = HttpFault(503, "the call waited behind another one until its time was nearly over", close=False)
            answer, close = self.fault_answer(fault, request)
            return not connection.send_now(answer) or close
        envelope: Optional[Envelope] = None
        stream = Stream(connection, request.http10, lambda: self.closing(request))
        try:
            envelope = Envelope(request.body, self.settings.validate)
            request.body = b""
        except Refused as error:
            outcome = refused(error)
        else:
            self.watchdog.arm(deadline_at)
            outcome = self.caller.call(envelope, stream)  # type: ignore[union-attr]
            self.watchdog.call_done()
            if getpid() != self.pid:
                exit_now(0)  # the handler has forked, and this is the child: it must not answer
            self.put_signals_back()
            if not self.listener_is_ours():
                self.check_descriptors()
        close = self.closing(request)
        if not stream.started:
            try:
                connection.send(answer_of(outcome.status, outcome.answer, close), SILENCE_S)
            except ClientGone:
                close = True
        elif outcome.details is not None and outcome.details["type"] == ClientGone.type:
            close = True
        flush_streams()
        self.report(envelope, outcome, monotonic() - began)
        return close or (stream.started and request.http10)

    def closing(self, request: Request) -> bool:
        return self.draining_until is not None or not request.keep

    def report(self, envelope: "Optional[Envelope]", outcome: Outcome, took_s: float) -> None:
        fields: Dict[str, Any] = {
            "outcome": outcome.name,
            "frames": outcome.frames,
            "duration_ms": round(took_s * 1000, 3),
        }
        actor = ""
        if envelope is not None:
            fields = dict({"envelope_id": envelope.id, "trace_id": envelope.trace_id}, **fields)
            actor = envelope.route.curr if envelope.route is not None else ""
        level = "INFO"
        if outcome.name == "error" and outcome.details is not None:
            level = "ERROR"
            details = outcome.details
            fields.update(error_type=details["type"], error_message=details["message"], traceback=details["traceback"])
        elif outcome.name == "refused" and outcome.details is not None:
            level = "WARNING"
            fields["code"] = outcome.details["code"]
        self.log.write(level, "call done", actor, **fields)


def identity(fd: int) -> "Tuple[int, int]":
    found = fstat(fd)
    return found.st_dev, found.st_ino


# ---------------------------------------------------------------- life (runtime, Life)


def c_library() -> "Any":
    """The C library of this process, or None without ctypes. Everything asked of it is optional."""
    try:
        import ctypes

        return ctypes.CDLL(None)
    except Exception:  # noqa: BLE001 - built without it, or memory may not be made executable here
        return None


def exit_on_signals_from_native_code(libc: "Any") -> None:
    """While user code is being loaded, let the C library itself end the process on SIGTERM and SIGINT, with status 0.

    A native import may hold the interpreter lock for seconds, and Python's own signal handlers wait for it; a default
    action would give another status, and none at all to process 1. With glibc two calls do it: quick_exit as the
    handler, and _exit as what quick_exit runs first, with status 0. Elsewhere the door does it once the lock is free.
    """
    if not hasattr(libc, "__cxa_at_quick_exit"):
        return
    from ctypes import c_int, c_void_p, cast

    if libc["__cxa_at_quick_exit"](cast(libc["_exit"], c_void_p), None) == 0:
        set_handler = libc["signal"]
        set_handler.argtypes = (c_int, c_void_p)
        for number in SIGNALS:
            set_handler(number, cast(libc["quick_exit"], c_void_p))


def give_memory_back(libc: "Any") -> None:
    """Compiling this file takes 7 MB for a moment, and glibc keeps them unless told otherwise."""
    if hasattr(libc, "malloc_trim"):
        libc.malloc_trim(0)


def run_atexit_functions() -> None:
    """The user's atexit functions, for a short while: some of them wait for threads and processes."""

    def end() -> None:
        new_poll().poll(ATEXIT_S * 1000)
        exit_now(0)

    start_new_thread(end, ())
    try:
        atexit._run_exitfuncs()
    except BaseException:  # noqa: BLE001 - user code; atexit has printed the traceback, and we are leaving anyway
        return


def load_or_leave(path: str) -> "Callable[[Any], Any]":
    try:
        return load(path)
    except HandlerRaised as error:
        cause = error.__cause__
        assert cause is not None
        leave(3, f"cannot load handler {path}: {error}", traceback_text(cause))
    except NotLoadable as error:
        leave(3, f"cannot load handler {path}: {error}")


def main() -> None:
    """Read settings, load, serve, drain. Does not return."""
    sys.excepthook = sys.__excepthook__
    mistakes: List[str] = []
    settings = Settings(os.environ, mistakes)
    mistakes += path_mistakes(settings)
    if mistakes:
        leave(2, "configuration error: " + "; ".join(mistakes))
    try:
        remove(settings.socket_path)
        remove(settings.ready_path)
    except OSError as error:
        leave(2, f"configuration error: {shown(str(error.filename))} cannot be removed: {error.strerror}")
    mask = umask(0)
    umask(mask)
    log = Log(settings)
    server = Server(settings, log)
    os.register_at_fork(after_in_child=server.forget_all)
    server.hear_signals()
    libc = c_library()
    exit_on_signals_from_native_code(libc)
    use_working_directory()
    server.caller = Caller(load_or_leave(settings.handler), settings)
    flush_streams()
    give_memory_back(libc)
    for number in SIGNALS:
        set_signal(number, server.on_signal_method)
    try:
        server.bind(mask)
    except OSError as error:
        leave(2, f"configuration error: cannot listen at {shown(settings.socket_path)}: {error.strerror}")
    if settings.unknown_log_level is not None:
        log.write("WARNING", "ASYA_LOG_LEVEL is not known, INFO is used", value=settings.unknown_log_level)
    log.write("INFO", "ready", handler=settings.handler, socket=settings.socket_path)
    try:
        server.serve()
    except BaseException:  # noqa: BLE001 - the boundary of the process: a restart is the repair
        server.die(traceback.format_exc())
    remove_if_possible(settings.ready_path)
    remove_if_possible(settings.socket_path)
    log.write("INFO", "drained")
    run_atexit_functions()
    flush_streams()
    exit_now(0)


class Compiled(Exception):
    """Raised as the last act of this script, see below."""


if __name__ == "__main__":
    # CPython keeps the syntax tree of a script, 6 MB for this one, until the script's last line has run; what an
    # uncaught exception calls runs after that, and before the interpreter begins to shut down. So life begins there.
    sys.excepthook = lambda *_: main()
    raise Compiled
