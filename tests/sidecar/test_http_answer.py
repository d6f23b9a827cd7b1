"""The runtime's answer from pieces of any size."""

import pytest

from asya_sidecar.act.http_answer import AnswerBroken, AnswerReader, AnswerTooLarge, EventStream

PLAIN = b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 13\r\n\r\n{"frames":[]}'
STREAM_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"


def reader(max_bytes: int = 1000, max_frames: int = 10) -> tuple[AnswerReader, EventStream, list[bytes]]:
    partials: list[bytes] = []
    stream = EventStream(max_bytes, max_frames, partials.append)
    return AnswerReader(max_bytes, stream), stream, partials


def chunk(text: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(text), text)


EVENTS = (
    chunk(b'event: frame\ndata: {"n":1}\n\n')
    + chunk(b'event: partial\ndata: "tok"\n\nevent: frame\n')
    + chunk(b'data: {"n":2}\n\n')
    + chunk(b"event: done\ndata: {}\n\n")
    + b"0\r\n\r\n"
)


@pytest.mark.parametrize("size", [1, 2, 3, 7, 50, 1000])
def test_a_plain_answer_is_read_from_pieces_of_any_size(size: int) -> None:
    answer, _, _ = reader()
    done = [answer.feed(PLAIN[at : at + size]) for at in range(0, len(PLAIN), size)]
    assert done[-1] is True
    assert not any(done[:-1])
    assert (answer.status, answer.content_type, answer.body) == (200, b"application/json", b'{"frames":[]}')
    assert answer.stream is None


@pytest.mark.parametrize("size", [1, 2, 3, 7, 50, 1000])
def test_a_stream_is_read_from_pieces_of_any_size(size: int) -> None:
    answer, stream, partials = reader()
    whole = STREAM_HEAD + EVENTS
    done = [answer.feed(whole[at : at + size]) for at in range(0, len(whole), size)]
    assert done[-1] is True
    assert not any(done[:-1])
    assert stream.frames == [b'{"n":1}', b'{"n":2}']
    assert partials == [b'"tok"']
    assert stream.done


def test_a_partial_is_handed_on_before_the_stream_ends() -> None:
    answer, _, partials = reader()
    answer.feed(STREAM_HEAD + chunk(b'event: partial\ndata: "tok"\n\n'))
    assert partials == [b'"tok"']


def test_an_error_event_is_kept() -> None:
    answer, stream, _ = reader()
    answer.feed(STREAM_HEAD + chunk(b'event: error\ndata: {"error":"x"}\n\nevent: done\ndata: {}\n\n') + b"0\r\n\r\n")
    assert stream.error == b'{"error":"x"}'


def test_an_answer_without_a_body_is_complete_at_its_head() -> None:
    answer, _, _ = reader()
    assert answer.feed(b"HTTP/1.1 204 No Content\r\n\r\n")
    assert answer.status == 204


def test_connection_close_is_noticed_in_any_case() -> None:
    answer, _, _ = reader()
    answer.feed(b"HTTP/1.1 200 OK\r\nCONNECTION: Close\r\nContent-Length: 0\r\n\r\n")
    assert answer.closes


def test_a_chunked_plain_body_is_joined() -> None:
    answer, _, _ = reader()
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    assert answer.feed(head + chunk(b'{"frames"') + chunk(b":[]}") + b"0\r\n\r\n")
    assert answer.body == b'{"frames":[]}'


@pytest.mark.parametrize(
    "garbage",
    [
        b"hello\r\n\r\n",
        b"\x00\x01",
        b"HTTP/2 200 OK\r\n\r\n",
        b"HTTP/1.1 20 OK\r\n\r\n",
        b"HTTP/1.1 abc OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}x",
        STREAM_HEAD + b"xyz\r\n",
        STREAM_HEAD + b"-1\r\n",
        STREAM_HEAD + b"0\r\n\r\nmore",
        STREAM_HEAD + b"f" * 100,
        b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 20_000,
    ],
)
def test_what_is_no_answer_is_refused(garbage: bytes) -> None:
    answer, _, _ = reader()
    with pytest.raises(AnswerBroken):
        answer.feed(garbage)


def test_a_body_that_says_it_is_too_large_is_refused_before_it_is_read() -> None:
    answer, _, _ = reader()
    with pytest.raises(AnswerTooLarge, match="2000000000"):
        answer.feed(b"HTTP/1.1 200 OK\r\nContent-Length: 2000000000\r\n\r\n")


def test_frames_together_are_bounded() -> None:
    answer, _, _ = reader(max_bytes=100)
    frame = chunk(b"event: frame\ndata: " + b"1" * 40 + b"\n\n")
    answer.feed(STREAM_HEAD + frame + frame)
    with pytest.raises(AnswerTooLarge):
        answer.feed(frame)


def test_a_line_that_never_ends_is_bounded() -> None:
    answer, _, _ = reader(max_bytes=100)
    answer.feed(STREAM_HEAD + b"%x\r\n" % 10_000)
    with pytest.raises(AnswerTooLarge):
        answer.feed(b"event: partial\ndata: " + b"1" * 200)


def test_the_number_of_frames_is_bounded() -> None:
    answer, _, _ = reader(max_frames=2)
    frame = chunk(b"event: frame\ndata: 1\n\n")
    answer.feed(STREAM_HEAD + frame + frame)
    with pytest.raises(AnswerTooLarge, match="more than 2 frames"):
        answer.feed(frame)


def test_partials_do_not_count_towards_the_size_of_the_answer() -> None:
    answer, _, partials = reader(max_bytes=100)
    partial = chunk(b"event: partial\ndata: " + b"1" * 60 + b"\n\n")
    answer.feed(STREAM_HEAD + partial * 50)
    assert len(partials) == 50
