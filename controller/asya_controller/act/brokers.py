"""The queues of actors on all transports: which desk is asked, for which queue, in whose name.

Made by controller.py, called by passes. Knows the operator's configuration and the claims on names; must not talk to a broker itself.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

from asya_controller.act.desk import Desk, Removal
from asya_controller.act.metrics import Metrics
from asya_controller.act.store import Name
from asya_controller.act.view import View
from asya_controller.decide.config import OperatorConfig
from asya_controller.decide.transports import RabbitMQ, Transport
from asya_controller.decide.world import QueueFacts
from asya_schemas.durations import parse_duration
from asya_schemas.names import queue_name
from asya_transport.provision import Provisioner, Wish
from asya_transport.rabbitmq.address import RabbitmqAddress
from asya_transport.rabbitmq.provisioner import RabbitmqProvisioner, Rules


class Brokers:
    """One desk for each enabled transport that can be managed."""

    def __init__(
        self,
        config: OperatorConfig,
        view: View,
        wake: Callable[[Name], None],
        metrics: Metrics,
        interval_s: float,
        credentials: Path,
    ) -> None:
        self._config = config
        self._view = view
        self._desks: dict[str, Desk] = {}
        for name, transport in config.transports.items():
            provisioner = provisioner_of(transport, credentials / name) if transport.enabled else None
            if provisioner is not None:
                extra = self._extra_of(transport)
                self._desks[name] = Desk(name, provisioner, interval_s, wake, extra, metrics)

    def start(self) -> None:
        """Begin to ask brokers; only the leader may."""
        for desk in self._desks.values():
            desk.start()

    def stop(self) -> None:
        """Ask nothing more."""
        for desk in self._desks.values():
            desk.stop()

    def facts(self, actor: Name, transport: str, queue: str, *, read_only: bool) -> QueueFacts | None:
        """How the actor's queue is; None when nobody has looked yet."""
        for name, desk in self._desks.items():
            if name != transport:
                desk.forget(actor)
        winner = self._view.claims.winner((transport, queue))
        if winner not in (None, actor):
            self.forget(actor)
            owner = self._owner(*winner) if winner else ""
            return QueueFacts("QueueConflict", f"queue '{queue}' belongs to {owner}")
        if transport not in self._desks:
            kind = self._config.transports[transport].type
            return QueueFacts("QueueCreateFailed", f"queues of transport type {kind} cannot be managed by this version")
        return self._desks[transport].facts(actor, Wish(queue, self._owner(*actor)), read_only)

    def told(self, actor: Name) -> None:
        """The creation of the queue has been told."""
        for desk in self._desks.values():
            desk.told(actor)

    def refresh(self, actor: Name) -> None:
        """Look at the actor's queue again."""
        for desk in self._desks.values():
            desk.refresh(actor)

    def forget(self, actor: Name) -> None:
        """The actor has no queue any more."""
        for desk in self._desks.values():
            desk.forget(actor)

    def can_remove(self, transport: str) -> bool:
        """Whether there is a broker to ask."""
        return transport in self._desks

    def ours(self, actor: Name, transport: str, queue: str) -> bool:
        """Whether no other actor of this controller has the queue."""
        return self._view.claims.winner((transport, queue)) in (None, actor)

    def remove(self, actor: Name, transport: str, queue: str, *, only_empty: bool) -> Removal:
        """Have a queue removed, or see how that goes."""
        return self._desks[transport].remove(actor, Wish(queue, self._owner(*actor)), only_empty)

    def settled(self, transport: str, queue: str) -> None:
        """The removal's result has been taken note of."""
        self._desks[transport].settled(queue)

    def _owner(self, namespace: str, name: str) -> str:
        return f"{self._config.cluster_id}/{namespace}/{name}"

    def _extra_of(self, transport: Transport) -> Callable[[Sequence[Name]], Sequence[Wish]]:
        ends = (self._config.end_actors.sink, self._config.end_actors.sump)
        template = transport.config.queue_name_template

        def extra(actors: Sequence[Name]) -> Sequence[Wish]:
            namespaces = dict.fromkeys(namespace for namespace, _ in actors)
            return [Wish(queue_name(template, ns, end), self._owner(ns, end)) for ns in namespaces for end in ends]

        return extra


def provisioner_of(transport: Transport, folder: Path) -> Provisioner | None:
    """Who manages the queues of a transport; None where nobody here can."""
    config = transport.config
    if not isinstance(config, RabbitMQ):
        return None
    rules = Rules(
        delivery_limit=config.queues.dlq.max_retry_count,
        auto_create=config.queues.auto_create,
        force_recreate=config.queues.force_recreate,
        classic=config.queues.type == "classic",
        exchange=config.exchange,
    )
    return RabbitmqProvisioner(lambda: address_of(config, folder), config.management_url, rules)


def address_of(config: RabbitMQ, folder: Path) -> RabbitmqAddress:
    """How the controller itself enters: with the files of its own folder, read now.

    Raises:
        OSError: a file is missing.
    """
    name = folder / "username"
    username = config.username if config.username and not name.exists() else name.read_text().partition("\n")[0].strip()
    authority = folder / "ca.crt"
    return RabbitmqAddress(
        hosts=config.hosts,
        port=config.effective_port,
        vhost=config.vhost,
        username=username,
        password=None,
        password_file=folder / "password",
        tls=config.tls.enabled,
        tls_ca_file=authority if config.tls.enabled and authority.exists() else None,
        tls_server_name=config.tls.server_name,
        tls_insecure=config.tls.insecure_skip_verify,
        delay_tiers=tuple((tier, parse_duration(tier)) for tier in config.delay_tiers),
    )
