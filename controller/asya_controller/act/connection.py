"""How the API server is reached: address, certificates, credentials and the connections.

Made once by `__main__`. The `kubernetes` package reads kubeconfig or the pod's own account and makes the pool; its models, its watch and
its informer are not used (docs/architecture.md says why). Must not know what is asked.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import urllib3
from kubernetes import client, config

from asya_controller.act.wire import Wire

USER_AGENT = "asya-controller"
NAMESPACE_FILE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")


TOKEN_FOR_S = 10.0
"""The package is asked for the token so often: with a kubeconfig it reads its whole environment for each answer."""


@dataclass(slots=True)
class Connection:
    """A server and how to enter it. `namespace` is the controller's own, where its lease lives."""

    base: str
    prefix: str
    """Path under which the API lies; empty unless something stands in front of the server."""
    wire: Wire
    namespace: str
    settings: client.Configuration
    _headers: Mapping[str, str] = field(default_factory=dict)
    _ask_at: float = 0.0

    def headers(self) -> Mapping[str, str]:
        """What every request carries; a token that ends is read again by the package."""
        now = time.monotonic()
        if now >= self._ask_at:
            token = self.settings.get_api_key_with_prefix("BearerToken")
            self._headers = {"User-Agent": USER_AGENT, **({"Authorization": token.strip()} if token else {})}
            self._ask_at = now + TOKEN_FOR_S
        return self._headers


def connect(connections: int, kubeconfig: str | None = None, namespace: str | None = None) -> Connection:
    """The cluster we run in, else the one that kubeconfig names (`KUBECONFIG`, `~/.kube/config`).

    Raises:
        ConfigException: there is neither, or it cannot be used.
    """
    settings = client.Configuration()
    own = "default"
    if kubeconfig is None and NAMESPACE_FILE.exists():
        config.load_incluster_config(client_configuration=settings)  # type: ignore[no-untyped-call]
        own = NAMESPACE_FILE.read_text().strip() or own
    else:
        config.load_kube_config(config_file=kubeconfig, client_configuration=settings)  # type: ignore[no-untyped-call]
    return connection_of(settings, connections, namespace or own)


def connection_of(settings: client.Configuration, connections: int, namespace: str) -> Connection:
    """A connection by settings that are read already; also for the command, which may be told a context."""
    settings.retries = urllib3.Retry(0)  # what is repeated, and when, is decided by those who ask
    base = settings.host.rstrip("/")
    # The package's pool knows certificates and proxies; it makes the connections, and keeps none of them.
    pool = client.ApiClient(settings).rest_client.pool_manager.connection_from_url(base)
    # One connection for each watch and each worker: fewer would be opened anew all the time.
    return Connection(base, urlsplit(base).path, Wire(pool, base, connections), namespace, settings)
