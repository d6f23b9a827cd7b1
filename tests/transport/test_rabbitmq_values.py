"""What of RabbitMQ needs no broker: tiers, arguments, addresses, frames."""

import pika
import pika.frame
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asya_transport.rabbitmq import frames, topology
from asya_transport.rabbitmq.address import DELAY_TIERS, address_of, parse_tiers, parse_url

TIERS = parse_tiers(DELAY_TIERS)


@pytest.mark.parametrize(
    ("delay_s", "longest_s", "tier"),
    [
        (1.0, None, "1s"),
        (1.4, None, "1s"),
        (1.5, None, "2s"),
        (4.0, None, "5s"),
        (4.0, 4.0, "3s"),
        (0.05, None, "100ms"),
        (0.049, None, None),
        (0.09, 0.09, None),
        (36_000.0, None, "1h"),
    ],
)
def test_the_tier_nearest_in_ratio_is_taken_and_none_above_the_longest(
    delay_s: float, longest_s: float | None, tier: str | None
) -> None:
    found = topology.tier_for(TIERS, delay_s, longest_s)
    assert (found and found[0]) == tier


def test_of_two_tiers_equally_near_the_shorter_is_taken() -> None:
    assert topology.tier_for((("1s", 1.0), ("4s", 4.0)), 2.0) == ("1s", 1.0)


@given(st.floats(0.1, 3600))
def test_between_the_first_and_the_last_tier_a_wait_is_within_a_factor_of_1_6_of_the_one_asked_for(
    delay_s: float,
) -> None:
    found = topology.tier_for(TIERS, delay_s)
    assert found is not None
    assert 1 / 1.6 <= found[1] / delay_s <= 1.6


def test_a_dead_letter_queue_has_no_limit_in_the_words_of_its_server() -> None:
    assert "x-delivery-limit" not in topology.dead_letter_queue(topology.version_of("3.10.8"))
    assert topology.dead_letter_queue(topology.version_of("4.0.0"))["x-delivery-limit"] == -1


def test_a_url_is_taken_apart_and_its_password_is_not_shown() -> None:
    address = address_of(parse_url("amqps://u:p%40ss@host/my%2Fhost"))
    assert (address.hosts, address.port, address.vhost, address.username) == (("host",), 5671, "my/host", "u")
    assert (address.password, address.tls) == ("p@ss", True)
    assert "p@ss" not in repr(address)


@pytest.mark.parametrize("text", ["http://h", "amqp://", "amqp://u:s3cret@h:0/", "amqp://u:s3cret@h/v?x=1"])
def test_what_is_no_address_is_refused_without_its_password(text: str) -> None:
    with pytest.raises(ValueError, match="expected an address") as refused:
        parse_url(text)
    assert "s3cret" not in str(refused.value)


@given(
    st.none() | st.text(max_size=300),
    st.none() | st.text(max_size=300),
    st.none() | st.text(max_size=300),
    st.binary(max_size=300),
)
def test_pika_reads_what_we_write(
    message_id: str | None, trace_id: str | None, sender: str | None, body: bytes
) -> None:
    head = frames.properties(message_id, trace_id, sender, 1_700_000_000)
    whole = b"".join((frames.publish_method(7, "x", "queue"), *frames.content(7, head, body, 100)))
    size, method = pika.frame.decode_frame(whole)
    assert isinstance(method, pika.frame.Method)
    assert (method.method.exchange, method.method.routing_key, method.method.mandatory) == ("x", "queue", True)
    whole = whole[size:]
    size, header = pika.frame.decode_frame(whole)
    assert isinstance(header, pika.frame.Header)
    read = header.properties
    assert (header.body_size, read.delivery_mode, read.content_type) == (len(body), 2, "application/json")
    assert read.message_id == _kept(message_id)
    assert read.app_id == _kept(sender)
    assert (read.headers or {}).get("trace_id") == _kept(trace_id)
    pieces = b""
    whole = whole[size:]
    while whole:
        size, piece = pika.frame.decode_frame(whole)
        assert isinstance(piece, pika.frame.Body)
        pieces += piece.fragment
        whole = whole[size:]
    assert pieces == body


def _kept(text: str | None) -> str | None:
    return text if text and len(text.encode()) <= 255 else None


HEADERS = st.dictionaries(
    st.text(max_size=20),
    st.text(max_size=20) | st.integers(-(2**31), 2**31 - 1) | st.booleans() | st.none() | st.lists(st.text(max_size=5)),
    max_size=5,
)


@given(HEADERS, st.none() | st.integers(0, 2**31 - 1), st.text(min_size=1, max_size=50))
def test_we_read_what_pika_writes(headers: dict[str, object], count: int | None, message_id: str) -> None:
    table = headers | ({} if count is None else {"x-delivery-count": count})
    properties = pika.BasicProperties(
        headers=table,
        message_id=message_id,
        app_id="app",
        correlation_id="c",
        timestamp=5,
        expiration="60000",
        priority=1,
    )
    found = frames.read_properties(b"".join(properties.encode()))
    assert (found.message_id, found.app_id) == (message_id, "app")
    assert found.header("x-delivery-count") == (count if count is not None else headers.get("x-delivery-count"))


@given(st.binary(max_size=60))
def test_properties_that_cannot_be_read_are_no_error(raw: bytes) -> None:
    frames.read_properties(raw).header("x-delivery-count")
