"""What only the management interface knows: which queues there are, and how many messages consumers hold.

Used by admin.py and provisioner.py where an address of it is given. Its figures are up to 5 s old (the server's statistics interval).
"""

from __future__ import annotations

import base64
import http.client
import json
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote, urlsplit

from asya_transport.admin import AccessRefused, Counts, Unreachable

TIMEOUT_S: Final = 10.0
NO_TAG: Final = "Not management user"


@dataclass(frozen=True, slots=True)
class Found:
    """A queue with its arguments and figures; a figure that the interface does not give is None."""

    name: str
    arguments: Mapping[str, Any]
    ready: int | None
    processing: int | None
    consumers: int | None

    @property
    def owner(self) -> str | None:
        """Whom its marker names."""
        found = self.arguments.get("x-asya-owner")
        return None if found is None else str(found)

    @property
    def unused(self) -> bool:
        """Known to be empty and without consumers."""
        return (self.ready, self.processing, self.consumers) == (0, 0, 0)


class Management:
    """One virtual host, read only."""

    def __init__(self, url: str, username: str, password: str, vhost: str, tls: ssl.SSLContext | None = None) -> None:
        """`tls` None: certificates are verified as everywhere on this machine."""
        self._url = url.rstrip("/")
        self._vhost = quote(vhost, safe="")
        self._username = username
        token = base64.b64encode(f"{username}:{password}".encode()).decode()
        self._headers = {"Authorization": f"Basic {token}"}
        parts = urlsplit(self._url)
        self._prefix = parts.path
        # One connection that is kept: a new one for each question costs more than the question.
        self._connection = (
            http.client.HTTPSConnection(parts.hostname or "", parts.port, timeout=TIMEOUT_S, context=tls)
            if parts.scheme == "https"
            else http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=TIMEOUT_S)
        )

    def close(self) -> None:
        """End the connection; the next question opens another."""
        self._connection.close()

    def counts(self) -> dict[str, Counts]:
        """Of every queue.

        Raises:
            Unreachable
        """
        columns = "name,messages_ready,messages_unacknowledged"
        found = self._get(f"/api/queues/{self._vhost}?columns={columns}&disable_stats=true&enable_queue_totals=true")
        return {
            queue["name"]: Counts(queue.get("messages_ready", 0), queue.get("messages_unacknowledged", 0), None)
            for queue in found
        }

    def every(self) -> dict[str, Found]:
        """Every queue.

        Raises:
            Unreachable
        """
        columns = "name,arguments,messages_ready,messages_unacknowledged,consumers"
        found = self._get(f"/api/queues/{self._vhost}?columns={columns}")
        return {queue["name"]: found_of(queue) for queue in found}

    def one(self, queue: str) -> Found | None:
        """One queue, None when there is none.

        Raises:
            Unreachable
        """
        try:
            return found_of(self._get(f"/api/queues/{self._vhost}/{quote(queue, safe='')}"))
        except _NotFound:
            return None

    def _get(self, path: str) -> Any:
        place = f"the management interface of RabbitMQ at {self._url}"
        try:
            status, text = self._ask(path)
            if status == 200:
                return json.loads(text)
        except (OSError, ValueError, http.client.HTTPException) as error:
            self._connection.close()
            raise Unreachable(f"{place}: {error}") from error
        if status == 404:
            raise _NotFound(path)
        if status in (401, 403):
            raise AccessRefused(f"{place} refuses user {self._username!r}: {reason_of(text)}")
        raise Unreachable(f"{place}: it answers {status}")

    def _ask(self, path: str) -> tuple[int, bytes]:
        """One request on the kept connection; once more on a new one when the server has closed it in the meantime."""
        for again in (self._connection.sock is not None, False):
            try:
                self._connection.request("GET", self._prefix + path, headers=self._headers)
                answer = self._connection.getresponse()
                return answer.status, answer.read()
            except (ConnectionError, http.client.HTTPException):
                self._connection.close()
                if not again:
                    raise
        raise AssertionError("the second try returns or raises")


class _NotFound(Exception):
    """There is no such thing."""


def reason_of(text: bytes) -> str:
    """Why the interface does not let somebody in, and what to do where its words need it."""
    try:
        said = str(json.loads(text)["reason"])
    except (ValueError, KeyError, TypeError):
        return "the password, or the right to enter"
    return f"{said}; it needs the tag `management`: rabbitmqctl set_user_tags" if said == NO_TAG else said


def found_of(queue: Mapping[str, Any]) -> Found:
    """A queue from the interface's JSON."""
    return Found(
        name=queue["name"],
        arguments=queue.get("arguments") or {},
        ready=queue.get("messages_ready"),
        processing=queue.get("messages_unacknowledged"),
        consumers=queue.get("consumers"),
    )
