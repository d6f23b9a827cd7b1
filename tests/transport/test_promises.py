"""The contract suite: what `asya_transport/port.py` promises, for every adapter alike.

Long because it is one list: an adapter passes all of it or is none.
"""

import asyncio

import pytest

from asya_transport.admin import Counts, QueueMissing, QueueNotEmpty
from asya_transport.port import DELIVERY_LIMIT, Delivery, Outcome
from tests.support.brokers import KINDS, Client, Scene, holds, quiet, same, scene

pytestmark = pytest.mark.parametrize("kind", KINDS)


# Publishing


@scene
async def test_a_message_for_a_declared_queue_is_confirmed_and_stored(s: Scene) -> None:
    assert await s.client().send(b"one") == [Outcome.CONFIRMED]
    assert [stored.body for stored in s.admin.peek("q")] == [b"one"]


@scene
async def test_a_message_for_an_undeclared_queue_is_unroutable_and_stored_nowhere(s: Scene) -> None:
    assert await s.client().send(b"one", queue="ghost") == [Outcome.UNROUTABLE]
    assert not s.admin.exists("ghost")


@scene
async def test_an_unroutable_message_does_not_disturb_its_neighbours(s: Scene) -> None:
    client = s.client()
    outcomes = await asyncio.gather(*(client.transport.publish(queue, b"x") for queue in ("q", "ghost", "q")))
    assert outcomes == [Outcome.CONFIRMED, Outcome.UNROUTABLE, Outcome.CONFIRMED]


@scene
async def test_a_body_over_the_brokers_limit_is_refused_and_one_at_the_limit_is_not(s: Scene) -> None:
    assert await s.client().send(b"x" * 1001, b"x" * 1000) == [Outcome.REFUSED, Outcome.CONFIRMED]


@scene
async def test_an_empty_body_and_any_byte_arrive_unchanged(s: Scene) -> None:
    client = s.client().consume(window=2)
    await client.send(b"", bytes(range(256)))
    assert [delivery.body for delivery in await client.take(2)] == [b"", bytes(range(256))]


@scene
async def test_properties_travel_with_the_message(s: Scene) -> None:
    client = s.client()
    await client.transport.publish("q", b"x", message_id="m-1", trace_id="t-1", sender="asya/a")
    (stored,) = s.admin.peek("q")
    assert (stored.message_id, stored.trace_id, stored.sender) == ("m-1", "t-1", "asya/a")
    assert (await client.consume().next()).message_id == "m-1"


@scene
async def test_a_cancelled_publish_is_withdrawn(s: Scene) -> None:
    client = s.client()
    client.transport.publish("q", b"withdrawn").cancel()
    await client.send(b"sent")
    assert [stored.body for stored in s.admin.peek("q")] == [b"sent"]


@scene
async def test_a_publish_that_nothing_answers_is_unknown_after_its_time(s: Scene) -> None:
    client = s.client(publish_timeout_s=0.3)
    await client.reason()
    s.broker.stop()
    assert await client.send(b"one") == [Outcome.UNKNOWN]
    s.broker.begin()
    await client.reason()
    while await client.send(b"two") != [Outcome.CONFIRMED]:
        """A busy broker may need longer."""
    assert {stored.body for stored in s.admin.peek("q")} == {b"two"}, (
        "a message that was given up must not appear later"
    )


@scene
async def test_publishes_wait_for_a_broker_that_is_away_and_keep_their_order(s: Scene) -> None:
    client = s.client()
    await client.reason()
    s.broker.stop()
    notices = client.transport.publish("r", b"0")
    await client.reason("broker_unreachable")
    sends = asyncio.ensure_future(client.send(b"1", b"2", b"3"))
    await asyncio.sleep(0)
    s.broker.begin()
    assert await sends == [Outcome.CONFIRMED] * 3
    assert [stored.body for stored in s.admin.peek("q")] == [b"1", b"2", b"3"]
    assert await notices in (Outcome.CONFIRMED, Outcome.UNKNOWN), "it was under way when the broker went"


# Consuming and settling


@scene
async def test_messages_arrive_in_the_order_of_the_calls(s: Scene) -> None:
    client = s.client().consume(window=100)
    bodies = [str(number).encode() for number in range(100)]
    await client.send(*bodies)
    assert [delivery.body for delivery in await client.take(100)] == bodies


@scene
async def test_the_first_delivery_is_number_one_and_not_redelivered(s: Scene) -> None:
    client = s.client().consume()
    await client.send(b"x")
    delivery = await client.next()
    assert (delivery.deliveries, delivery.redelivered) == (1, False)


@scene
async def test_an_acknowledged_message_is_gone(s: Scene) -> None:
    client = s.client().consume()
    await client.send(b"x")
    delivery = await client.next()
    assert await client.transport.ack(delivery)
    await s.counts("q", Counts(0, 0, 0))
    assert not client.transport.alive(delivery)


@scene
async def test_a_second_settlement_of_the_same_delivery_does_nothing(s: Scene) -> None:
    client = s.client().consume()
    await client.send(b"x")
    delivery = await client.next()
    await client.transport.ack(delivery)
    assert not await client.transport.release(delivery)
    await s.counts("q", Counts(0, 0, 0))


@scene
async def test_an_acknowledgement_is_not_awaited_and_happens_all_the_same(s: Scene) -> None:
    client = s.client().consume()
    await client.send(b"x")
    client.transport.ack(await client.next())
    await s.counts("q", Counts(0, 0, 0))


@scene
async def test_a_message_returned_again_and_again_stays_away_from_the_fence(s: Scene) -> None:
    client = s.client().consume()
    await client.transport.publish("q", b"x", message_id="m-1", trace_id="t-1", sender="asya/a")
    for _ in range(DELIVERY_LIMIT + 5):
        delivery = await client.next()
        assert delivery.deliveries is not None
        assert delivery.deliveries <= s.broker.returned_at_most
        assert await client.transport.release(delivery)
    delivery = await client.next()
    assert (delivery.body, delivery.message_id) == (b"x", "m-1")


@scene
async def test_a_returned_message_goes_to_the_front(s: Scene) -> None:
    client = s.client().consume()
    await client.send(b"1", b"2")
    client.transport.release(await client.next())
    assert (await client.next()).body == b"1"


@scene
async def test_a_counted_return_counts(s: Scene) -> None:
    client = s.client().consume()
    await client.send(b"x")
    assert await client.transport.release_counted(await client.next())
    delivery = await client.next()
    assert (delivery.deliveries, delivery.redelivered) == (2, True)


@scene
async def test_after_ten_counted_deliveries_the_message_is_in_the_dead_letter_queue_and_its_neighbour_is_not(
    s: Scene,
) -> None:
    client = s.client().consume()
    await client.transport.publish("q", b"poison", message_id="m-1")
    await client.send(b"healthy")
    for number in range(1, s.broker.delivered_at_most + 1):
        delivery = await client.next()
        assert (delivery.body, delivery.deliveries) == (b"poison", number)
        await client.transport.release_counted(delivery)
    assert (await client.next()).body == b"healthy"
    await s.counts("q-dlq", Counts(1, 0, 0))
    assert [(stored.body, stored.message_id) for stored in s.admin.peek("q-dlq")] == [(b"poison", "m-1")]


@scene
async def test_a_dead_letter_queue_can_be_consumed_and_has_no_limit_of_its_own(s: Scene) -> None:
    client = s.client().consume("q-dlq")
    await client.send(b"x", queue="q-dlq")
    for _ in range(DELIVERY_LIMIT + 2):
        await client.transport.release_counted(await client.next())
    assert (await client.next()).deliveries == DELIVERY_LIMIT + 3


@scene
async def test_a_message_whose_dead_letter_queue_was_removed_is_in_the_next_one_of_that_name(s: Scene) -> None:
    s.admin.delete("q-dlq")
    client = s.client().consume()
    await client.send(b"poison")
    for _ in range(s.broker.delivered_at_most):
        await client.transport.release_counted(await client.next())
    if not s.broker.remakes_dead_letter_queue:
        s.admin.declare("q")
    await s.counts("q-dlq", Counts(1, 0, 0))
    assert [stored.body for stored in s.admin.peek("q-dlq")] == [b"poison"]


@scene
async def test_a_fault_of_the_consumer_costs_its_delivery_a_counted_return_and_no_other(s: Scene) -> None:
    faults: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: faults.append(context["exception"]))
    client = s.client()
    seen: list[tuple[bytes, int | None]] = []

    def on_delivery(delivery: Delivery) -> None:
        seen.append((delivery.body, delivery.deliveries))
        if seen == [(b"1", 1)]:
            raise ValueError("ours")

    await client.send(b"1", b"2")
    client.transport.consume("q", on_delivery, 2)
    await holds(lambda: sorted(seen) == [(b"1", 1), (b"1", 2), (b"2", 1)], f"{seen}")
    assert [str(fault) for fault in faults] == ["ours"]


# Window, pause


@scene
async def test_no_more_than_the_window_is_in_hand(s: Scene) -> None:
    client = s.client().consume(window=3)
    await client.send(*[b"x"] * 10)
    first, *_ = await client.take(3)
    await quiet(client)
    await s.counts("q", Counts(7, 3, 0))
    client.transport.ack(first)
    await client.next()
    await quiet(client)


@scene
async def test_a_larger_window_fetches_at_once_and_a_smaller_one_returns_nothing(s: Scene) -> None:
    client = s.client().consume(window=1)
    await client.send(*[b"x"] * 10)
    await client.next()
    client.transport.set_window(4)
    in_hand = await client.take(3)
    client.transport.set_window(1)
    client.transport.ack(in_hand[0])
    await quiet(client)
    await s.counts("q", Counts(6, 3, 0))


@scene
async def test_after_pause_nothing_is_delivered_and_what_was_on_its_way_is_returned_uncounted(s: Scene) -> None:
    client = s.client().consume(window=5)
    await client.send(*[b"x"] * 20)
    await client.next()
    client.transport.pause()
    seen = len(client.seen)
    await s.counts("q", Counts(20 - seen, seen, 0))
    await asyncio.sleep(0.2)  # silence has no event
    assert len(client.seen) == seen
    assert not client.transport.consuming
    client.transport.resume()
    for delivery in client.seen:
        client.transport.ack(delivery)
    await holds(lambda: len(client.seen) == seen + 5)
    assert all((delivery.deliveries or 0) <= s.broker.returned_at_most for delivery in client.seen)


@scene
async def test_deliveries_in_hand_can_be_settled_while_paused(s: Scene) -> None:
    client = s.client().consume()
    await client.send(b"x")
    delivery = await client.next()
    client.transport.pause()
    assert client.transport.alive(delivery)
    assert await client.transport.ack(delivery)


# Generations


@scene
async def test_after_a_loss_the_delivery_is_dead_and_comes_again_counted(s: Scene) -> None:
    client = s.client().consume()
    await client.send(b"x")
    old = await client.next()
    s.broker.cut()
    new = await client.next()
    assert client.lost == [old.generation]
    assert (new.deliveries, new.redelivered) == (2, True)
    assert new.generation > old.generation
    assert not client.transport.alive(old)
    assert client.transport.alive(new)


@scene
async def test_nothing_is_settled_with_a_delivery_of_an_earlier_generation(s: Scene) -> None:
    client = s.client().consume()
    await client.send(b"x")
    old = await client.next()
    s.broker.cut()
    await client.next()
    for settle in (client.transport.ack, client.transport.release, client.transport.release_counted):
        assert not await settle(old)
    await s.counts("q", Counts(0, 1, 0))


@scene
async def test_a_settlement_overtaken_by_the_loss_gives_false_and_removes_nothing(s: Scene) -> None:
    client = s.client().consume()
    await client.send(b"x")
    old = await client.next()
    s.broker.cut()
    assert not await client.transport.ack(old)
    assert (await client.next()).body == b"x"


@scene
async def test_a_message_lost_with_its_connection_ten_times_is_in_the_dead_letter_queue(s: Scene) -> None:
    client = s.client().consume()
    await client.send(b"poison")
    for number in range(1, s.broker.delivered_at_most + 1):
        assert (await client.next()).deliveries == number
        s.broker.cut()
    await s.counts("q-dlq", Counts(1, 0, 0))
    await s.counts("q", Counts(0, 0, 0))


@scene
async def test_closing_gives_back_what_is_in_hand(s: Scene) -> None:
    first, second = s.client().consume(), s.client()
    await first.send(b"x")
    await first.next()
    await first.transport.close()
    assert (await second.consume().next()).redelivered
    assert not first.lost


@scene
async def test_after_closing_a_publish_is_unknown_and_a_settlement_does_nothing(s: Scene) -> None:
    client = s.client().consume()
    await client.send(b"x")
    delivery = await client.next()
    await client.transport.close()
    assert await client.send(b"y") == [Outcome.UNKNOWN]
    assert not await client.transport.ack(delivery)


@scene
async def test_what_was_asked_before_closing_still_happens(s: Scene) -> None:
    client = s.client().consume()
    await client.send(b"x")
    acknowledged = client.transport.ack(await client.next())
    sent = client.transport.publish("r", b"y")
    await asyncio.sleep(0)
    await client.transport.close()
    assert (await acknowledged, await sent) == (True, Outcome.CONFIRMED)
    await s.counts("q", Counts(0, 0, 0))
    await s.counts("r", Counts(1, 0, 0))


@scene
async def test_two_consumers_share_a_queue_and_no_message_goes_to_both(s: Scene) -> None:
    first, second = s.client().consume(), s.client().consume()
    sender = s.client()
    for client in (first, second):
        await client.reason()
    bodies = [str(number).encode() for number in range(200)]
    tasks = [asyncio.create_task(_acknowledge_all(client)) for client in (first, second)]
    await sender.send(*bodies)
    await s.counts("q", Counts(0, 0, 0))
    assert sorted(delivery.body for delivery in first.seen + second.seen) == sorted(bodies)
    assert first.seen
    assert second.seen
    for task in tasks:
        task.cancel()


async def _acknowledge_all(client: Client) -> None:
    while True:
        client.transport.ack(await client.got.get())


# Delays


@scene
async def test_a_delayed_message_comes_on_time_and_never_before(s: Scene) -> None:
    client = s.client().consume()
    started = asyncio.get_running_loop().time()
    await client.send(b"late", delay_s=0.4)
    delivery = await client.next()
    assert delivery.received_at - started >= 0.4
    assert delivery.deliveries == 1


@scene
async def test_a_delayed_message_is_neither_queued_nor_in_the_way_of_others(s: Scene) -> None:
    client = s.client()
    await client.send(b"late", delay_s=60)
    await client.send(b"now")
    await s.counts("q", Counts(1, 0, 1))
    assert (await client.consume().next()).body == b"now"


@scene
async def test_delayed_messages_come_in_the_order_of_their_times(s: Scene) -> None:
    client = s.client().consume(window=3)
    delays = ((1.0, b"3"), (0.2, b"1"), (0.5, b"2"))
    await asyncio.gather(*(client.send(body, delay_s=delay_s) for delay_s, body in delays))
    assert [delivery.body for delivery in await client.take(3)] == [b"1", b"2", b"3"]


@scene
async def test_a_message_that_becomes_due_counts_as_queued_without_a_consumer(s: Scene) -> None:
    await s.client().send(b"late", delay_s=0.2)
    s.admin.all_counts()
    await holds(s.admin.changed)
    await s.counts("q", Counts(1, 0, 0))


# Health


@scene
async def test_reasons_begin_with_starting_and_end_with_none(s: Scene) -> None:
    client = s.client()
    assert client.transport.reasons == {"starting"}
    await client.reason()
    assert client.changes == [("starting", False)]


@scene
async def test_row_35_a_missing_queue_is_named_and_consuming_begins_by_itself_when_it_is_declared(s: Scene) -> None:
    client = s.client().consume("new")
    await client.reason("queue_missing")
    assert "new" in client.sentences["queue_missing"]
    assert not client.transport.consuming
    s.admin.declare("new")
    await client.reason()
    await client.send(b"x", queue="new")
    assert (await client.next()).body == b"x"


@scene
async def test_row_35_a_queue_deleted_under_the_consumer_ends_the_generation_and_a_new_one_is_consumed(
    s: Scene,
) -> None:
    client = s.client().consume()
    await client.send(b"old")
    old = await client.next()
    s.admin.delete("q")
    await client.reason("queue_missing")
    assert not await client.transport.ack(old)
    s.admin.declare("q")
    await client.reason()
    await client.send(b"new")
    assert (await client.next()).body == b"new"
    assert client.lost == [old.generation]


@scene
async def test_a_broker_that_goes_away_is_named_and_consuming_begins_by_itself_when_it_is_back(s: Scene) -> None:
    client, sender = s.client().consume(), s.client()
    assert sender.transport.connected == (False, False)
    await client.reason()
    await holds(lambda: sender.transport.connected == (True, True))
    s.broker.stop()
    sender.transport.publish("r", b"0")
    await sender.reason("broker_unreachable")
    await holds(lambda: sender.transport.connected == (False, False))
    sender.transport.publish("q", b"x")
    s.broker.begin()
    await sender.reason()
    await client.reason()
    assert (await client.next()).body == b"x"


# The synchronous side


@scene
async def test_declaring_makes_the_dead_letter_queue_and_keeps_what_is_there(s: Scene) -> None:
    s.admin.publish("q", b"x")
    s.admin.declare("q")
    assert s.admin.queues() == ["q", "q-dlq", "r", "r-dlq"]
    await s.counts("q", Counts(1, 0, 0))


@scene
async def test_the_admin_can_send_and_a_waiting_consumer_gets_it(s: Scene) -> None:
    client = s.client().consume()
    await client.reason()
    assert s.admin.publish("q", b"x", message_id="m") is Outcome.CONFIRMED
    assert s.admin.publish("ghost", b"x") is Outcome.UNROUTABLE
    assert (await client.next()).message_id == "m"


@scene
async def test_counts_of_a_missing_queue_are_an_error_that_names_it(s: Scene) -> None:
    for ask in (s.admin.counts, s.admin.peek, s.admin.purge):
        with pytest.raises(QueueMissing, match="ghost"):
            ask("ghost")


@scene
async def test_all_counts_in_one_call(s: Scene) -> None:
    client = s.client().consume(window=2)
    await client.send(*[b"x"] * 5)
    await client.take(2)
    await client.send(b"late", queue="r", delay_s=60)
    expected = {
        "q": Counts(3, 2, 0),
        "q-dlq": Counts(0, 0, 0),
        "r": Counts(0, 0, 1),
        "r-dlq": Counts(0, 0, 0),
    }
    await holds(lambda: same(s.admin.all_counts(), expected), f"{expected}; are {s.admin.all_counts()}")


@scene
async def test_changed_tells_about_every_change_and_is_quiet_otherwise(s: Scene) -> None:
    client = s.client()
    await client.reason()
    await s.counts("q", Counts(0, 0, 0))
    s.admin.all_counts()
    assert not s.admin.changed()
    await client.send(b"x")
    await holds(s.admin.changed)
    s.admin.all_counts()
    assert not s.admin.changed()
    s.admin.publish("q", b"y")
    await holds(s.admin.changed)


@scene
async def test_purge_spares_what_is_in_hand(s: Scene) -> None:
    client = s.client().consume()
    await client.send(b"1", b"2", b"3")
    delivery = await client.next()
    assert s.admin.purge("q") == 2
    await s.counts("q", Counts(0, 1, 0))
    assert await client.transport.ack(delivery)


@scene
async def test_a_queue_that_holds_messages_is_deleted_only_when_told_so(s: Scene) -> None:
    s.admin.publish("q", b"x")
    with pytest.raises(QueueNotEmpty, match="q"):
        s.admin.delete("q", only_empty=True)
    await s.counts("q", Counts(1, 0, 0))
    assert s.admin.delete("q") == 1
    assert s.admin.delete("q") == 0
    assert s.admin.delete("r", only_empty=True) == 0
    assert s.admin.queues() == ["q-dlq", "r-dlq"]


@scene
async def test_peek_shows_the_oldest_and_changes_nothing(s: Scene) -> None:
    for body in (b"1", b"2", b"3"):
        s.admin.publish("q", body)
    assert [stored.body for stored in s.admin.peek("q", 2)] == [b"1", b"2"]
    await s.counts("q", Counts(3, 0, 0))


@scene
async def test_row_53_what_was_claimed_and_not_yet_delivered_at_closing_goes_back_uncounted(s: Scene) -> None:
    for body in (b"1", b"2", b"3", b"4"):
        s.admin.publish("q", body)
    for _ in range(DELIVERY_LIMIT + 2):
        client = s.client().consume(window=8)
        await client.reason()
        client.transport.pause()
        for delivery in client.seen:
            client.transport.release(delivery)
        await client.transport.close()
    await s.counts("q", Counts(4, 0, 0))
    assert max(stored.deliveries for stored in s.admin.peek("q")) < s.broker.returned_at_most


@scene
async def test_a_fault_in_a_listener_does_not_cost_the_deliveries_of_the_same_moment(s: Scene) -> None:
    asyncio.get_running_loop().set_exception_handler(lambda _loop, _context: None)
    client = s.client()

    def fail(*_: object) -> None:
        raise ValueError("ours")

    client.transport.on_change = client.transport.on_lost = fail
    client.consume("new")
    await client.reason("queue_missing")
    s.admin.declare("new")
    s.admin.publish("new", b"x")
    assert (await client.next()).body == b"x"
