"""What only the management interface knows: which queues there are, and how many messages consumers hold.

Used by admin.py where an address of it is given. Its figures are up to 5 s old (the server's statistics interval).
"""

from __future__ import annotations

import base64
import json
import urllib.error
import urllib.request
from typing import Any, Final
from urllib.parse import quote

from asya_transport.admin import Counts, Unreachable

TIMEOUT_S: Final = 10.0


class Management:
    """One virtual host, read only."""

    def __init__(self, url: str, username: str, password: str, vhost: str) -> None:
        self._url = url.rstrip("/")
        self._vhost = quote(vhost, safe="")
        token = base64.b64encode(f"{username}:{password}".encode()).decode()
        self._headers = {"Authorization": f"Basic {token}"}

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

    def _get(self, path: str) -> Any:
        request = urllib.request.Request(self._url + path, headers=self._headers)
        try:
            with urllib.request.urlopen(request, timeout=TIMEOUT_S) as answer:
                return json.load(answer)
        except (OSError, ValueError) as error:
            raise Unreachable(f"the management interface of RabbitMQ at {self._url}: {error}") from error
