"""Start the controller: settings, configuration, probes, caches, lease, workers; and end it in the reverse order.

The only place that reads the environment, and the only one that ends the process.
"""

import argparse
import os
import signal
import socket
import sys
import threading
import uuid
from collections.abc import Mapping
from importlib import metadata
from typing import NoReturn

import structlog
from kubernetes.config import ConfigException
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from asya_controller import settings as variables
from asya_controller.act import logs
from asya_controller.act.api import Api
from asya_controller.act.configuration import read_configuration, read_script
from asya_controller.act.connection import Connection, connect
from asya_controller.act.controller import Controller
from asya_controller.act.file_source import FileSource
from asya_controller.act.lease import NAME, Lease
from asya_controller.act.metrics import Metrics
from asya_controller.act.web import Answer, Server, text
from asya_controller.decide.config import ConfigurationError, OperatorConfig
from asya_controller.settings import Settings, from_environ

log = structlog.get_logger()

EXIT_CONFIGURATION = 2
ENDS = (signal.SIGTERM, signal.SIGINT)
STOP_WITHIN_S = 30.0
OTHER_CONNECTIONS = 16
"""Watches, lease, Events, the look for KEDA."""


def main() -> int:
    """The exit code."""
    try:
        version = metadata.version("asya-mesh")
        settings, config, script = inputs(os.environ | arguments(sys.argv[1:]), version)
        namespaces = max(1, len(settings.watch_namespaces))
        connection = connect(
            settings.workers + OTHER_CONNECTIONS * namespaces, namespace=os.environ.get("POD_NAMESPACE")
        )
    except ConfigurationError as error:
        sys.stderr.write("".join(f"{line}\n" for line in error.lines))
        return EXIT_CONFIGURATION
    except ConfigException as error:
        sys.stderr.write(f"configuration error: kubeconfig: {error}\n")
        return EXIT_CONFIGURATION
    logs.configure(settings.log_level)
    return live(settings, config, script, connection, version)


def inputs(environ: Mapping[str, str], version: str) -> tuple[Settings, OperatorConfig, str]:
    """Variables, configuration and script.

    Raises:
        ConfigurationError: with every problem of all three.
    """
    lines: list[str] = []
    try:
        settings = from_environ(environ)
    except variables.ConfigurationError as error:
        settings = error.settings
        lines += error.lines
    try:
        config = read_configuration(settings, version)
    except ConfigurationError as error:
        lines += error.lines
    try:
        script = read_script(settings)
    except ConfigurationError as error:
        lines += error.lines
    if lines:
        raise ConfigurationError(lines)
    return settings, config, script


def arguments(given: list[str]) -> dict[str, str]:
    """What the command line sets, as the variables it stands for."""
    parser = argparse.ArgumentParser(
        prog="asya-controller", description="Turns AsyncActors into queues, pods and autoscalers."
    )
    parser.add_argument("--source", metavar="PATH", help="a folder whose AsyncActors are applied (ASYA_SOURCE_PATH)")
    source = parser.parse_args(given).source
    return {"ASYA_SOURCE_PATH": source} if source else {}


def live(settings: Settings, config: OperatorConfig, script: str, connection: Connection, version: str) -> int:
    """Until the end."""
    # Blocked for all threads and waited for: a handler that sets an Event hangs when it interrupts the wait for that very Event.
    signal.pthread_sigmask(signal.SIG_BLOCK, ENDS)
    instance = f"{socket.gethostname()}_{uuid.uuid4().hex[:12]}"
    metrics = Metrics(version, settings.workers, connection.base)
    api = Api(connection, metrics.requested)
    controller = Controller(settings, config, script, api, metrics, instance)
    try:
        servers = serve(settings, controller, metrics)
    except OSError as error:
        sys.stderr.write(f"configuration error: ASYA_METRICS_ADDR, ASYA_PROBE_ADDR: {error}\n")
        return EXIT_CONFIGURATION
    ports = [server.port for server in servers]
    log.info(
        "starting",
        version=version,
        ports=ports,
        transports=sorted(config.transports),
        namespaces=settings.watch_namespaces,
    )
    controller.start_caches()
    lease = Lease(api, connection.namespace, instance, lost) if settings.leader_elect else None
    source = (
        FileSource(api, settings.source_path, settings.watch_namespaces, connection.namespace, version)
        if settings.source_path
        else None
    )
    threading.Thread(target=begin, args=(controller, lease, metrics, source), name="begin", daemon=True).start()
    signal.sigwait(ENDS)
    # 1. No new work, and what runs may end; 2. Events say what was done; 3. only then another may lead.
    if source is not None:
        source.stop(STOP_WITHIN_S)
    controller.stop(STOP_WITHIN_S)
    if lease is not None:
        lease.release()
    for server in servers:
        server.close()
    log.info("ended")
    return 0


def begin(controller: Controller, lease: Lease | None, metrics: Metrics, source: FileSource | None) -> None:
    """Work when the stores are full and this replica leads."""
    controller.wait_synced()
    if lease is not None:
        lease.start()
        lease.held.wait()
    metrics.leader.labels(NAME).set(1)
    controller.start_work()
    if source is not None:
        source.start()
    log.info("working")


def lost() -> NoReturn:
    """Another may lead by now: whatever is under way must not be written any more."""
    sys.stderr.write("the lease was lost; ending at once\n")
    sys.stderr.flush()
    os._exit(1)


def serve(settings: Settings, controller: Controller, metrics: Metrics) -> tuple[Server, ...]:
    """Probes and metrics.

    Raises:
        OSError: an address cannot be listened on.
    """

    def healthz() -> Answer:
        stuck = list(controller.stuck())
        return text(503, "\n".join(stuck)) if stuck else text(200, "ok")

    def readyz() -> Answer:
        missing = controller.missing()
        return text(503, f"not filled yet: {', '.join(sorted(missing))}") if missing else text(200, "ok")

    def exposition() -> Answer:
        return 200, CONTENT_TYPE_LATEST, generate_latest(metrics.registry)

    servers = (
        Server(settings.probe_addr, {"/healthz": healthz, "/readyz": readyz}),
        Server(settings.metrics_addr, {"/metrics": exposition}),
    )
    for server in servers:
        server.start()
    return servers


if __name__ == "__main__":
    sys.exit(main())
