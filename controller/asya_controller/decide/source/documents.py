"""Turns the text of files into AsyncActors that remember where each field stands.

Called by act/source/files.py, which reads the files, and by `asya set`, which has edited one. Does not judge what it finds: see
checking.py. One unreadable file never hides the others. Contract: cli, "asya sync" (sources) and the table of situations.
"""

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from asya_controller.decide.source.yaml_nodes import (
    ListNode,
    MapNode,
    Node,
    Position,
    Remark,
    Values,
    YamlMistake,
    child,
    compose,
    position_of,
)
from asya_schemas.actor.identity import API_VERSION, GROUP, KIND, LIST_KIND
from asya_schemas.actor.problems import Severity, near

FILE_BYTES_LIMIT = 1024 * 1024
SUFFIXES = (".yaml", ".yml", ".json")
# Text that may hold a Secret: cheap, so that only such files of others are read as YAML.
SECRET = re.compile(r"""^[ \t-]*["']?kind["']?[ \t]*:[ \t]*["']?Secret\b|"kind"\s*:\s*"Secret\"""", re.MULTILINE)
# Where a file names no namespace, kubectl's own default.
DEFAULT_NAMESPACE = "default"


@dataclass(frozen=True, slots=True)
class FileProblem:
    """A mistake or a warning at a place of a file. Line and column count from 1."""

    file: Path
    line: int
    column: int
    message: str
    severity: Severity = Severity.ERROR

    def __str__(self) -> str:
        word = "warning: " if self.severity is Severity.WARNING else ""
        return f"{self.file}:{self.line}:{self.column}: {word}{self.message}"


@dataclass(frozen=True, slots=True)
class LoadedActor:
    """One AsyncActor document, as plain JSON values, and its place.

    Attributes:
        number: of its YAML document in the file, from 0, empty ones not counted.
        prefix: path of the actor in that document: empty, or a place in a Kubernetes List.
    """

    document: dict[str, Any]
    file: Path
    line: int
    node: Node = field(repr=False)
    number: int = 0
    prefix: tuple[str | int, ...] = ()

    @property
    def name(self) -> str:
        """`metadata.name`, empty when there is none."""
        return _text(self.document, "name")

    @property
    def namespace(self) -> str:
        """`metadata.namespace`, `default` when there is none."""
        return _text(self.document, "namespace") or DEFAULT_NAMESPACE

    def position_of(self, path: tuple[str | int, ...]) -> Position:
        """Line and column of a field, from 1; of a missing one, those of the block it belongs into."""
        return position_of(self.node, path)

    def problem(self, path: tuple[str | int, ...], message: str, severity: Severity = Severity.ERROR) -> FileProblem:
        """A problem at the place of a field."""
        return FileProblem(self.file, *self.position_of(path), message, severity)


@dataclass(slots=True)
class Loaded:
    """Everything found under the given paths.

    Attributes:
        problems: what is wrong with the files themselves; `checking` adds what is wrong with the actors.
        ignored: documents that are no AsyncActors, one line each, for `asya -v`.
        bodies: every file that was looked at, with its content.
        secrets: Secrets with values, which a source refuses.
    """

    actors: list[LoadedActor] = field(default_factory=list)
    problems: list[FileProblem] = field(default_factory=list)
    ignored: list[str] = field(default_factory=list)
    bodies: dict[Path, bytes] = field(default_factory=dict, repr=False)
    secrets: list[FileProblem] = field(default_factory=list)

    @property
    def files(self) -> list[Path]:
        return list(self.bodies)

    @property
    def errors(self) -> list[FileProblem]:
        return [problem for problem in self.problems if problem.severity is Severity.ERROR]


def load_text(file: Path, text: str) -> Loaded:
    """What `load` would find if the file held this text. For editors: nothing is read."""
    loaded = Loaded(bodies={file: text.encode(errors="replace")})
    try:
        _load_documents(file, text, loaded)
    except YamlMistake as mistake:
        loaded.problems.append(FileProblem(file, *mistake.position, mistake.reason))
    loaded.problems += defined_twice(loaded.actors)
    return loaded


def add_file(loaded: Loaded, file: Path, body: bytes, asked_for: bool) -> None:
    """Sort what a file holds into `loaded`. A file that was not asked for by name may be somebody else's and need not be YAML.

    `body` has at most one byte more than FILE_BYTES_LIMIT.
    """
    try:
        text = text_of(body)
        if asked_for or KIND in text or GROUP in text:
            _load_documents(file, text, loaded)
            return
        loaded.ignored.append(f"{file}: no AsyncActor")
    except YamlMistake as mistake:
        loaded.problems.append(FileProblem(file, *mistake.position, mistake.reason))
        return
    if SECRET.search(text):
        # Somebody else's file, which need not be YAML at all; if it is, a secret in it is found.
        with suppress(YamlMistake):
            _load_documents(file, text, loaded)


def _load_documents(file: Path, text: str, loaded: Loaded) -> None:
    values = Values()
    for number, root in enumerate(_documents(file, text)):
        _load_document(LoadedActor({}, file, root.position[0], root, number), values, loaded)
    loaded.problems += _problems(file, dict.fromkeys(values.remarks))


def text_of(body: bytes) -> str:
    """The text of a file, without a byte order mark.

    Raises:
        YamlMistake: too large, or not UTF-8.
    """
    if len(body) > FILE_BYTES_LIMIT:
        raise YamlMistake("larger than 1 MiB: no set of actors is; split it or move it elsewhere", (1, 1))
    try:
        return body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = body[: error.start]
        position = before.count(b"\n") + 1, error.start - before.rfind(b"\n")
        raise YamlMistake(f"not UTF-8 text: {error.reason}", position) from None


def _documents(file: Path, text: str) -> Iterable[Node]:
    if file.suffix != ".json":
        return compose(text)
    try:
        json.loads(text)
    except json.JSONDecodeError as error:
        raise YamlMistake(f"not JSON: {error.msg}", (error.lineno, error.colno)) from None
    except RecursionError:
        raise YamlMistake("not JSON: nested too deeply", (1, 1)) from None
    # JSON is YAML but for tabs between tokens; inside strings JSON has none.
    return compose(text.replace("\t", " "))


def _load_document(found: LoadedActor, values: Values, loaded: Loaded) -> None:
    """Sort one document, whose value is not yet known, into actors, problems and what is ignored."""
    root, place = found.node, f"{found.file}:{found.line}"
    if not isinstance(root, MapNode):
        loaded.ignored.append(f"{place}: no object")
        return
    kind, version = (_scalar_text(child(root, name)) for name in ("kind", "apiVersion"))
    items = child(root, "items")
    if kind in ("List", LIST_KIND) and isinstance(items, ListNode):
        for index, item in enumerate(items.items):
            prefix = (*found.prefix, "items", index)
            _load_document(replace(found, node=item, line=item.position[0], prefix=prefix), values, loaded)
    elif kind == KIND and version.startswith(f"{GROUP}/"):
        loaded.actors.append(replace(found, document=values.of(root)))
    elif kind == "Secret" and version == "v1" and (value := _value_of_secret(root)):
        message = "a Secret with values in a file of the source: keep it elsewhere, actors only name it"
        loaded.secrets.append(FileProblem(found.file, *value.position, message))
    elif _was_meant(kind, version):
        loaded.problems.append(_wrong_identity(found.file, root, kind, version))
    else:
        loaded.ignored.append(f"{place}: {kind or 'object without kind'}")


def _value_of_secret(root: MapNode) -> Node | None:
    """Where the values of a Secret begin; None for one that others fill."""
    blocks = (child(root, name) for name in ("data", "stringData"))
    return next((block.entries[0][1] for block in blocks if isinstance(block, MapNode) and block.entries), None)


def _was_meant(kind: str, version: str) -> bool:
    """An actor with a typing mistake in its first lines must not be passed over in silence."""
    return kind == KIND or version.startswith(f"{GROUP}/")


def _wrong_identity(file: Path, root: Node, kind: str, version: str) -> FileProblem:
    wrong, expected, got = ("apiVersion", API_VERSION, version) if kind == KIND else ("kind", KIND, kind)
    hint = f", did you mean {expected}?" if got and near(got, [expected]) else ""
    return FileProblem(
        file, *position_of(root, (wrong,)), f"{wrong}: expected {expected}, got {got or 'nothing'}{hint}"
    )


def _problems(file: Path, remarks: Iterable[Remark]) -> Iterator[FileProblem]:
    for remark in remarks:
        severity = Severity.WARNING if remark.warning else Severity.ERROR
        yield FileProblem(file, *remark.position, remark.message, severity)


def defined_twice(actors: Sequence[LoadedActor], namespace: str = DEFAULT_NAMESPACE) -> Iterator[FileProblem]:
    """One problem at every place that defines a name another place defines too: none of them is the right one.

    `namespace` is that of actors which name none.
    """
    by_key: dict[tuple[str, str], list[LoadedActor]] = {}
    for actor in actors:
        if actor.name:
            by_key.setdefault((_text(actor.document, "namespace") or namespace, actor.name), []).append(actor)
    for (space, name), same in by_key.items():
        for actor in same if len(same) > 1 else ():
            others = ", ".join(f"{other.file}:{other.line}" for other in same if other is not actor)
            message = f"AsyncActor {name} in namespace {space} is defined more than once, also in {others}"
            yield actor.problem(("metadata", "name"), message)


def _text(document: dict[str, Any], name: str) -> str:
    metadata = document.get("metadata")
    value = metadata.get(name) if isinstance(metadata, dict) else None
    return value if isinstance(value, str) else ""


def _scalar_text(node: Node | None) -> str:
    text = getattr(node, "text", "")
    return text if isinstance(text, str) else ""
