"""Reads YAML and JSON text into nodes that know where they stand, and nodes into plain values.

Called by `files` (positions of mistakes) and `edit` (which characters to replace). ruamel.yaml finds the tokens; what they mean is
ours, because its loaders build no positions into plain values, follow aliases without limit and read YAML 1.2.
Text comes from strangers: nesting, aliases and size are bounded.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from asya_controller.decide.source.yaml_scalars import meaning

# Deeper than any Kubernetes object; far from Python's recursion limit.
DEPTH_LIMIT = 100
# Values that aliases may add to a file; a bomb of a few lines makes billions.
ALIAS_VALUES_LIMIT = 50_000
_YAML_TAG = "tag:yaml.org,2002:"
_TEXT_TAGS = ("!", f"{_YAML_TAG}str")
_KNOWN_TAGS = (None, *_TEXT_TAGS, *(f"{_YAML_TAG}{name}" for name in ("int", "float", "bool", "null", "seq", "map")))

Position = tuple[int, int]  # line and column, from 1


class YamlMistake(Exception):
    """The text is not YAML, or YAML that we do not read; `position` is where."""

    def __init__(self, reason: str, position: Position) -> None:
        super().__init__(reason)
        self.reason = reason
        self.position = position


@dataclass(slots=True, eq=False)
class Scalar:
    """A scalar. `start` and `end` are offsets into the text, `style` is its quote or block sign, empty for plain."""

    text: str
    style: str
    tag: str | None
    position: Position
    start: int
    end: int


@dataclass(slots=True, eq=False)
class ListNode:
    items: list["Node"]
    flow: bool
    tag: str | None
    position: Position
    start: int
    end: int = 0


@dataclass(slots=True, eq=False)
class MapNode:
    entries: list[tuple["Node", "Node"]]
    flow: bool
    tag: str | None
    position: Position
    start: int
    end: int = 0


Node = Scalar | ListNode | MapNode


@dataclass(frozen=True, slots=True)
class Remark:
    """Something to tell the user about a place in the text; an error unless `warning`."""

    message: str
    position: Position
    warning: bool = False


def compose(text: str) -> list[Node]:
    """The root node of every document in the text; empty documents are left out.

    Raises:
        YamlMistake: not YAML, nested too deeply, or an alias without its anchor.
    """
    from ruamel.yaml import YAML  # imported here: 85 ms, and JSON files need it for positions only
    from ruamel.yaml.error import MarkedYAMLError, YAMLError

    try:
        return list(_Composer(YAML(typ="safe", pure=True).parse(text)).documents())
    except MarkedYAMLError as error:
        raise _mistake(error) from None
    except YAMLError as error:
        raise YamlMistake(_first_line(error), _position_at(text, getattr(error, "position", 0))) from None


class _Composer:
    """Builds nodes from ruamel's events, one document after the other."""

    def __init__(self, events: Iterator[Any]) -> None:
        self._events = events
        self._anchors: dict[str, Node] = {}

    def documents(self) -> Iterator[Node]:
        for event in self._events:
            if type(event).__name__ == "DocumentStartEvent":
                self._anchors = {}
                root = self._node(next(self._events), 0)
                if not (isinstance(root, Scalar) and root.text == "" and not root.style):
                    yield root

    def _node(self, event: Any, depth: int) -> Node:
        position = (event.start_mark.line + 1, event.start_mark.column + 1)
        if depth > DEPTH_LIMIT:
            raise YamlMistake(f"nested more than {DEPTH_LIMIT} levels deep", position)
        kind = type(event).__name__
        if kind == "AliasEvent":
            return self._anchored(event.anchor, position)
        start, end = event.start_mark.index, event.end_mark.index
        if kind == "ScalarEvent":
            node: Node = Scalar(event.value, event.style or "", event.tag, position, start, end)
        elif kind == "SequenceStartEvent":
            node = self._list(ListNode([], bool(event.flow_style), event.tag, position, start), depth)
        else:
            node = self._map(MapNode([], bool(event.flow_style), event.tag, position, start), depth)
        # Remembered only now: an anchor that is used inside its own value would be an endless one.
        if event.anchor:
            self._anchors[event.anchor] = node
        return node

    def _anchored(self, anchor: str, position: Position) -> Node:
        if anchor not in self._anchors:
            raise YamlMistake(f"alias *{anchor} has no finished anchor &{anchor} before it", position)
        return self._anchors[anchor]

    def _list(self, node: ListNode, depth: int) -> ListNode:
        while type(event := next(self._events)).__name__ != "SequenceEndEvent":
            node.items.append(self._node(event, depth + 1))
        node.end = event.end_mark.index
        return node

    def _map(self, node: MapNode, depth: int) -> MapNode:
        while type(event := next(self._events)).__name__ != "MappingEndEvent":
            key = self._node(event, depth + 1)
            node.entries.append((key, self._node(next(self._events), depth + 1)))
        node.end = event.end_mark.index
        return node


# Words of the scanner that say little to a person, and what to add.
_HINTS = (
    ("'\\t'", "a tab cannot indent YAML: use spaces"),
    ("expected <block end>", "the indentation does not match the lines before"),
    ("mapping values are not allowed", "the indentation does not match, or text with ': ' needs quotes"),
    ("could not find expected ':'", "a key needs ': ' after it"),
)


def _mistake(error: Any) -> YamlMistake:
    mark = error.problem_mark or error.context_mark
    problem = error.problem or "not YAML"
    hint = next((f": {hint}" for words, hint in _HINTS if words in problem), "")
    context = f", {error.context}" if error.context and error.context_mark else ""
    begun = f" in line {error.context_mark.line + 1}" if context else ""
    return YamlMistake(f"{problem}{hint}{context}{begun}", (mark.line + 1, mark.column + 1))


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0] or "not YAML"


def _position_at(text: str, index: int) -> Position:
    before = text[:index]
    return before.count("\n") + 1, index - before.rfind("\n")


# --- values -----------------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Values:
    """Turns nodes of one file into plain values and gathers what is to be said about them."""

    remarks: list[Remark] = field(default_factory=list)
    _seen: set[int] = field(default_factory=set)
    _repeated: int = 0

    def of(self, node: Node) -> Any:
        """The plain value of a node: dict, list, str, int, float, bool or None.

        Raises:
            YamlMistake: aliases that repeat too much, or a value that cannot be.
        """
        self._count(node)
        if node.tag not in _KNOWN_TAGS:
            raise YamlMistake(f"tag {node.tag} has no meaning in Kubernetes", node.position)
        if isinstance(node, Scalar):
            return self._scalar(node)
        if isinstance(node, ListNode):
            return [self.of(item) for item in node.items]
        return self._map(node)

    def _count(self, node: Node) -> None:
        if id(node) not in self._seen:
            self._seen.add(id(node))
            return
        self._repeated += 1
        if self._repeated > ALIAS_VALUES_LIMIT:
            raise YamlMistake(f"aliases repeat more than {ALIAS_VALUES_LIMIT} values", node.position)

    def _scalar(self, node: Scalar) -> Any:
        if node.style or node.tag in _TEXT_TAGS:
            return node.text
        found = meaning(node.text)
        if found.impossible:
            self.remarks.append(Remark(found.impossible, node.position))
        elif found.warning:
            self.remarks.append(Remark(found.warning, node.position, warning=True))
        return found.value

    def _map(self, node: MapNode) -> dict[str, Any]:
        merged: dict[str, Any] = {}
        own: dict[str, Any] = {}
        first: dict[str, Position] = {}
        for key, value in node.entries:
            name = self._key(key)
            if _is_merge(key):
                merged = self._merged(value) | merged
                continue
            if name in first:
                line, column = first[name]
                self.remarks.append(Remark(f"key {name} is given twice, first in {line}:{column}", key.position))
            first.setdefault(name, key.position)
            own[name] = self.of(value)
        return merged | own

    def _merged(self, node: Node) -> dict[str, Any]:
        """What `<<:` brings in; of several maps the first that has a key wins."""
        result: dict[str, Any] = {}
        for part in node.items if isinstance(node, ListNode) else [node]:
            value = self.of(part)
            if not isinstance(value, dict):
                raise YamlMistake("<<: needs a map or a list of maps", part.position)
            result = value | result
        return result

    def _key(self, key: Node) -> str:
        """Keys are text in JSON; kubectl turns other scalars into text, so `on:` becomes `true:`."""
        if not isinstance(key, Scalar):
            raise YamlMistake("a key must be text, not a list or a map", key.position)
        value = self._scalar(key)
        if isinstance(value, bool) or value is None:
            return {True: "true", False: "false", None: "null"}[value]
        return str(value)


def _is_merge(key: Node) -> bool:
    return isinstance(key, Scalar) and key.text == "<<" and not key.style


def position_of(root: Node, path: tuple[str | int, ...]) -> Position:
    """Where the field stands: its key, or the item of a list; of what is missing, the nearest block around its place."""
    node, position = root, root.position
    for part in path:
        entry = _child(node, part)
        if entry is None:
            break
        position, node = entry
    return position


def child(node: Node, part: str | int) -> Node | None:
    """The value under a key or index; None when there is none."""
    entry = _child(node, part)
    return entry[1] if entry else None


def _child(node: Node, part: str | int) -> tuple[Position, Node] | None:
    if isinstance(node, ListNode) and isinstance(part, int) and part < len(node.items):
        return node.items[part].position, node.items[part]
    if not isinstance(node, MapNode):
        return None
    silent = Values()
    # The last one counts where a key is given twice, as in the value.
    for key, value in reversed(node.entries):
        if isinstance(key, Scalar) and silent._key(key) == part:
            return key.position, value
    merges = (value for key, value in node.entries if _is_merge(key))
    parts = (part for value in merges for part in (value.items if isinstance(value, ListNode) else [value]))
    return next((found for merged in parts if (found := _child(merged, part))), None)
