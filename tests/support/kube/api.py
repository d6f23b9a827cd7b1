"""The API server as tests see it: JSON in, JSON out, one connection per thread.

Plain requests and no client library, so that a test can send and read exactly what it means, refused requests included.
"""

from __future__ import annotations

import http.client
import json
import ssl
import threading
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode, urlsplit

JSON = dict[str, Any]
APPLY = "application/apply-patch+yaml"
MERGE = "application/merge-patch+json"
JSON_PATCH = "application/json-patch+json"

GROUPS = {
    "asyncactors": "apis/asya.sh/v1alpha1",
    "scaledobjects": "apis/keda.sh/v1alpha1",
    "triggerauthentications": "apis/keda.sh/v1alpha1",
    "deployments": "apis/apps/v1",
    "statefulsets": "apis/apps/v1",
    "replicasets": "apis/apps/v1",
    "horizontalpodautoscalers": "apis/autoscaling/v2",
    "events": "apis/events.k8s.io/v1",
    "leases": "apis/coordination.k8s.io/v1",
    "endpointslices": "apis/discovery.k8s.io/v1",
    "apiservices": "apis/apiregistration.k8s.io/v1",
    "customresourcedefinitions": "apis/apiextensions.k8s.io/v1",
    "clusterroles": "apis/rbac.authorization.k8s.io/v1",
    "clusterrolebindings": "apis/rbac.authorization.k8s.io/v1",
    "validatingadmissionpolicies": "apis/admissionregistration.k8s.io/v1",
    "validatingadmissionpolicybindings": "apis/admissionregistration.k8s.io/v1",
    "validatingwebhookconfigurations": "apis/admissionregistration.k8s.io/v1",
    "roles": "apis/rbac.authorization.k8s.io/v1",
    "rolebindings": "apis/rbac.authorization.k8s.io/v1",
}
"""Resource -> where its API is; what is not named here is in the core API."""


def path_of(resource: str, namespace: str = "", name: str = "") -> str:
    """`deployments/status`, a namespace and a name -> the path of the API."""
    plural, _, sub = resource.partition("/")
    parts = [GROUPS.get(plural, "api/v1"), f"namespaces/{namespace}" if namespace else "", plural, name, sub]
    return "/" + "/".join(part for part in parts if part)


class Refused(Exception):
    """An answer of 400 and above: `code`, and the Status object as `status`."""

    def __init__(self, what: str, code: int, status: JSON) -> None:
        super().__init__(f"{what}: {code} {status.get('message', status)}")
        self.code = code
        self.status = status

    @property
    def message(self) -> str:
        """The server's words."""
        return str(self.status.get("message", ""))

    @property
    def causes(self) -> list[str]:
        """What it found, one sentence each."""
        return [cause["message"] for cause in self.status.get("details", {}).get("causes", [])]


class Api:
    """One identity at one server."""

    def __init__(self, server: str, ca: str | None, token: str) -> None:
        self._url = urlsplit(server)
        self.server = server
        self.token = token
        self.tls = ssl.create_default_context(cadata=ca) if self._url.scheme == "https" else None
        self._kept = threading.local()
        self._open: list[http.client.HTTPConnection] = []

    def connect(self, timeout_s: float = 30) -> http.client.HTTPConnection:
        """A new connection."""
        assert self._url.hostname is not None
        if self.tls is None:
            return http.client.HTTPConnection(self._url.hostname, self._url.port, timeout=timeout_s)
        return http.client.HTTPSConnection(self._url.hostname, self._url.port, timeout=timeout_s, context=self.tls)

    def ask(
        self, method: str, path: str, body: Any = None, content_type: str = "application/json", **query: Any
    ) -> Any:
        """One request. One that met a connection which the server had closed meanwhile is sent again on a new one.

        Raises:
            Refused: the server answered 400 or above.
        """
        target = self._url.path.rstrip("/") + path + (f"?{urlencode(query)}" if query else "")
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": content_type, "Accept": "application/json"}
        data = None if body is None else json.dumps(body).encode()
        try:
            answer = self._send(self._kept.connection, method, target, data, headers)
        except (AttributeError, http.client.HTTPException, ConnectionError, ssl.SSLError):
            self._kept.connection = self.connect()
            self._open.append(self._kept.connection)
            answer = self._send(self._kept.connection, method, target, data, headers)
        text = answer.read()
        try:
            document = json.loads(text) if text else None
        except ValueError:
            document = {"message": text.decode(errors="replace")}
        if answer.status >= 400:
            raise Refused(f"{method} {path}", answer.status, document or {})
        return document

    @staticmethod
    def _send(
        connection: http.client.HTTPConnection, method: str, target: str, data: bytes | None, headers: dict[str, str]
    ) -> http.client.HTTPResponse:
        try:
            connection.request(method, target, data, headers)
            return connection.getresponse()
        except (http.client.HTTPException, OSError):
            connection.close()
            raise

    def close(self) -> None:
        """Close its connections, those of other threads too."""
        while self._open:
            self._open.pop().close()

    def get(self, resource: str, namespace: str = "", name: str = "") -> JSON:
        """One object."""
        return dict(self.ask("GET", path_of(resource, namespace, name)))

    def find(self, resource: str, namespace: str = "", name: str = "") -> JSON | None:
        """One object, or None when there is none."""
        try:
            return self.get(resource, namespace, name)
        except Refused as refused:
            if refused.code == 404:
                return None
            raise

    def items(self, resource: str, namespace: str = "", **query: Any) -> list[JSON]:
        """All objects, without their kind."""
        return list(self.ask("GET", path_of(resource, namespace), **query)["items"])

    def create(self, resource: str, namespace: str, body: JSON, **query: Any) -> JSON:
        """Make an object."""
        return dict(self.ask("POST", path_of(resource, namespace), body, **query))

    def replace(self, resource: str, namespace: str, body: JSON, **query: Any) -> JSON:
        """Write an object as a whole."""
        return dict(self.ask("PUT", path_of(resource, namespace, body["metadata"]["name"]), body, **query))

    def apply(self, resource: str, namespace: str, body: JSON, manager: str = "test", **query: Any) -> JSON:
        """Server-side apply, forced."""
        path = path_of(resource, namespace, body["metadata"]["name"])
        return dict(self.ask("PATCH", path, body, APPLY, fieldManager=manager, force="true", **query))

    def patch(self, resource: str, namespace: str, name: str, body: Any, kind: str = MERGE, **query: Any) -> JSON:
        """Merge patch, or another kind."""
        return dict(self.ask("PATCH", path_of(resource, namespace, name), body, kind, **query))

    def delete(self, resource: str, namespace: str, name: str, **options: Any) -> None:
        """Delete an object; it may be gone already."""
        try:
            self.ask("DELETE", path_of(resource, namespace, name), options or None)
        except Refused as refused:
            if refused.code != 404:
                raise

    def watch(self, resource: str, namespace: str = "", version: str = "", timeout_s: int = 60) -> Iterator[JSON]:
        """Events from a version on, until the server ends the watch."""
        connection = self.connect(timeout_s + 10)
        query = urlencode({"watch": "true", "resourceVersion": version, "timeoutSeconds": timeout_s})
        headers = {"Authorization": f"Bearer {self.token}"}
        try:
            connection.request(
                "GET", f"{self._url.path.rstrip('/')}{path_of(resource, namespace)}?{query}", headers=headers
            )
            for line in connection.getresponse():
                yield json.loads(line)
        finally:
            connection.close()
