"""A private RabbitMQ for tests: Debian's `rabbitmq-server` on free ports, with its data in a temporary folder.

`shared_node()` is one node for all tests of a process (with xdist: of a worker), started when the first test asks for it; each test takes
a virtual host of its own. `ASYA_TEST_RABBITMQ_URL` names another broker for them, with its management interface on port 15672, or at
`ASYA_TEST_RABBITMQ_MANAGEMENT`. Tests that kill, freeze or reconfigure the broker take `breakable_node()`, which is the shared one when
it is ours: tests of one process run one after the other. Those that need another configuration file start a `node()` for themselves.

A little over the usual length: most of it is one-line methods.

Nothing outlives the tests, however those end (`guarded`).
"""

from __future__ import annotations

import atexit
import base64
import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import psutil

from asya_transport.rabbitmq.address import RabbitmqAddress, address_of, parse_url
from tests.support.guarded import Guarded, free_port
from tests.support.wait import until

SERVER = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")
USER = PASSWORD = "guest"  # the broker's own first user; it may enter from this machine only
# Figures of the management interface are at most 1.3 s old: queues tell them every 0.3 s, and it takes a sample a second (its shortest;
# else one in 5 s). A dead letter without a queue is tried again after 1 s, not after 3 minutes. Channels look at their acknowledgement
# deadlines once a second, not once a minute.
ADVANCED = """\
[{rabbit, [
  {quorum_tick_interval, 300},
  {dead_letter_worker_publisher_confirm_timeout, 1000},
  {channel_tick_interval, 1000}
]},
{rabbitmq_management, [
  {sample_retention_policies, [{global, [{605, 5}]}, {basic, [{605, 1}]}, {detailed, [{605, 5}]}]}
]}].
"""
CONFIGURATION = """\
listeners.tcp.1 = {address}:{port}
management.tcp.ip = {address}
management.tcp.port = {management_port}
collect_statistics_interval = 300
disk_free_limit.absolute = 20MB
vm_memory_high_watermark.absolute = 1GB
log.file.level = warning
log.console = false
{more}
"""
STARTS = 3
SERVER_DEFAULTS = {"consumer_timeout": "1800000", "max_message_size": "134217728"}


class Broker:
    """A running RabbitMQ, seen through its management interface."""

    def __init__(self, url: str, management_url: str) -> None:
        self.url = url
        self.management_url = management_url

    def address(self, vhost: str, **changes: Any) -> RabbitmqAddress:
        """How a client reaches it."""
        base = address_of(parse_url(self.url))
        members = {name: getattr(base, name) for name in base.__slots__} | {"vhost": vhost} | changes
        return RabbitmqAddress(**members)

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        """One request to the management interface; None when there is no such thing."""
        parts = urlsplit(self.url)
        token = base64.b64encode(f"{parts.username}:{parts.password}".encode()).decode()
        request = urllib.request.Request(
            f"{self.management_url}/api/{path}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": f"Basic {token}", "Content-Type": "application/json"},
        )
        try:
            with urllib.request.urlopen(request, timeout=20) as answer:
                text = answer.read()
        except urllib.error.HTTPError as error:
            with error:
                if error.code == 404:
                    return None
                raise AssertionError(f"{method} {path}: {error.code} {error.read().decode()}") from error
        return json.loads(text) if text else None

    @contextlib.contextmanager
    def vhost(self) -> Iterator[str]:
        """A virtual host of one's own, removed at the end."""
        name = f"t-{uuid.uuid4().hex[:12]}"
        self.add_vhost(name)
        try:
            yield name
        finally:
            self.ask("DELETE", f"vhosts/{name}")

    @contextlib.contextmanager
    def vhost_url(self) -> Iterator[str]:
        """Address of a virtual host of one's own, removed at the end."""
        with self.vhost() as name:
            yield f"{self.url.rstrip('/')}/{name}"

    def add_vhost(self, name: str) -> None:
        """Make it, and let the test's user in."""
        self.ask("PUT", f"vhosts/{name}", {})
        self.permit(name, USER)

    def permit(self, vhost: str, user: str, configure: str = ".*", write: str = ".*", read: str = ".*") -> None:
        """Rights of a user."""
        rights = {"configure": configure, "write": write, "read": read}
        self.ask("PUT", f"permissions/{quote(vhost, safe='')}/{user}", rights)

    def add_user(self, name: str, password: str) -> None:
        """Make it, or give it another password."""
        self.ask("PUT", f"users/{name}", {"password": password, "tags": ""})

    def disconnect(self, vhost: str, user: str, count: int) -> None:
        """Close the connections that this user has there, as an operator can, once so many are listed."""
        for name in until(lambda: self._connections(vhost, user, count), what=f"{count} connections are listed"):
            self.ask("DELETE", f"connections/{quote(name)}")

    def _connections(self, vhost: str, user: str, count: int) -> list[str]:
        found = [one["name"] for one in self.ask("GET", f"vhosts/{vhost}/connections") or [] if one["user"] == user]
        return found if len(found) >= count else []


class Node(Broker):
    """A node of our own. `start`, `kill`, `freeze`, `thaw`, `stop` and `close`. `more` and `advanced` go into its configuration."""

    def __init__(self, more: str = "", address: str = "127.0.0.1", advanced: str = ADVANCED) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="asya-rabbitmq-"))
        self.port, self._management_port = free_port(), free_port()
        self._address = address
        self._advanced = advanced
        super().__init__(
            f"amqp://{USER}:{PASSWORD}@{address}:{self.port}/", f"http://{address}:{self._management_port}"
        )
        self._environ = self._make_environ(more)
        self._guarded = Guarded(self.folder)
        self._server: subprocess.Popen[bytes] | None = None
        epmd = shutil.which("epmd")
        assert epmd is not None, "epmd comes with rabbitmq-server: apt-get install rabbitmq-server"
        self._spawn([epmd, "-port", self._environ["ERL_EPMD_PORT"], "-address", "127.0.0.1"])
        self.start()

    def _make_environ(self, more: str) -> dict[str, str]:
        folder = self.folder
        text = CONFIGURATION.format(
            address=self._address, port=self.port, management_port=self._management_port, more=more
        )
        (folder / "rabbitmq.conf").write_text(text)
        (folder / "advanced.config").write_text(self._advanced)
        (folder / "plugins").write_text("[rabbitmq_management].\n")
        return os.environ | {
            "HOME": str(folder),
            "ERL_EPMD_PORT": str(free_port()),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODENAME": f"asya-{uuid.uuid4().hex[:8]}@localhost",
            "RABBITMQ_DIST_PORT": str(free_port()),
            "RABBITMQ_CONF_ENV_FILE": "/dev/null",
            "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq.conf"),
            "RABBITMQ_ADVANCED_CONFIG_FILE": str(folder / "advanced.config"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "plugins"),
            "RABBITMQ_MNESIA_BASE": str(folder / "data"),
            "RABBITMQ_LOG_BASE": str(folder / "log"),
            "RABBITMQ_PID_FILE": str(folder / "pid"),
            # An idle scheduler sleeps instead of spinning: the machine is shared with what is tested.
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "+sbwt none +sbwtdcpu none +sbwtdio none",
        }

    def _spawn(self, command: list[str]) -> subprocess.Popen[bytes]:
        return self._guarded.start(command, self.folder / "output", self._environ, self.folder)

    def launch(self) -> None:
        """Begin to start, without waiting."""
        assert SERVER.exists(), f"{SERVER} is missing: apt-get install rabbitmq-server (`make setup` does it)"
        self._server = self._spawn([str(SERVER)])

    def start(self) -> None:
        """Start, and wait until clients can enter."""
        self.launch()
        self._wait_until_up()

    def _wait_until_up(self) -> None:
        """While a node is down, some other program's connection may hold one of its ports for a moment: then it is started again."""
        starts = 1

        def is_up() -> bool:
            nonlocal starts
            assert self._server is not None
            if self._server.poll() is not None:
                assert starts < STARTS, (self.folder / "output").read_text()[-2000:]
                starts += 1
                self.launch()
            return self.is_open() and self.manages()

        until(is_up, 180, 0.1, what=f"RabbitMQ is up; see {self.folder}")

    def is_open(self) -> bool:
        """The port for clients takes connections."""
        with socket.socket() as probe:
            return probe.connect_ex((self._address, self.port)) == 0

    def manages(self) -> bool:
        """The management interface answers."""
        try:
            return self.ask("GET", "overview") is not None
        except OSError:
            return False

    def server_process(self) -> psutil.Process:
        """Erlang's own, below the start script."""
        assert self._server is not None
        server = psutil.Process(self._server.pid)
        return next(found for found in (server, *server.children(recursive=True)) if found.name().startswith("beam"))

    def kill(self) -> None:
        """SIGKILL: what was not on the disk is gone.

        Not within the half second after a quorum queue was declared: until its name is on the disk (Erlang's dets saves a table 500 ms
        after its last change), RabbitMQ 3.10 comes back with a queue that is there and takes nothing, for ever.
        """
        until(self._has_saved_names, what="the names of quorum queues are on the disk")
        self._end(signal.SIGKILL)

    def _has_saved_names(self) -> bool:
        """Bytes 8 to 11 of a dets file are 0 while what it holds is not on the disk."""
        return all(found.read_bytes()[8:12] != bytes(4) for found in self.folder.glob("data/*/quorum/*/names.dets"))

    def stop(self) -> None:
        """A clean stop, as an operator's."""
        self._end(signal.SIGTERM)

    def _end(self, how: signal.Signals) -> None:
        assert self._server is not None
        self._guarded.end(self._server, how, 60)
        self._server = None

    def control(self, *arguments: str) -> None:
        """`rabbitmqctl`."""
        command = [str(SERVER.with_name("rabbitmqctl")), "-n", self._environ["RABBITMQ_NODENAME"], *arguments]
        subprocess.run(command, env=self._environ, check=True, capture_output=True, timeout=180)

    @contextlib.contextmanager
    def setting(self, name: str, value: str) -> Iterator[None]:
        """Another value of one of the server's own parameters, for channels that are opened from now on."""
        self.control("eval", f"application:set_env(rabbit, {name}, {value}).")
        try:
            yield
        finally:
            self.control("eval", f"application:set_env(rabbit, {name}, {SERVER_DEFAULTS[name]}).")

    @contextlib.contextmanager
    def alarm(self) -> Iterator[None]:
        """Out of memory, as the server believes; over at the end."""
        self.control("set_vm_memory_high_watermark", "0.000001")
        try:
            yield
        finally:
            self.control("set_vm_memory_high_watermark", "absolute", "1GB")

    def mend(self) -> None:
        """Whatever a test has done to it: up again."""
        if self._server is None:
            self.launch()
        else:
            self.thaw()
        self._wait_until_up()

    def freeze(self) -> None:
        """Answers nothing any more, and its connections stay."""
        self.server_process().suspend()

    def thaw(self) -> None:
        """Goes on."""
        self.server_process().resume()

    def close(self) -> None:
        """End everything, whatever state it is in."""
        self._guarded.close()


@contextlib.contextmanager
def node(more: str = "") -> Iterator[Node]:
    """A node for one test."""
    own = Node(more)
    try:
        yield own
    finally:
        own.close()


@contextlib.contextmanager
def breakable_node() -> Iterator[Node]:
    """A node that a test may kill, stop or freeze; it is up again afterwards."""
    shared = shared_node()
    if not isinstance(shared, Node):
        with node() as own:
            yield own
        return
    try:
        yield shared
    finally:
        shared.mend()


@cache
def shared_node() -> Broker:
    """The node of this process, ended with it; or the one that the environment names."""
    url = os.environ.get("ASYA_TEST_RABBITMQ_URL")
    if url:
        management = os.environ.get("ASYA_TEST_RABBITMQ_MANAGEMENT") or f"http://{urlsplit(url).hostname}:15672"
        return Broker(url, management.rstrip("/"))
    own = Node()
    atexit.register(own.close)
    return own
