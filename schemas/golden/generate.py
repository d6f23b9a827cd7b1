"""Writes the golden cases: messages with the verdict every component must give (contract: envelope, Golden cases).

Run by hand after a change (`python schemas/golden/generate.py`); a test says when the files are not current.
Whoever cannot import our packages, the runtime above all, is checked by these files. A body is a text, or a list of
parts: texts, `{"repeat": [text, n]}` and `{"base64": text}`; so no file is large. Must import nothing of ours.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
READER_LIMIT_BYTES = 10_485_760 + 65_536

Case = dict[str, Any]
Part = str | dict[str, Any]

ID, ROUTE, PAYLOAD = '"e-1"', '{"prev":[],"curr":"a","next":["b"]}', '{"x":1}'


def E(*, without: tuple[str, ...] = (), **members: str | list[Part]) -> list[Part]:
    """The contract's example E with members replaced or added, as JSON text; `_` stands for a repeated name."""
    texts: dict[str, str | list[Part]] = {"id": ID, "route": ROUTE, "payload": PAYLOAD, **members}
    parts: list[Part] = ["{"]
    for name, text in texts.items():
        if name not in without:
            parts += [
                "," if len(parts) > 1 else "",
                f'"{name.rstrip("_")}":',
                *([text] if isinstance(text, str) else text),
            ]
    return [*parts, "}"]


def route(prev: str | None = "[]", curr: str | None = '"a"', following: str | None = '["b"]') -> str:
    members = {"prev": prev, "curr": curr, "next": following}
    return "{" + ",".join(f'"{name}":{text}' for name, text in members.items() if text is not None) + "}"


def repeat(text: str, times: int) -> Part:
    return {"repeat": [text, times]}


def raw(data: bytes) -> Part:
    return {"base64": base64.b64encode(data).decode()}


def names(text: str, count: int) -> str:
    return "[" + ",".join([f'"{text}"'] * count) + "]"


def nested(levels: int) -> list[Part]:
    return [repeat("[", levels), repeat("]", levels)]


def plain(parts: list[Part]) -> str:
    return "".join(part for part in parts if isinstance(part, str))


def ok(row: str, title: str, body: str | list[Part], **expected: Any) -> Case:
    return {"row": row, "title": title, "body": _packed(body), "verdict": "ok", "codes": [], **expected}


def broken(row: str, title: str, body: str | list[Part], *codes: str) -> Case:
    return {"row": row, "title": title, "body": _packed(body), "verdict": "parse_error", "codes": list(codes)}


def wrong(row: str, title: str, body: str | list[Part], *codes: str) -> Case:
    return {"row": row, "title": title, "body": _packed(body), "verdict": "validation_error", "codes": list(codes)}


def _packed(body: str | list[Part]) -> str | list[Part]:
    if isinstance(body, str):
        return body
    packed: list[Part] = []
    for part in body:
        if isinstance(part, str) and packed and isinstance(packed[-1], str):
            packed[-1] += part
        elif part != "":
            packed.append(part)
    return packed[0] if len(packed) == 1 and isinstance(packed[0], str) else packed


def at(prev: list[str], curr: str, following: list[str]) -> dict[str, Any]:
    return {"prev": prev, "curr": curr, "next": following}


def accepted() -> Iterator[Case]:
    """Rows 1 to 22 and 32a."""
    example = at([], "a", ["b"])
    yield ok("1", "the example", E(), route=example, shape="new")
    yield ok("2", "old shape", E(route='{"actors":["a","b"],"current":0}'), route=example, shape="old")
    yield ok("3", "old shape without current", E(route='{"actors":["a","b"]}'), route=example, shape="old")
    yield ok(
        "4",
        "old shape finished",
        E(route='{"actors":["a","b"],"current":2}'),
        route=at(["a", "b"], "", []),
        shape="old",
    )
    both = '{"prev":[],"curr":"a","next":["b"],"actors":["a","b"],"current":0}'
    yield ok("5", "both shapes that agree", E(route=both), route=example, shape="new")
    yield ok("6", "null lists", E(route=route("null", '"a"', "null")), route=at([], "a", []), shape="new")
    yield ok("7", "finished", E(route=route('["a","b"]', '""', "[]")), route=at(["a", "b"], "", []), shape="new")
    for text in ("null", "{}", "[]", '""', "0", "false"):
        yield ok("8", f"payload {text}", E(payload=text), payload=text)
    unknown = '{"prev":[],"curr":"a","next":["b"],"metadata":{}}'
    yield ok("9", "unknown members", E(route=unknown, x="[1]"), extra={"x": "[1]"}, route_extra={"metadata": "{}"})
    yield ok("10", "null where null counts as absent", E(parent_id="null", headers="null", status="null"), headers={})
    headers = {"n": "1", "l": "[1]", "o": '{"k":null}'}
    yield ok("11", "headers of any type", E(headers='{"n":1,"l":[1],"o":{"k":null}}'), headers=headers)
    lenient = E(status='{"deadline_at":"soon","attempt":"two"}')
    yield ok("12", "status with wrong types", lenient, deadline=None, attempt=1, warning=True)
    yield ok("13", "id that looks like a path", E(id='"../../etc"'), id="../../etc")
    yield ok("14", "id of 256 characters", E(id=['"', repeat("x", 256), '"']))
    yield ok("15", "names twice and x-sink", E(route=route(following='["a","a","x-sink"]')))
    pretty = json.dumps(json.loads(plain(E())), indent=2)
    yield ok("16", "pretty printed between blanks", f" \r\n\t{pretty}\n \n", route=example)
    yield ok("17", "payload of 199 nested lists", E(payload=nested(199)))
    yield ok("18", "integer of 4,300 digits", E(payload=[repeat("7", 4300)]))
    for text in ("1e308", "-0"):
        yield ok("19", f"payload {text}", E(payload=text), payload=text)
    for text in ('"\\u0000"', '"\\ud83d\\ude00"'):
        yield ok("20", f"payload {text}", E(payload=text), payload=text)
    yield ok("21", "repeated key in the payload", E(payload='{"k":1,"k":2}'), payload='{"k":1,"k":2}')
    yield ok("22", "256 names behind", E(route=route(names("a", 256), '""', "[]")))
    for levels in (200, 215):
        yield ok("32a", f"payload of {levels} nested lists", E(payload=nested(levels)))


def unreadable() -> Iterator[Case]:
    """Rows 23 to 41."""
    example = plain(E())
    yield broken("23", "nothing", "", "syntax")
    yield broken("23", "blanks only", " \n\t ", "syntax")
    yield broken("24", "no JSON", "not json", "syntax")
    yield broken("25", "without the last byte", example[:-1], "syntax")
    yield broken("26", "followed by another object", example + "{}", "syntax")
    yield broken("27", "single quotes", example.replace('"', "'"), "syntax")
    yield broken("27", "trailing comma", example[:-1] + ",}", "syntax")
    yield broken("27", "comment", example[:-1] + "/* c */}", "syntax")
    for text in ("NaN", "-Infinity", "01"):
        yield broken("28", f"payload {text}", E(payload=text), "syntax")
    yield broken("29", "raw newline in a text", E(payload='"a\nb"'), "syntax")
    yield broken("30", "number beyond a float", E(payload="1e999"), "number")
    yield broken("31", "integer of 4,301 digits", E(payload=[repeat("7", 4301)]), "number")
    yield broken("32", "payload of 216 nested lists", E(payload=nested(216)), "depth")
    yield broken("33", "100,000 open lists", [repeat("[", 100_000)], "depth", "syntax")
    yield broken("34", "byte order mark", [raw(b"\xef\xbb\xbf"), example], "encoding")
    yield broken("35", "UTF-16", [raw(example.encode("utf-16"))], "encoding", "syntax")
    yield broken("35", "UTF-16 without mark", [raw(example.encode("utf-16-le"))], "encoding", "syntax")
    yield broken("36", "bytes ff fe in a text", E(payload=['"', raw(b"\xff\xfe"), '"']), "encoding")
    for text in ('"\\ud800"', '"\\ude00\\ud83d"'):
        yield broken("37", f"payload {text}", E(payload=text), "encoding")
    yield broken("38", "second id, equal", E(id_=ID), "duplicate")
    yield broken("38", "second id, another", E(id_='"e-2"'), "duplicate")
    yield broken("39", "second next", E(route=route()[:-1] + ',"next":["b"]}'), "duplicate")
    yield broken("40", "in a list", f"[{example}]", "object")
    for text in ("5", '"x"', "null"):
        yield broken("40", f"body {text}", text, "object")
    head, tail = '{"id":"e-1","route":' + ROUTE + ',"payload":"', '"}'
    filling = READER_LIMIT_BYTES + 1 - len(head) - len(tail)
    yield broken("41", "one byte over the limit", [head, repeat("a", filling), tail], "size")


def invalid() -> Iterator[Case]:
    """Rows 42 to 60."""
    yield wrong("42", "without id", E(without=("id",)), "id")
    for text in ("null", "5", '""'):
        yield wrong("42", f"id {text}", E(id=text), "id")
    yield wrong("43", "id of 257 characters", E(id=['"', repeat("x", 257), '"']), "id")
    yield wrong("43", "id with a newline", E(id='"a\\nb"'), "id")
    for text in ("5", '""'):
        yield wrong("44", f"parent_id {text}", E(parent_id=text), "parent_id")
    yield wrong("45", "without route", E(without=("route",)), "route")
    for text in ("null", '"a"', "[]", "{}"):
        yield wrong("45", f"route {text}", E(route=text), "route")
    yield wrong("46", "without prev", E(route=route(prev=None)), "route.prev")
    yield wrong("46", "prev a text", E(route=route(prev='"a"')), "route.prev")
    yield wrong("47", "without curr", E(route=route(curr=None)), "route.curr")
    for text in ("null", "42", '"A_b"'):
        yield wrong("47", f"curr {text}", E(route=route(curr=text)), "route.curr")
    yield wrong("48", "without next", E(route=route(following=None)), "route.next")
    yield wrong("48", "next a text", E(route=route(following='"b"')), "route.next")
    for text in ('["b",5]', '[""]', '["b/c"]'):
        yield wrong("49", f"next {text}", E(route=route(following=text)), "route.next")
    yield wrong("49", "a name of 64 characters", E(route=route(following=names("b" * 64, 1))), "route.next")
    yield wrong("50", "finished with names ahead", E(route=route(curr='""')), "route.next")
    yield wrong("51", "257 names ahead", E(route=route(following=names("b", 257))), "route.next")
    yield wrong("52", "257 names behind", E(route=route(prev=names("b", 257))), "route.prev")
    for text in ('{"current":0}', '{"actors":"a"}', '{"actors":[]}'):
        yield wrong("53", f"route {text}", E(route=text), "route.actors")
    yield wrong("54", "an empty name", E(route='{"actors":["a",""],"current":0}'), "route.actors")
    for text in ("-1", "3", "1.5", "1.0", '"1"', "null", "true"):
        yield wrong("55", f"current {text}", E(route=f'{{"actors":["a","b"],"current":{text}}}'), "route.current")
    for text in ('"actors":["a","c"],"current":0', '"actors":["a","b"],"current":1'):
        yield wrong("56", f"both shapes, {text}", E(route=f"{route()[:-1]},{text}}}"), "route")
    for text in ('"x"', "[]"):
        yield wrong("57", f"headers {text}", E(headers=text), "headers")
    yield wrong("58", "without payload", E(without=("payload",)), "payload")
    for text in ('"done"', "[]"):
        yield wrong("59", f"status {text}", E(status=text), "status")
    yield wrong("60", "an empty object", "{}", "id")


def edits() -> Iterator[Case]:
    """The table of what an envelope-mode handler may do: the members it leaves with another value, and what follows."""
    abc = ["a", "b", "c"]
    rows: list[tuple[str, int, dict[str, Any], list[str] | str]] = [
        ("nothing", 0, {}, abc),
        ("appends d and advances", 0, {"actors": [*abc, "d"], "current": 1}, [*abc, "d"]),
        ("replaces the rest in actors", 0, {"actors": ["a", "x", "y"]}, ["a", "x", "y"]),
        ("replaces next", 0, {"next": ["x"]}, ["a", "x"]),
        ("empties next", 0, {"next": []}, ["a"]),
        ("advances in the new view", 0, {"prev": ["a"], "curr": "b", "next": ["c"]}, abc),
        ("edits both views alike", 0, {"next": ["x"], "actors": ["a", "x"]}, ["a", "x"]),
        ("edits the views differently", 0, {"next": ["x"], "current": 1}, "the views disagree"),
        ("advances by two", 0, {"current": 2}, "position"),
        ("starts a new history", 2, {"actors": ["c"], "current": 0}, "history"),
        ("renames who is behind", 1, {"actors": ["a-new", "b", "c"]}, "history"),
        ("renames itself", 0, {"curr": "c"}, "history"),
    ]
    for number, (title, current, edited, result) in enumerate(rows, 1):
        fine = not isinstance(result, str)
        yield {
            "row": str(number),
            "title": title,
            "input": {"actors": abc, "current": current},
            "edited": edited,
            "next_hop": {"actors": result, "current": current + 1} if fine else None,
            "invalid": None if fine else result,
        }


def children() -> Iterator[Case]:
    """Ids of fan-out frames."""
    for hops, index, child in (
        (0, 1, "06e22545-f758-5d68-9622-9fa0debaabd9"),
        (0, 2, "20921dab-8029-5a72-8e71-1a3997a8079f"),
        (1, 1, "4e5d5c2f-957f-5b6a-a5f9-0b3e11a42f34"),
    ):
        title = f"frame {index} of e-1 with {hops} hops done"
        yield {"row": str(hops * 2 + index), "title": title, "id": "e-1", "hops": hops, "index": index, "child": child}


def files() -> dict[Path, str]:
    """Every golden file, relative to this folder, with its text."""
    made: dict[Path, str] = {}
    for folder, cases in (
        ("envelope", [*accepted(), *unreadable(), *invalid()]),
        ("edits", [*edits()]),
        ("children", [*children()]),
    ):
        for case in cases:
            digits = re.match(r"\d+", case["row"])[0]  # type: ignore[index]  # every row begins with a number
            row = digits.zfill(2) + case["row"][len(digits) :]
            slug = re.sub(r"[^a-z0-9]+", "-", case["title"].lower()).strip("-")[:40].strip("-")
            path = Path(folder) / f"{row}-{slug}.json"
            while path in made:
                path = path.with_name(path.stem + "-2.json")
            limit = {"max_bytes": READER_LIMIT_BYTES} if folder == "envelope" else {}
            made[path] = json.dumps(case | limit, indent=2) + "\n"
    return made


def main() -> None:
    made = files()
    for old in HERE.glob("*/*.json"):
        if old.relative_to(HERE) not in made:
            old.unlink()
    for path, text in made.items():
        (HERE / path).parent.mkdir(exist_ok=True)
        (HERE / path).write_text(text)


if __name__ == "__main__":
    main()
