"""Files and folders become actors with places; one bad file hides no other."""

import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asya_cli.errors import UsageMistake
from asya_cli.files import load, require_actors
from asya_controller.act.source.files import files_in
from asya_controller.decide.source.documents import Loaded, load_text
from asya_schemas.actor.problems import Severity

ACTOR = """\
apiVersion: asya.sh/v1alpha1
kind: AsyncActor
metadata:
  name: {name}
spec:
  transport: rabbitmq
"""
HERE = Path("actor.yaml")


def read(text: str, file: Path = HERE) -> Loaded:
    return load_text(file, text)


def lines(loaded: Loaded) -> list[str]:
    return [str(problem) for problem in loaded.problems]


def test_an_actor_has_its_values_and_its_place() -> None:
    (actor,) = read("# a comment\n" + ACTOR.format(name="a")).actors
    assert actor.document["spec"] == {"transport": "rabbitmq"}
    assert (actor.name, actor.namespace, actor.line) == ("a", "default", 2)


def test_every_document_of_a_file_is_found() -> None:
    loaded = read("---\n" + ACTOR.format(name="a") + "---\n---\n" + ACTOR.format(name="b") + "...\n")
    assert [(actor.name, actor.number) for actor in loaded.actors] == [("a", 0), ("b", 1)]


def test_the_items_of_a_list_are_actors() -> None:
    item = "\n".join(f"  {line}" for line in ACTOR.format(name="a").splitlines())
    loaded = read(f"apiVersion: v1\nkind: List\nitems:\n- {item.strip()}\n")
    (actor,) = loaded.actors
    assert (actor.name, actor.prefix, actor.position_of(("spec", "transport"))) == ("a", ("items", 0), (9, 5))


@pytest.mark.parametrize(
    ("path", "position"),
    [
        (("metadata", "name"), (3, 12)),
        (("spec", "scaling", "enabled"), (6, 5)),
        (("spec", "scaling", "missing", "deep"), (5, 3)),
        (("spec", "missing"), (4, 1)),
        (("spec", "list", 1, "b"), (9, 12)),
        (("spec", "list", 7), (7, 3)),
        (("spec", "quoted key"), (10, 3)),
        (("spec", "true"), (11, 3)),
        ((), (1, 1)),
    ],
)
def test_every_field_has_a_line_and_a_column(path: tuple[str | int, ...], position: tuple[int, int]) -> None:
    text = (
        "apiVersion: asya.sh/v1alpha1\nkind: AsyncActor\nmetadata: {name: a}\nspec:\n  scaling:\n    enabled: true\n"
        '  list:\n  - {a: 1}\n  - {a: 1, b: 2}\n  "quoted key": 1\n  on: 1\n'
    )
    (actor,) = read(text).actors
    assert actor.position_of(path) == position


@pytest.mark.parametrize(
    ("text", "place", "words"),
    [
        ("a:\n\tb: 1\n", "2:1", "a tab cannot indent YAML: use spaces"),
        ("a:\n  b: 1\n   c: 2\n", "3:5", "the indentation does not match"),
        ("a:\n    b: 1\n  c: 2\n", "3:3", "the indentation does not match the lines before"),
        ('a: "open\nb: 1\n', "3:1", "quoted scalar"),
        ("a: [1, 2\nb: 1\n", "2:2", "flow sequence"),
        ("a: *none\n", "1:4", "alias *none has no finished anchor &none before it"),
        ("a: &a [*a]\n", "1:8", "alias *a has no finished anchor &a before it"),
        ("kind: AsyncActor\napiVersion: asya.sh/v1alpha1\nx: !!python/object:os.system a\n", "3:4", "tag"),
        ("kind: AsyncActor\napiVersion: asya.sh/v1alpha1\nx: !vault a\n", "3:4", "tag !vault has no meaning"),
        ("a: \x01\n", "1:4", "special characters are not allowed"),
        ("[" * 200, "1:102", "nested more than 100 levels deep"),
        ("kind: AsyncActor\napiVersion: asya.sh/v1alpha1\n? [a]\n: b\n", "3:3", "a key must be text"),
        ("kind: AsyncActor\napiVersion: asya.sh/v1alpha1\n<<: text\n", "3:5", "<<: needs a map"),
        ("kind: AsyncActor\napiVersion: asya.sh/v1alpha1\nx: .inf\n", "3:4", ".inf cannot be written in JSON"),
    ],
)
def test_text_that_cannot_be_read_is_an_error_with_a_place(text: str, place: str, words: str) -> None:
    (line,) = lines(read(text))
    assert line.startswith(f"actor.yaml:{place}: ")
    assert words in line


def test_a_key_given_twice_is_an_error_that_names_both_places() -> None:
    text = ACTOR.format(name="a") + "  transport: sqs\n"
    assert lines(read(text)) == ["actor.yaml:7:3: key transport is given twice, first in 6:3"]


def test_scalars_that_readers_disagree_about_are_warnings() -> None:
    loaded = read(ACTOR.format(name="a") + "  scaling: {enabled: yes}\n")
    (problem,) = loaded.problems
    assert (problem.line, problem.column, problem.severity) == (7, 22, Severity.WARNING)
    assert loaded.actors[0].document["spec"]["scaling"] == {"enabled": True}
    assert not loaded.errors


def test_quoted_scalars_are_text() -> None:
    loaded = read(ACTOR.format(name="a") + "  a: 'yes'\n  b: \"012\"\n  c: |\n    on\n  d: !!str 5\n")
    spec = loaded.actors[0].document["spec"]
    assert (spec["a"], spec["b"], spec["c"], spec["d"]) == ("yes", "012", "on\n", "5")
    assert loaded.problems == []


def test_keys_are_text_as_in_json() -> None:
    loaded = read(ACTOR.format(name="a") + "  on: 1\n  5: 2\n  ~: 3\n")
    assert loaded.actors[0].document["spec"] == {"transport": "rabbitmq", "true": 1, "5": 2, "null": 3}


def test_aliases_and_merges_are_followed_and_own_keys_win() -> None:
    text = (
        ACTOR.format(name="a")
        + "  base: &base {a: 1, b: 2}\n  more:\n    <<: [*base, {b: 9, c: 3}]\n    a: 7\n  same: *base\n"
    )
    spec = read(text).actors[0].document["spec"]
    assert spec["more"] == {"a": 7, "b": 2, "c": 3}
    assert spec["same"] == {"a": 1, "b": 2}


def test_a_merged_field_is_found_where_it_stands() -> None:
    text = ACTOR.format(name="a") + "  base: &base {a: 1}\n  more:\n    <<: *base\n"
    assert read(text).actors[0].position_of(("spec", "more", "a")) == (7, 16)


def test_aliases_that_multiply_are_bounded() -> None:
    bomb = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    bomb += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]
    (line,) = lines(read(ACTOR.format(name="a") + "\n".join(bomb) + "\n"))
    assert "aliases repeat more than 50000 values" in line


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "apiVersion: asya.sh/v1alpha1\nkind: AsynActor\n",
            "actor.yaml:2:1: kind: expected AsyncActor, got AsynActor, did you mean AsyncActor?",
        ),
        ("kind: AsyncActor\n", "actor.yaml:1:1: apiVersion: expected asya.sh/v1alpha1, got nothing"),
        (
            "kind: AsyncActor\napiVersion: v1\n",
            "actor.yaml:2:1: apiVersion: expected asya.sh/v1alpha1, got v1",
        ),
    ],
)
def test_an_actor_with_a_mistake_in_its_first_lines_is_not_passed_over(text: str, message: str) -> None:
    assert lines(read(text)) == [message]


def test_other_documents_are_ignored_and_named() -> None:
    loaded = read("kind: Kustomization\n---\n[1]\n---\ntext\n---\na: 1\n")
    assert loaded.actors == []
    assert loaded.problems == []
    assert loaded.ignored == [
        "actor.yaml:1: Kustomization",
        "actor.yaml:3: no object",
        "actor.yaml:5: no object",
        "actor.yaml:7: object without kind",
    ]


def test_a_name_defined_twice_is_an_error_at_both_places(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(ACTOR.format(name="same"))
    (tmp_path / "b.yaml").write_text("\n" + ACTOR.format(name="same"))
    first, second = load([tmp_path]).errors
    assert (first.file.name, first.line, second.file.name, second.line) == ("a.yaml", 4, "b.yaml", 5)
    assert "defined more than once, also in" in first.message
    assert first.message.endswith("b.yaml:2")


def test_one_name_in_two_namespaces_is_two_actors() -> None:
    other = ACTOR.format(name="a").replace("  name: a\n", "  name: a\n  namespace: other\n")
    assert read(ACTOR.format(name="a") + "---\n" + other).problems == []


def test_json_is_read_with_places() -> None:
    document = {"apiVersion": "asya.sh/v1alpha1", "kind": "AsyncActor", "metadata": {"name": "a"}, "spec": {"x": "yes"}}
    loaded = read(json.dumps(document, indent="\t"), Path("a.json"))
    assert loaded.problems == []
    assert loaded.actors[0].document == document
    assert loaded.actors[0].position_of(("spec", "x")) == (8, 3)


def test_a_mistake_in_json_has_a_place() -> None:
    assert lines(read('{"kind": "AsyncActor",\n}', Path("a.json")))[0].startswith("a.json:2:1: not JSON: ")


def test_json_without_end_of_nesting_is_refused() -> None:
    assert "not JSON" in lines(read("[" * 200_000, Path("a.json")))[0]


def test_a_folder_is_searched_in_order_and_hidden_ones_are_left_out(tmp_path: Path) -> None:
    for name in ("b.yml", "a.yaml", "sub/c.json", ".git/d.yaml", ".e.yaml", "f.txt", "sub/.g/h.yaml"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("")
    assert [str(file.relative_to(tmp_path)) for file in files_in(tmp_path)] == ["a.yaml", "b.yml", "sub/c.json"]


def test_a_bad_file_hides_no_other(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("kind: AsyncActor\n\tx")
    (tmp_path / "b.yaml").write_text(ACTOR.format(name="b"))
    loaded = load([tmp_path])
    assert [actor.name for actor in loaded.actors] == ["b"]
    assert [problem.file.name for problem in loaded.errors] == ["a.yaml"]


def test_a_file_of_a_folder_that_never_mentions_us_need_not_be_yaml(tmp_path: Path) -> None:
    (tmp_path / "chart.yaml").write_text("{{ if .Values.on }}\n\tx: 1\n{{ end }}")
    loaded = load([tmp_path])
    assert loaded.problems == []
    assert loaded.ignored == [f"{tmp_path}/chart.yaml: no AsyncActor"]


def test_a_file_that_is_asked_for_must_be_yaml(tmp_path: Path) -> None:
    file = tmp_path / "chart.yaml"
    file.write_text("a:\n\tx: 1\n")
    assert len(load([file]).errors) == 1


def test_the_same_file_by_two_paths_is_read_once(tmp_path: Path) -> None:
    file = tmp_path / "a.yaml"
    file.write_text(ACTOR.format(name="a"))
    assert len(load([file, tmp_path, file]).actors) == 1


def test_a_file_above_the_limit_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "a.yaml"
    file.write_text("# AsyncActor\n" * 90_000)
    assert [problem.message for problem in load([file]).errors] == [
        "larger than 1 MiB: no set of actors is; split it or move it elsewhere"
    ]


def test_bytes_that_are_no_utf_8_have_a_place(tmp_path: Path) -> None:
    file = tmp_path / "a.yaml"
    file.write_bytes(b"a: 1\nb: \xff\n")
    (problem,) = load([file]).errors
    assert (problem.line, problem.column) == (2, 4)
    assert problem.message.startswith("not UTF-8 text")


def test_a_byte_order_mark_does_no_harm(tmp_path: Path) -> None:
    file = tmp_path / "a.yaml"
    file.write_bytes(b"\xef\xbb\xbf" + ACTOR.format(name="a").encode())
    assert load([file]).actors[0].name == "a"


def test_a_link_to_nowhere_is_a_problem_of_that_file(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").symlink_to("nowhere")
    (problem,) = load([tmp_path]).errors
    assert problem.message == os.strerror(2)


def test_a_path_that_does_not_exist_is_a_usage_mistake(tmp_path: Path) -> None:
    with pytest.raises(UsageMistake, match="no such file or folder"):
        load([tmp_path / "none"])


def test_nothing_found_offers_a_first_actor(tmp_path: Path) -> None:
    with pytest.raises(UsageMistake, match="asya new hello"):
        require_actors(load([tmp_path]), [tmp_path])


@given(st.text(alphabet="a:-[]{}#&*!|>'\"%@` \n\t,?1.~<=\\", max_size=40))
def test_no_text_makes_the_reader_itself_fail(text: str) -> None:
    for line in lines(read("kind: AsyncActor\napiVersion: asya.sh/v1alpha1\n" + text)):
        assert line.startswith("actor.yaml:")
