"""Changes values in the text of a YAML file and leaves every other character as it is.

Called by `asya set`. Loading and dumping a whole file, even round trip, moves comments, indents lists anew and folds lines; a
commit bot wants a diff of one line. So the parser's positions (ruamel.yaml) say which characters to replace, and the edited text
is read again: if anything but the wanted value differs, nothing is written.
"""

import copy
from collections.abc import Iterator
from typing import Any

from asya_controller.decide.source.yaml_nodes import ListNode, MapNode, Node, Scalar, Values, YamlMistake, compose
from asya_schemas.actor.yaml_text import quoted, scalar

Path = tuple[str | int, ...]


class CannotEdit(Exception):
    """The place cannot be changed without touching something else. The text says why; edit by hand."""


def set_value(text: str, document: int, path: Path, value: Any) -> str:
    """The text with `value` at `path` of its n-th document; blocks that are missing on the way are added.

    Raises:
        CannotEdit: see there.
    """
    roots = compose(text)
    edited = _set(text, roots[document], path, value)
    _verify(text, edited, document, lambda whole: _put(whole, path, value))
    return edited


def append_item(text: str, document: int, path: Path, item: dict[str, Any]) -> str:
    """The text with one more item in the list at `path`, which is made if there is none."""
    roots = compose(text)
    found = _walk(roots[document], path)
    if not isinstance(found, ListNode) or not found.items:
        return set_value(text, document, path, [item])
    edited = _append(text, found, item)
    _verify(text, edited, document, lambda whole: _get(whole, path).append(item))
    return edited


def remove_item(text: str, document: int, path: Path, index: int) -> str:
    """The text without one item of the list at `path`; an empty list stays where it was the last."""
    roots = compose(text)
    found = _walk(roots[document], path)
    if not isinstance(found, ListNode):
        raise CannotEdit("there is no list of its own here")
    if len(found.items) == 1:
        return set_value(text, document, path, [])
    edited = _without(text, found, index)
    _verify(text, edited, document, lambda whole: _get(whole, path).pop(index))
    return edited


# --- finding the place ------------------------------------------------------------------------------------------------


def _own(node: Node, part: str | int) -> tuple[Node | None, Node] | None:
    """Key and value that stand here, not in a merged map."""
    if isinstance(node, ListNode) and isinstance(part, int) and part < len(node.items):
        return None, node.items[part]
    if isinstance(node, MapNode):
        return next(((k, v) for k, v in node.entries if isinstance(k, Scalar) and k.text == part), None)
    return None


def _walk(node: Node, path: Path) -> Node | None:
    for part in path:
        entry = _own(node, part)
        if entry is None:
            return None
        _refuse_alias(entry[0] or node, entry[1], part)
        node = entry[1]
    return node


def _refuse_alias(before: Node, value: Node, part: str | int) -> None:
    """An alias stands for text further up, before its own key or list: to change it there would change other places too."""
    if value.start < before.start:
        raise CannotEdit(f"{part} is an alias of what stands in line {value.position[0]}")


def _set(text: str, root: Node, path: Path, value: Any) -> str:
    node, inner = root, value
    for depth, part in enumerate(path):
        entry = _own(node, part)
        rest: Any = _nested(path[depth + 1 :], value)
        if entry is None:
            if not isinstance(node, MapNode):
                raise CannotEdit(f"{part} cannot be added here")
            return _add_entry(text, node, str(part), rest, _dash_indent(root))
        key, child = entry
        _refuse_alias(key or node, child, part)
        if key is not None and _is_empty(child):
            return _fill(text, node, key, rest, _dash_indent(root))
        if key is not None and rest == [] and isinstance(child, ListNode):
            return _emptied(text, key, child)
        node, inner = child, rest
    return _replace(text, node, inner)


def _nested(path: Path, value: Any) -> Any:
    for part in reversed(path):
        value = {str(part): value}
    return value


def _is_empty(node: Node) -> bool:
    return isinstance(node, Scalar) and node.text == "" and not node.style


# --- changing the text ------------------------------------------------------------------------------------------------


def _replace(text: str, node: Node, value: Any) -> str:
    if isinstance(node, Scalar):
        end = node.start + len(text[node.start : node.end].rstrip())
        return text[: node.start] + _in_style(value, node.style) + text[end:]
    raise CannotEdit("a block stands where a single value is expected")


def _emptied(text: str, key: Node, node: ListNode) -> str:
    """The list without its items; comments above the first one stay."""
    if node.flow:
        return f"{text[: node.start]}[]{text[node.end :]}"
    colon = text.index(":", key.end) + 1
    first_line = text.rfind("\n", 0, node.start) + 1
    return f"{text[:colon]} []{text[colon:first_line]}{text[_line_end(text, _last(text, node)) + 1 :]}"


def _in_style(value: Any, style: str) -> str:
    """The scalar in the quotes that its predecessor had, where that is possible."""
    if not isinstance(value, str):
        return scalar(value)
    if style == "'" and value.isprintable():
        return "'" + value.replace("'", "''") + "'"
    return quoted(value) if style == '"' else scalar(value)


def _add_entry(text: str, node: MapNode, key: str, value: Any, dash_indent: int) -> str:
    if node.flow:
        return _insert_in_flow(text, node, f"{scalar(key)}: {_flow(value)}")
    first = node.entries[0][0]
    lines = _block(key, value, dash_indent)
    return _insert_lines(text, _last(text, node), lines, first.position[1] - 1)


def _fill(text: str, parent: Node, key: Node, value: Any, dash_indent: int) -> str:
    """Give a value to a key that has none."""
    colon = text.index(":", key.end) + 1
    if not isinstance(value, dict | list) or getattr(parent, "flow", False):
        return f"{text[:colon]} {_flow(value)}{text[colon:]}"
    lines = _block("", value, dash_indent)[1:]
    return _insert_lines(text, colon, lines, key.position[1] - 1)


def _append(text: str, node: ListNode, item: dict[str, Any]) -> str:
    if node.flow:
        return _insert_in_flow(text, node, _flow(item))
    last = node.items[-1]
    in_flow = isinstance(last, MapNode) and last.flow
    lines = [f"- {_flow(item)}"] if in_flow else _block("", [item], 0)[1:]
    return _insert_lines(text, _last(text, node), lines, node.position[1] - 1)


def _without(text: str, node: ListNode, index: int) -> str:
    item = node.items[index]
    if not node.flow:
        begin = text.rfind("\n", 0, item.start) + 1
        return text[:begin] + text[_line_end(text, _last(text, item)) + 1 :]
    if index + 1 < len(node.items):
        return text[: item.start] + text[node.items[index + 1].start :]
    return text[: node.items[index - 1].end] + text[item.end :]


def _insert_in_flow(text: str, node: MapNode | ListNode, entry: str) -> str:
    inside = text[: node.end - 1].rstrip()
    separator = "" if inside[-1] in "{[" else " " if inside[-1] == "," else ", "
    return inside + separator + entry + text[len(inside) :]


def _insert_lines(text: str, after: int, lines: list[str], indent: int) -> str:
    """Put lines after the line in which the offset `after` lies, its comment included."""
    newline = "\r\n" if "\r\n" in text else "\n"
    end = _line_end(text, after)
    added = "".join(f"{newline}{' ' * indent}{line}" for line in lines)
    return text[:end].removesuffix("\r") + added + ("\r" if text[:end].endswith("\r") else "") + text[end:]


def _line_end(text: str, offset: int) -> int:
    found = text.find("\n", offset)
    return len(text) if found < 0 else found


def _last(text: str, node: Node) -> int:
    """Offset behind the last character that belongs to a node, comments and empty lines after it left out."""
    if isinstance(node, Scalar):
        return node.start + len(text[node.start : node.end].rstrip())
    if node.flow:
        return node.end
    ends = [_last(text, part) for part in _parts(node) if part.start >= node.start and not _is_empty(part)]
    return max(ends, default=node.start)


def _parts(node: MapNode | ListNode) -> Iterator[Node]:
    if isinstance(node, ListNode):
        yield from node.items
    else:
        for key, value in node.entries:
            yield key
            yield value


def _dash_indent(node: Node) -> int:
    """How far this file puts list items to the right of their key, judged by its first list."""
    return next(_dash_indents(node), 0)


def _dash_indents(node: Node) -> Iterator[int]:
    if isinstance(node, MapNode):
        for key, value in node.entries:
            if isinstance(value, ListNode) and not value.flow and value.start > key.start:
                yield value.position[1] - key.position[1]
    for part in () if isinstance(node, Scalar) else _parts(node):
        yield from _dash_indents(part)


def _block(key: str, value: Any, dash_indent: int) -> list[str]:
    """Lines of `key: value` in block style."""
    if not isinstance(value, dict | list) or not value:
        return [f"{scalar(key)}: {scalar(value)}"]
    lines = [f"{scalar(key)}:"]
    if isinstance(value, dict):
        for name, inner in value.items():
            lines += [f"  {line}" for line in _block(name, inner, dash_indent)]
        return lines
    for item in value:
        first, *rest = [line for name, inner in item.items() for line in _block(name, inner, dash_indent)]
        lines += [" " * dash_indent + line for line in (f"- {first}", *(f"  {line}" for line in rest))]
    return lines


def _flow(value: Any) -> str:
    """The value in one line. In flow style a comma and a bracket end plain text, so such text is quoted."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{scalar(key)}: {_flow(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(_flow(item) for item in value) + "]"
    plain = scalar(value)
    return quoted(value) if isinstance(value, str) and set(plain) & set(",[]{}?") else plain


# --- holding the result against the wish ------------------------------------------------------------------------------


def _verify(before: str, after: str, document: int, change: Any) -> None:
    values = _all_values(before)
    change(values[document])
    try:
        read = _all_values(after)
    except YamlMistake as mistake:
        raise CannotEdit(f"the result would not be YAML: {mistake.reason}") from None
    if read != values:
        raise CannotEdit("something else would change with it")


def _all_values(text: str) -> list[Any]:
    # A copy of its own per alias, so that a change of one place shows as such.
    return [copy.deepcopy(Values().of(root)) for root in compose(text)]


def _get(whole: Any, path: Path) -> Any:
    for part in path:
        whole = whole[part]
    return whole


def _put(whole: Any, path: Path, value: Any) -> None:
    *way, last = path
    for part in way:
        if isinstance(whole, dict) and whole.get(str(part)) is None:
            whole[str(part)] = {}
        whole = whole[part]
    whole[last] = value
