"""Do brokers and gateway answer? By what the actors say of them, and by a connection from this machine.

Called by checks.py. A cluster's own names mean nothing here: then only what the actors say counts.
"""

import socket
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from asya_cli.cluster.findings import Finding, Patient
from asya_controller.decide.transports import RabbitMQ, Sqs, Transport

CONNECT_S = 3.0


def brokers(patient: Patient) -> Iterator[Finding]:
    """transports: what the actors say of them, and whether they answer from here."""
    for name, transport in sorted(patient.config.transports.items()) if patient.config else ():
        subject = f"transport {name}"
        if not transport.enabled:
            yield Finding(subject, "ok", "disabled")
            continue
        failing = [
            a
            for a in patient.actors
            if (a.get("spec") or {}).get("transport") == name and _transport(a).get("status") == "False"
        ]
        here = "; ".join(reachable(host, port) for host, port in addresses(transport))
        if failing:
            said = _transport(failing[0])
            yield Finding(
                subject, "wrong", f"{len(failing)} actors cannot use it: {said['reason']}: {said.get('message', '')}; {here}",
                f"kubectl describe asya -n {failing[0]['metadata']['namespace']} {failing[0]['metadata']['name']}",
            )  # fmt: skip
        else:
            yield Finding(subject, "ok", f"{transport.type}, no actor complains; {here}")
    known = set(patient.config.transports) if patient.config else set()
    unknown = sorted({str((a.get("spec") or {}).get("transport")) for a in patient.actors} - known)
    if patient.config and unknown:
        yield Finding(
            "transports",
            "wrong",
            f"actors name {', '.join(unknown)}: not configured",
            "add them, or edit the actors",
        )


def _transport(actor: Mapping[str, Any]) -> Mapping[str, Any]:
    conditions = (actor.get("status") or {}).get("conditions") or ()
    return next((c for c in conditions if c["type"] == "TransportReady"), {})


def addresses(transport: Transport) -> list[tuple[str, int]]:
    """Host and port of every broker of a transport."""
    config = transport.config
    if isinstance(config, RabbitMQ):
        return [(host, config.effective_port) for host in config.hosts]
    if isinstance(config, Sqs):
        parts = urlsplit(config.endpoint or f"https://sqs.{config.region}.amazonaws.com")
        return [(str(parts.hostname), parts.port or (80 if parts.scheme == "http" else 443))]
    return []


def reachable(host: str, port: int) -> str:
    """Whether a connection from this machine succeeds, in words. A cluster's own names mean nothing here."""
    try:
        socket.create_connection((host, port), timeout=CONNECT_S).close()
    except socket.gaierror:
        return f"{host}:{port} is a name that only the cluster knows"
    except OSError as error:
        return f"{host}:{port} cannot be reached from here: {error.strerror or error}"
    return f"{host}:{port} answers from here"


def gateway(patient: Patient) -> Iterator[Finding]:
    """gateway: configured, answers from here."""
    if patient.config is None:
        return
    url = patient.config.gateway.url
    if not url:
        yield Finding("gateway", "ok", "none is configured")
        return
    parts = urlsplit(url)
    words = reachable(str(parts.hostname), parts.port or (443 if parts.scheme == "https" else 80))
    yield Finding("gateway", "ok" if "cannot" not in words else "warning", f"{url}: {words}")
