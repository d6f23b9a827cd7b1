"""The keyed queue: one pass per key at a time, nothing lost, live changes first."""

import random
import threading
import time

from asya_controller.act.queue import LONGEST_RETRY_S, Queue
from tests.support.wait import until


class Clock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def taken(queue: Queue[str]) -> list[str]:
    """Every key that is ready now, each pass ended at once."""
    found = []
    while queue.depth:
        key = queue.take()
        assert key is not None
        queue.done(key)
        found.append(key)
    return found


def test_a_key_that_is_added_often_is_taken_once() -> None:
    queue: Queue[str] = Queue()
    for _ in range(5):
        queue.add("a")
    assert taken(queue) == ["a"]


def test_a_change_during_a_pass_causes_exactly_one_more() -> None:
    queue: Queue[str] = Queue()
    queue.add("a")
    assert queue.take() == "a"
    queue.add("a")
    queue.add("a")
    assert queue.depth == 0
    queue.done("a")
    assert taken(queue) == ["a"]


def test_live_changes_go_before_the_backlog_and_move_a_key_forward() -> None:
    queue: Queue[str] = Queue()
    for key in ("a", "b", "c"):
        queue.add(key, backlog=True)
    queue.add("x")
    queue.add("c")
    assert taken(queue) == ["x", "c", "a", "b"]


def test_a_key_moved_forward_and_taken_is_not_taken_again_from_the_backlog() -> None:
    queue: Queue[str] = Queue()
    queue.add("a", backlog=True)
    queue.add("a")
    assert queue.take() == "a"
    queue.add("a", backlog=True)
    queue.done("a")
    assert taken(queue) == ["a"]


def test_failures_wait_longer_each_time_and_success_forgets_them() -> None:
    clock = Clock()
    queue: Queue[str] = Queue(clock)
    waits = []
    for _ in range(9):
        queue.add("a")
        queue.take()
        queue.done("a", failed=True)
        waits.append(queue._due["a"] - clock.now)
        clock.now += 100
        assert queue.take() == "a"
        queue.done("a", failed=True)
        queue._failures["a"] -= 1
    assert all(0.8 * 2**number <= wait <= 1.2 * 2**number for number, wait in enumerate(waits[:6]))
    assert waits[-1] <= LONGEST_RETRY_S * 1.2
    queue.add("a")
    queue.take()
    queue.done("a")
    assert queue._failures == {}


def test_a_timer_keeps_the_earliest_time_and_a_pass_clears_it() -> None:
    clock = Clock()
    queue: Queue[str] = Queue(clock)
    queue.add_at("a", 130.0)
    queue.add_at("a", 110.0)
    queue.add_at("a", 150.0)
    clock.now = 109.0
    assert queue._release_due() == 1.0
    clock.now = 110.0
    assert queue.take() == "a"
    queue.done("a")
    clock.now = 1000.0
    assert queue._release_due() is None
    assert queue.depth == 0


def test_a_pass_that_ends_may_name_its_next_time() -> None:
    clock = Clock()
    queue: Queue[str] = Queue(clock)
    queue.add("a")
    queue.take()
    queue.done("a", again_at=105.0)
    assert queue.depth == 0
    clock.now = 105.0
    assert queue.take() == "a"


def test_a_gone_key_has_no_timer() -> None:
    clock = Clock()
    queue: Queue[str] = Queue(clock)
    queue.add_at("a", 101.0)
    queue.forget("a")
    clock.now = 200.0
    queue._release_due()
    assert queue.depth == 0


def test_a_waiting_worker_gets_the_next_key_and_ends_when_the_queue_closes() -> None:
    queue: Queue[str] = Queue()
    found: list[str | None] = []

    def work() -> None:
        while (key := queue.take()) is not None:
            found.append(key)
            queue.done(key)
        found.append(None)

    worker = threading.Thread(target=work)
    worker.start()
    queue.add("a")
    until(lambda: found == ["a"], what="the key is taken")
    queue.close()
    worker.join(5)
    assert found == ["a", None]


def test_two_workers_never_have_one_key_at_once() -> None:
    queue: Queue[int] = Queue()
    active: set[int] = set()
    clashes: list[int] = []
    passes = [0]

    def work() -> None:
        while (key := queue.take()) is not None:
            if key in active:
                clashes.append(key)
            active.add(key)
            passes[0] += 1
            active.discard(key)
            queue.done(key)

    workers = [threading.Thread(target=work) for _ in range(4)]
    for worker in workers:
        worker.start()
    for number in range(3000):
        queue.add(number % 7)
    until(lambda: queue.depth == 0, what="everything was taken")
    queue.close()
    for worker in workers:
        worker.join(5)
    assert clashes == []
    assert passes[0] >= 7


def test_a_due_key_wakes_who_minds_the_clock_and_one_more() -> None:
    """Not all eight workers: that would be most of what an idle actor costs."""
    looks = [0]

    def clock() -> float:
        looks[0] += 1
        return time.monotonic()

    queue: Queue[int] = Queue(clock)
    found = working(queue, 8)
    keys = range(30)
    begin = time.monotonic() + 0.2
    for key in keys:
        queue.add_at(key, begin + key * 0.02)
    until(lambda: sorted(found) == [*keys], what="all were taken")
    queue.close()
    assert looks[0] < 9 * len(keys)


def test_no_key_is_forgotten_whoever_sleeps_when_it_comes_or_is_due() -> None:
    queue: Queue[int] = Queue()
    found = working(queue, 4)
    chance = random.Random(3)
    keys = range(2000)
    for key in keys:
        if chance.random() < 0.5:
            queue.add(key, backlog=chance.random() < 0.3)
        else:
            queue.add_at(key, time.monotonic() + chance.uniform(0, 0.05))
        if chance.random() < 0.02:
            time.sleep(0.01)  # long enough for all to sleep
    until(lambda: set(found) == {*keys}, what="all were taken")
    queue.close()


def working(queue: Queue[int], number: int) -> list[int]:
    """What so many workers have taken so far; they end with the queue."""
    found: list[int] = []

    def work() -> None:
        while (key := queue.take()) is not None:
            found.append(key)
            queue.done(key)

    for _ in range(number):
        threading.Thread(target=work, daemon=True).start()
    return found
