"""What a plain YAML scalar means, as kubectl reads it, and where other readers would read something else.

Called by `yaml_nodes`. kubectl and Argo CD read YAML 1.1 the way Go's yaml.v2 does; many other tools read YAML 1.2. Whatever the
two read differently gets a warning, because a file that changes its meaning with its reader is a fault waiting.
Pure: text in, value out.
"""

import re
from dataclasses import dataclass
from math import isinf

Value = str | int | float | bool | None


@dataclass(frozen=True, slots=True)
class Meaning:
    """A scalar's value for kubectl, and a warning (None when every reader agrees).

    `impossible` says why JSON, and so the API server, cannot hold the value at all.
    """

    value: Value
    warning: str | None = None
    impossible: str | None = None


_NULLS = ("", "~", "null", "Null", "NULL")
_TRUE, _FALSE = ("true", "True", "TRUE"), ("false", "False", "FALSE")
_OLD_TRUE, _OLD_FALSE = ("y", "yes", "on"), ("n", "no", "off")
_INTEGER = re.compile(r"[-+]?(0|[1-9][0-9]*)")
_RADIX_INTEGER = re.compile(r"([-+]?)(0x[0-9a-fA-F]+|0b[01]+|0o?[0-7]+)")
_FLOAT = re.compile(r"[-+]?([.][0-9]+|[0-9]+([.][0-9]*)?)([eE][-+]?[0-9]+)?")
_UNDERSCORED = re.compile(r"[-+]?[0-9][0-9_]*_[0-9_]*([.][0-9_]*)?")
_SEXAGESIMAL = re.compile(r"[-+]?[0-9][0-9_]*(:[0-5]?[0-9])+([.][0-9_]*)?")
_NOT_IN_JSON = re.compile(r"[-+]?[.](inf|Inf|INF)|[.](nan|NaN|NAN)")
# Longer than every float; Go reads a number that no float can hold as text.
_NUMBER_CHARACTERS_LIMIT = 300
# Beyond this a float no longer holds every integer.
_EXACT_FLOAT = 2**53


def meaning(text: str) -> Meaning:
    """The meaning of a plain (unquoted, untagged) scalar."""
    if text in _NULLS:
        return Meaning(None)
    if text in _TRUE or text in _FALSE:
        return Meaning(text in _TRUE)
    # yes, Yes, YES, but not yEs.
    if text.lower() in _OLD_TRUE + _OLD_FALSE and text in (text.lower(), text.upper(), text.capitalize()):
        return _old_boolean(text)
    return _number(text) if text[0] in "+-.0123456789" else Meaning(text)


def _old_boolean(text: str) -> Meaning:
    value = text.lower() in _OLD_TRUE
    word = "true" if value else "false"
    return Meaning(
        value,
        f"{text} is {word} for kubectl (YAML 1.1) and text for YAML 1.2: write {word}, or quote it if it is text",
    )


def _number(text: str) -> Meaning:
    if len(text) > _NUMBER_CHARACTERS_LIMIT:
        return Meaning(text)
    if _INTEGER.fullmatch(text):
        return Meaning(int(text))
    if _NOT_IN_JSON.fullmatch(text):
        return Meaning(
            text, impossible=f"{text} cannot be written in JSON, so Kubernetes cannot store it: quote it if it is text"
        )
    if _SEXAGESIMAL.fullmatch(text):
        return Meaning(text, f"{text} is text for kubectl and a number in base 60 for YAML 1.1: quote it")
    if radix := _RADIX_INTEGER.fullmatch(text):
        return _radix_integer(text, radix)
    if _UNDERSCORED.fullmatch(text):
        number = _number(text.replace("_", "")).value
        return Meaning(
            number, f"{text} is {number} for kubectl (YAML 1.1) and text for YAML 1.2: write {number} or quote it"
        )
    return _float(text) if _FLOAT.fullmatch(text) else Meaning(text)


def _radix_integer(text: str, parts: re.Match[str]) -> Meaning:
    sign, digits = parts.groups()
    value = int(digits, 0) if digits[1:2] in ("x", "b", "o") else int(digits, 8)
    value = -value if sign == "-" else value
    if digits[1:2] == "x":
        return Meaning(value)
    return Meaning(
        value, f"{text} is {value} for kubectl and something else for other YAML readers: write {value} or quote it"
    )


def _float(text: str) -> Meaning:
    number = float(text)
    if isinf(number):
        return Meaning(text)
    # 5.0 reaches the API server as 5.
    value: Value = int(number) if number.is_integer() and abs(number) < _EXACT_FLOAT else number
    if text.lstrip("+-")[0] == "0" and text.lstrip("+-").isdigit():
        return Meaning(value, f"{text} is {value} for kubectl and text for YAML 1.1: write {value} or quote it")
    if re.fullmatch(r"[-+]?[0-9]+[eE][-+]?[0-9]+", text):
        return Meaning(
            value, f"{text} is the number {number:g} for kubectl and text for YAML 1.1: quote it if it is text"
        )
    return Meaning(value)
