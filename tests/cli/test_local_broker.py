"""Which broker a mesh uses, what is kept of it, and which queues it removes (cli/asya_cli/local/broker.py, polled_queues.py)."""

import asyncio
import json
import stat
import threading
import time
from pathlib import Path

import pytest

from asya_cli.errors import UsageMistake
from asya_cli.local.broker import EmbeddedBroker, RabbitmqBroker, broker_named, keep, kept_broker
from asya_cli.local.display import Lines
from asya_cli.local.folder import Folder
from asya_cli.local.launch import Launch, sidecar_launch
from asya_cli.local.observer import Observer
from asya_cli.local.polled_queues import Looker, Made, Pace, PolledQueues, Wish
from asya_cli.local.queues import Queues, Trouble
from asya_cli.local.tasks import happens
from asya_transport.admin import AccessRefused, Counts, TransportError, Unreachable
from asya_transport.choose import open_admin
from asya_transport.sqlite.admin import SqliteAdmin
from tests.cli.test_local_launch import place
from tests.support.brokers import holds

URL = "amqps://ada:p%40ss@rabbit.example.com/team%2Fone"


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path / ".asya")


def rabbitmq(folder: Folder, url: str | None = URL, **environ: str) -> RabbitmqBroker:
    found = keep(broker_named("rabbitmq", url, environ, folder), folder)
    assert isinstance(found, RabbitmqBroker)
    return found


# --- what is kept -----------------------------------------------------------------------------------------------------


def test_what_is_kept_leads_to_the_same_broker_and_only_its_owner_reads_it(folder: Folder) -> None:
    kept = rabbitmq(folder, ASYA_QUEUE_NAME_TEMPLATE="{actor}", ASYA_RABBITMQ_TLS_SERVER_NAME="rabbit")
    assert kept_broker(folder) == kept
    assert (kept.address.vhost, kept.address.port, kept.address.tls) == ("team/one", 5671, True)
    assert kept.address.password is None
    assert folder.password.read_text() == "p@ss\n"
    for file in (folder.broker, folder.password):
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert "p@ss" not in folder.broker.read_text() + repr(kept) + kept.place


def test_the_embedded_broker_leaves_nothing_of_an_earlier_rabbitmq(folder: Folder) -> None:
    rabbitmq(folder)
    assert keep(EmbeddedBroker(folder.database), folder) == kept_broker(folder) == EmbeddedBroker(folder.database)
    assert not folder.password.exists()


def test_a_password_file_is_named_and_not_copied(folder: Folder, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("p@ss\n")
    kept = rabbitmq(folder, "amqp://ada@host/", ASYA_RABBITMQ_PASSWORD_FILE=str(tmp_path / "secret"))
    assert kept.address.password_file == tmp_path / "secret"
    assert not folder.password.exists()


def test_a_password_that_no_file_can_hold_is_refused(folder: Folder) -> None:
    with pytest.raises(UsageMistake, match="begins or ends with a blank"):
        rabbitmq(folder, "amqp://ada:%20x@host/")


def test_nothing_that_an_actors_file_says_leads_its_sidecar_elsewhere(folder: Folder, tmp_path: Path) -> None:
    env = [
        {"name": name, "value": "elsewhere"}
        for name in ("ASYA_RABBITMQ_URL", "ASYA_RABBITMQ_HOST", "ASYA_RABBITMQ_PASSWORD", "ASYA_TRANSPORT")
    ]
    pod = {"metadata": {}, "spec": {"containers": [{"name": "asya-sidecar", "env": env}]}}
    launch = sidecar_launch(pod, place(tmp_path), "/py", rabbitmq(folder).sidecar_env, 4711)
    assert isinstance(launch, Launch)
    assert "elsewhere" not in launch.env.values()
    assert launch.env["ASYA_RABBITMQ_HOST"] == "rabbit.example.com"
    assert launch.env["ASYA_RABBITMQ_PASSWORD_FILE"] == str(folder.password)


def test_the_operators_configuration_of_it_is_a_rabbitmq(folder: Folder) -> None:
    config = rabbitmq(folder, ASYA_QUEUE_NAME_TEMPLATE="{actor}").config()
    assert (config.host, config.effective_port, config.vhost) == ("rabbit.example.com", 5671, "team/one")
    assert (config.queue_name_template, config.tls.enabled, config.delay_tiers[0]) == ("{actor}", True, "100ms")


# --- which queues are removed -----------------------------------------------------------------------------------------


@pytest.fixture
def looker(tmp_path: Path) -> Looker:
    """On the embedded broker, whose admin keeps the same promises; every look counts, and empty is empty at once."""
    pace = Pace(quick_s=0, usual_s=0, dead_letters_s=0, empty_for_s=0)
    return Looker(open_admin("sqlite", sqlite_path=tmp_path / "mesh.db"), Made(tmp_path / "queues.json", "here"), pace)


def test_a_queue_that_it_has_made_goes_when_it_is_empty(looker: Looker) -> None:
    looker.look(Wish(wanted=("q",)))
    looker.admin.publish("q", b"{}")
    assert looker.look(Wish(retired=("q",))).gone == frozenset()
    looker.admin.purge("q")
    assert looker.look(Wish(retired=("q",))).gone == {"q"}
    assert looker.admin.queues() == []


def test_a_queue_that_was_there_before_is_never_removed(looker: Looker) -> None:
    looker.admin.declare("q")
    seen = looker.look(Wish(wanted=("q",)))
    assert "queue q was there before" in seen.notes[0]
    assert looker.look(Wish(retired=("q",))).gone == {"q"}
    assert looker.admin.queues() == ["q", "q-dlq"]


def test_dead_letters_stay_when_their_queue_goes(looker: Looker) -> None:
    looker.look(Wish(wanted=("q",)))
    looker.admin.publish("q-dlq", b"{}")
    assert looker.look(Wish(retired=("q",))).gone == {"q"}
    assert looker.admin.queues() == ["q-dlq"]


def test_what_was_made_is_known_to_the_next_mesh_on_the_same_broker_alone(looker: Looker, tmp_path: Path) -> None:
    looker.look(Wish(wanted=("q",)))
    assert Made(tmp_path / "queues.json", "here").names == {"q", "q-dlq"}
    assert Made(tmp_path / "queues.json", "there").names == set()
    (tmp_path / "queues.json").write_text("{")
    assert Made(tmp_path / "queues.json", "here").names == set()  # nothing is known to be ours: nothing is removed


def test_a_queue_that_vanishes_is_made_again(looker: Looker) -> None:
    looker.look(Wish(wanted=("q",)))
    looker.admin.delete("q")
    assert looker.look(Wish(wanted=("q",))).declared == frozenset()
    assert looker.look(Wish(wanted=("q",))).declared == {"q"}
    assert looker.admin.exists("q")


@pytest.mark.parametrize(
    ("error", "reason"),
    [(Unreachable("x"), "BrokerUnreachable"), (AccessRefused("x"), "AuthFailed"), (TransportError("x"), "QueueCreateFailed")],
)  # fmt: skip
def test_trouble_has_the_controllers_name(error: TransportError, reason: str) -> None:
    assert Trouble.of(error) == Trouble(reason, "x")


class Faulty(SqliteAdmin):
    """With a mistake in it."""

    def counts(self, queue: str) -> Counts:
        raise ZeroDivisionError(queue)


def test_a_fault_of_our_own_in_the_thread_is_raised_on_the_loop(tmp_path: Path) -> None:
    async def scenario() -> None:
        admin, rung = Faulty(tmp_path / "mesh.db"), asyncio.Event()
        queues = PolledQueues(admin, Made(tmp_path / "queues.json", "here"), "b", rung.set, lambda _note: None)
        queues.begin()
        queues.declare("q")
        try:
            assert queues.count() is None
            assert await happens(rung, 30)
            queues.count()
        finally:
            queues.close()
            admin.close()

    with pytest.raises(ZeroDivisionError):
        asyncio.run(scenario())


class Stuck(SqliteAdmin):
    """A broker that answers nothing until it is told to."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.go = threading.Event()

    def counts(self, queue: str) -> Counts:
        self.go.wait()
        return super().counts(queue)


def test_a_look_that_does_not_end_is_told_and_holds_nothing_up(tmp_path: Path) -> None:
    pace = Pace(silent_s=1, close_within_s=0.1)

    async def scenario() -> None:
        admin, rung = Stuck(tmp_path / "mesh.db"), asyncio.Event()
        made = Made(tmp_path / "queues.json", "here")
        queues = PolledQueues(admin, made, "the broker", rung.set, lambda _note: None, pace)
        queues.begin()
        queues.declare("q")
        await holds(lambda: queues.count() is None and queues.trouble is not None)
        assert queues.trouble == Trouble("BrokerUnreachable", "the broker has not answered for 1 s")
        admin.go.set()
        assert await happens(rung, 30)
        assert queues.count() == {"q": Counts(0, 0, 0), "q-dlq": Counts(0, 0, 0)}
        assert queues.has("q")
        assert queues.trouble is None
        admin.go.clear()
        began = time.monotonic()
        queues.close()
        assert time.monotonic() - began < 5
        admin.go.set()

    asyncio.run(scenario())


def test_a_queue_that_goes_as_soon_as_it_is_retired_is_not_published_as_retired_for_ever(folder: Folder) -> None:
    """Between two looks at the broker: whoever compares looks sees no change, but what is published is old."""

    def published() -> object:
        return json.loads(folder.state.read_text())["retiredQueues"]

    async def scenario() -> None:
        queues = Queues(open_admin("sqlite", sqlite_path=folder.database), folder.database, lambda: None)
        observer = Observer({}, queues, folder, Lines(as_json=False))
        queues.declare("q")
        queues.retire("q")
        observer.publish()
        assert published() == ["q"]
        tasks = [asyncio.create_task(work) for work in (observer.pulse(), observer.judge())]
        try:
            await holds(lambda: published() == [])
        finally:
            for task in tasks:
                task.cancel()
            queues.close()

    asyncio.run(scenario())
