"""Which broker a local mesh uses and how its processes reach it: the embedded one, or a RabbitMQ of the user's.

Chosen in `start.py` from `--transport` and the sidecar's own variables, used by `mesh.py`, and by `send.py` through what is kept in the
state folder. A password never stands in an argument, a log or a file that others may read: it is kept in one file of mode 0600, which
sidecars read as they read a projected Secret in a cluster.
"""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from asya_cli.errors import UsageMistake
from asya_cli.local.folder import Folder
from asya_transport.admin import Admin
from asya_transport.choose import open_admin
from asya_transport.rabbitmq.address import RabbitmqAddress

if TYPE_CHECKING:
    from asya_controller.decide.transports import RabbitMQ, Sqlite

SQLITE, RABBITMQ = "sqlite", "rabbitmq"
URL_VARIABLE = "ASYA_RABBITMQ_URL"
TEMPLATE_VARIABLE = "ASYA_QUEUE_NAME_TEMPLATE"
EXAMPLE = "rabbitmq=amqp://user:password@host:5672/vhost"


class Broker(Protocol):
    """One broker, as far as the local mesh has to know it."""

    @property
    def place(self) -> str:
        """In words, without credentials."""
        ...

    @property
    def sidecar_env(self) -> Mapping[str, str]:
        """How a sidecar reaches it; wins over what an actor's file says."""
        ...

    def config(self) -> "Sqlite | RabbitMQ":
        """As the operator of a cluster would configure it."""
        ...

    def open(self, heartbeat_s: int = 0) -> Admin:
        """Raises TransportError."""
        ...


@dataclass(frozen=True, slots=True)
class EmbeddedBroker:
    """One file in the state folder."""

    database: Path

    @property
    def place(self) -> str:
        """The file."""
        return str(self.database)

    @property
    def sidecar_env(self) -> Mapping[str, str]:
        """The file again."""
        return {"ASYA_TRANSPORT": SQLITE, "ASYA_SQLITE_PATH": str(self.database)}

    def config(self) -> "Sqlite":
        """A type that no file may name."""
        from asya_controller.decide.transports import Sqlite

        return Sqlite(path=str(self.database))

    def open(self, heartbeat_s: int = 0) -> Admin:
        """Raises TransportError: the file cannot be used."""
        return open_admin(SQLITE, sqlite_path=self.database, heartbeat_s=heartbeat_s)


@dataclass(frozen=True, slots=True)
class RabbitmqBroker:
    """A RabbitMQ. The address names a file for the password as soon as the mesh runs (`keep`)."""

    address: RabbitmqAddress
    queue_name_template: str

    @property
    def place(self) -> str:
        """All hosts, the virtual host and the user."""
        address = self.address
        hosts = ", ".join(address.place(host) for host in address.hosts)
        return f"{hosts}, virtual host {address.vhost!r}, user {address.username!r}"

    @property
    def home(self) -> str:
        """Where its queues live: the same for every user."""
        return f"{','.join(self.address.hosts)}:{self.address.port}/{self.address.vhost}"

    @property
    def sidecar_env(self) -> Mapping[str, str]:
        """All of the address, so that no part of another one can come from an actor's file."""
        address = self.address
        values = {
            "ASYA_TRANSPORT": RABBITMQ,
            "ASYA_RABBITMQ_HOST": ",".join(address.hosts),
            "ASYA_RABBITMQ_PORT": str(address.port),
            "ASYA_RABBITMQ_VHOST": address.vhost,
            "ASYA_RABBITMQ_USERNAME": address.username,
            "ASYA_RABBITMQ_PASSWORD_FILE": str(address.password_file or ""),
            "ASYA_RABBITMQ_TLS": str(address.tls).lower(),
            "ASYA_RABBITMQ_TLS_CA_FILE": str(address.tls_ca_file or ""),
            "ASYA_RABBITMQ_TLS_SERVER_NAME": address.tls_server_name or "",
            "ASYA_RABBITMQ_TLS_INSECURE": str(address.tls_insecure).lower(),
            "ASYA_RABBITMQ_DELAY_TIERS": ",".join(name for name, _ in address.delay_tiers),
        }
        # Empty counts as unset: a file's own URL or password would win over these.
        return {URL_VARIABLE: "", "ASYA_RABBITMQ_PASSWORD": "", **values}

    def config(self) -> "RabbitMQ":
        """The Secrets are names only: what they stand for is in `sidecar_env`."""
        from asya_controller.decide.transports import RabbitMQ, SecretRef, Tls

        address = self.address
        secret = SecretRef(name="asya-broker", key="password")
        return RabbitMQ(
            host=",".join(address.hosts),
            port=address.port,
            vhost=address.vhost,
            username=address.username,
            password_secret_ref=secret,
            tls=Tls(
                enabled=address.tls, server_name=address.tls_server_name, insecure_skip_verify=address.tls_insecure
            ),
            delay_tiers=tuple(name for name, _ in address.delay_tiers),
            queue_name_template=self.queue_name_template,
        )

    def open(self, heartbeat_s: int = 0) -> Admin:
        """Raises TransportError: it does not answer, or does not let us in."""
        return open_admin(RABBITMQ, rabbitmq=self.address, heartbeat_s=heartbeat_s)


def broker_named(kind: str, url: str | None, environ: Mapping[str, str], folder: Folder) -> Broker:
    """The broker that `--transport KIND[=URL]` and the environment describe.

    Raises:
        UsageMistake: one line for everything wrong; holds no part of an address.
    """
    if kind == SQLITE and url is None:
        return EmbeddedBroker(folder.database)
    if kind != RABBITMQ:
        wrong = "an address needs 'rabbitmq=' in front" if "://" in kind else f"{kind!r} is none"
        wrong = "sqlite takes no address" if kind == SQLITE else wrong
        raise UsageMistake(f"--transport: {wrong}; expected sqlite, rabbitmq or {EXAMPLE}")
    return rabbitmq_of(environ if url is None else {**environ, URL_VARIABLE: url or "(empty)"}, given=url is not None)


def rabbitmq_of(environ: Mapping[str, str], given: bool = False) -> RabbitmqBroker:
    """The RabbitMQ that the sidecar's variables describe, read by the sidecar's own rules.

    Raises:
        UsageMistake: one line for each mistake.
    """
    from asya_sidecar.settings import ConfigurationError, from_environ

    # What a sidecar needs beside the address is made up here, and thrown away.
    read = {name: value for name, value in environ.items() if name.startswith("ASYA_RABBITMQ_")}
    if not any(read.get(name) for name in (URL_VARIABLE, "ASYA_RABBITMQ_HOST")):
        raise UsageMistake(f"--transport rabbitmq: where is it? Give an address ({EXAMPLE}) or set {URL_VARIABLE}")
    read |= {"ASYA_TRANSPORT": RABBITMQ, "ASYA_ACTOR_NAME": "asya", "ASYA_NAMESPACE": "asya"}
    if template := environ.get(TEMPLATE_VARIABLE):
        read[TEMPLATE_VARIABLE] = template
    try:
        settings = from_environ(read)
    except ConfigurationError as mistakes:
        # Where the address cannot be read, all else that it might have held would be called missing.
        lines = [line for line in mistakes.lines if line.startswith(URL_VARIABLE)] or mistakes.lines
        raise UsageMistake("\n".join(_told(line, given) for line in lines)) from mistakes
    assert settings.rabbitmq is not None, "the transport is rabbitmq"
    return RabbitmqBroker(settings.rabbitmq, settings.queue_name_template)


def _told(line: str, given: bool) -> str:
    """A mistake, called by the option's name when the address came with the option."""
    if given and line.startswith(f"{URL_VARIABLE}="):
        return f"--transport rabbitmq{line.removeprefix(URL_VARIABLE)}"
    return f"--transport rabbitmq: {line}"


def keep(broker: Broker, folder: Folder) -> Broker:
    """Remember the broker in the state folder, for other commands and the sidecars; returns it as it is to be used.

    Raises:
        UsageMistake: the password cannot be kept in a file.
        OSError
    """
    if not isinstance(broker, RabbitmqBroker):
        folder.broker.unlink(missing_ok=True)
        folder.password.unlink(missing_ok=True)
        return broker
    password = broker.address.password
    if password is None:
        folder.password.unlink(missing_ok=True)
        found = replace(broker.address, password_file=_absolute(broker.address.password_file))
    else:
        if password != password.strip() or "\n" in password:
            raise UsageMistake(
                "--transport rabbitmq: the password begins or ends with a blank or has two lines; give the user another one"
            )
        _write_private(folder.password, password + "\n")
        found = replace(broker.address, password=None, password_file=folder.password.absolute())
    kept = replace(broker, address=replace(found, tls_ca_file=_absolute(found.tls_ca_file)))
    values = {**kept.sidecar_env, TEMPLATE_VARIABLE: kept.queue_name_template}
    _write_private(folder.broker, json.dumps(values, indent=1) + "\n")
    return kept


def kept_broker(folder: Folder) -> Broker:
    """The broker of the mesh that runs or ran in this folder.

    Raises:
        UsageMistake: what is kept cannot be used any more; says which file.
    """
    try:
        values = json.loads(folder.broker.read_text())
    except FileNotFoundError:
        return EmbeddedBroker(folder.database)
    except (OSError, ValueError) as error:
        raise UsageMistake(f"{folder.broker}: cannot be read ({error}); start the mesh again with `asya up`") from error
    return rabbitmq_of(values)


def _absolute(file: Path | None) -> Path | None:
    return None if file is None else file.absolute()


def _write_private(file: Path, text: str) -> None:
    """Replace the file by one that only its owner may read, from its first byte on."""
    file.parent.mkdir(parents=True, exist_ok=True)
    temporary = file.with_name(f".{file.name}.{os.getpid()}")
    temporary.unlink(missing_ok=True)
    with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as opened:
        opened.write(text)
    temporary.replace(file)
