"""The bearer token: fixed, in a file, changed, gone."""

import asyncio
from pathlib import Path

from asya_sidecar.act.gateway.token import Token


def texts(token: Token, count: int) -> list[str | None]:
    """The token, asked for `count` times in a row."""

    async def ask() -> list[str | None]:
        return [await token.text() for _ in range(count)]

    return asyncio.run(ask())


def test_a_fixed_token_is_what_it_is() -> None:
    assert texts(Token("secret", None), 1) == ["secret"]


def test_without_token_and_file_there_is_none() -> None:
    assert texts(Token(None, None), 1) == [None]


def test_the_first_line_of_the_file_is_the_token(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("first-line \nsecond line\n")
    assert texts(Token(None, file), 1) == ["first-line"]


def test_the_file_is_read_again_when_it_changed(tmp_path: Path) -> None:
    file = tmp_path / "token"
    token = Token(None, file, look_every_s=0)
    file.write_text("old")
    before = texts(token, 2)
    file.write_text("newer")
    assert (before, texts(token, 1)) == (["old", "old"], ["newer"])


def test_a_file_replaced_by_a_link_is_followed(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).write_text(name)
    file = tmp_path / "token"
    token = Token(None, file, look_every_s=0)
    file.symlink_to(tmp_path / "one")
    before = texts(token, 1)
    (tmp_path / "next").symlink_to(tmp_path / "two")
    (tmp_path / "next").rename(file)
    assert (before, texts(token, 1)) == (["one"], ["two"])


def test_a_file_that_vanished_leaves_the_last_token(tmp_path: Path) -> None:
    file = tmp_path / "token"
    token = Token(None, file, look_every_s=0)
    file.write_text("the-token")
    before = texts(token, 1)
    file.unlink()
    assert (before, texts(token, 1)) == (["the-token"], ["the-token"])


def test_the_file_is_looked_at_once_a_second_at_most(tmp_path: Path) -> None:
    file = tmp_path / "token"
    token = Token(None, file, look_every_s=3600)
    file.write_text("old")
    before = texts(token, 1)
    file.write_text("newer")
    assert (before, texts(token, 1)) == (["old"], ["old"])
