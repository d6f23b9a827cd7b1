"""Plain scalars are read as kubectl reads them; what YAML 1.1 and 1.2 read differently is warned about."""

import pytest

from asya_controller.decide.source.yaml_scalars import meaning


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", None),
        ("~", None),
        ("null", None),
        ("true", True),
        ("False", False),
        ("5", 5),
        ("-5", -5),
        ("0", 0),
        ("0x1F", 31),
        ("1.5", 1.5),
        ("5.0", 5),
        (".5", 0.5),
        ("1.5e3", 1500),
        ("hello", "hello"),
        ("1.4.0", "1.4.0"),
        ("10m", "10m"),
        ("500Mi", "500Mi"),
        ("2024-01-01", "2024-01-01"),
        ("8080:80", "8080:80"),
        ("yEs", "yEs"),
        ("nope", "nope"),
        ("-", "-"),
        ("+", "+"),
        (".", "."),
    ],
)
def test_a_scalar_has_one_meaning(text: str, value: object) -> None:
    found = meaning(text)
    assert (found.value, type(found.value)) == (value, type(value))
    assert found.warning is None
    assert found.impossible is None


@pytest.mark.parametrize(
    ("text", "value", "words"),
    [
        ("yes", True, "write true, or quote it"),
        ("No", False, "write false, or quote it"),
        ("ON", True, "YAML 1.2"),
        ("off", False, "YAML 1.2"),
        ("y", True, "YAML 1.2"),
        ("N", False, "YAML 1.2"),
        ("012", 10, "write 10 or quote it"),
        ("0o12", 10, "write 10 or quote it"),
        ("0b11", 3, "write 3 or quote it"),
        ("-017", -15, "write -15 or quote it"),
        ("08", 8, "write 8 or quote it"),
        ("1_000", 1000, "write 1000 or quote it"),
        ("1:30", "1:30", "base 60"),
        ("12:30:45", "12:30:45", "base 60"),
        ("1e3", 1000, "quote it if it is text"),
        ("12e4", 120000, "quote it if it is text"),
    ],
)
def test_a_scalar_that_readers_disagree_about_is_warned_about(text: str, value: object, words: str) -> None:
    found = meaning(text)
    assert (found.value, type(found.value)) == (value, type(value))
    assert found.warning is not None
    assert found.warning.startswith(f"{text} is ")
    assert words in found.warning


@pytest.mark.parametrize("text", [".inf", "-.INF", ".nan"])
def test_a_number_that_json_lacks_is_impossible(text: str) -> None:
    assert "JSON" in (meaning(text).impossible or "")


@pytest.mark.parametrize("text", ["9" * 5000, "07" * 2500, "1_0" * 2000, "1.0e999", "-1e999"])
def test_a_number_that_no_float_holds_is_text_as_for_kubectl(text: str) -> None:
    assert meaning(text).value == text
