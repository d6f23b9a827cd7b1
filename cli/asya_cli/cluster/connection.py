"""Finds the cluster as kubectl does: `--context`, `--namespace`, `KUBECONFIG`, else `~/.kube/config`, else the pod's own account.

Called by every verb that speaks to a cluster. Turns what goes wrong on the way into the command's words and exit code 3.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version

from asya_cli.errors import Failure, ProblemsFound, Unreachable, UsageMistake
from asya_controller.act.api import Api
from asya_controller.act.api_errors import ApiError, NoAnswer
from asya_controller.act.connection import NAMESPACE_FILE, connection_of

CONNECTIONS = 8


@dataclass(frozen=True, slots=True)
class Cluster:
    """A cluster to speak to. `namespace` is the one meant where none is named; `context` is empty inside a pod."""

    api: Api
    server: str
    namespace: str
    context: str


def reach(context: str | None, namespace: str | None) -> Cluster:
    """The cluster that the user means. Nothing is sent yet.

    Raises:
        Unreachable: there is no configuration, or it cannot be used.
        UsageMistake: the context does not exist.
    """
    from kubernetes import client, config
    from kubernetes.config.config_exception import ConfigException

    settings = client.Configuration()
    own, name = "default", ""
    given = os.environ.get("KUBECONFIG") or None  # the package reads it once, when it is imported
    try:
        if context is None and NAMESPACE_FILE.exists():
            config.load_incluster_config(client_configuration=settings)  # type: ignore[no-untyped-call]
            own = NAMESPACE_FILE.read_text().strip() or own
        else:
            contexts, active = config.list_kube_config_contexts(config_file=given)  # type: ignore[no-untyped-call]
            if context is not None:
                active = next((one for one in contexts if one["name"] == context), None)
                if active is None:
                    known = ", ".join(str(one["name"]) for one in contexts)
                    raise UsageMistake(f"--context {context}: no such context in the kubeconfig; there are {known}")
            config.load_kube_config(given, context=context, client_configuration=settings)  # type: ignore[no-untyped-call]
            name = str(active["name"])
            own = str(active["context"].get("namespace") or own)
    except ConfigException as error:
        raise Unreachable(
            f"no cluster to speak to: {str(error).rstrip('.')}; name one with KUBECONFIG or --context"
        ) from None
    connection = connection_of(settings, CONNECTIONS, namespace or own)
    return Cluster(Api(connection, lambda _code, _method: None), connection.base, connection.namespace, name)


@contextmanager
def asked(cluster: Cluster) -> Iterator[None]:
    """What a cluster answers, or that it does not, as the command says it.

    Raises:
        Unreachable: no answer: with the address and the reason.
        Failure: a refusal, in the server's words.
    """
    try:
        yield
    except NoAnswer as error:
        raise Unreachable(f"cannot reach the cluster at {cluster.server}: {reason(error)}") from None
    except ApiError as error:
        raise refused(cluster, error) from None


def refused(cluster: Cluster, error: ApiError) -> Failure:
    """An answer that ends the command."""
    if error.code == 401:
        where = f" of context {cluster.context}" if cluster.context else ""
        return Unreachable(f"{cluster.server} does not accept the credentials{where}: {error.message}")
    if error.code >= 500 or error.code == 429:
        return Unreachable(f"{cluster.server} cannot answer now: {error}")
    return ProblemsFound(f"{cluster.server} refuses: {error.message}")


def reason(error: NoAnswer) -> str:
    """The last and most exact of the causes that the HTTP library nests."""
    cause: BaseException | None = error.__cause__
    found = ""
    while cause is not None:
        found = getattr(cause, "strerror", None) or found
        inner = getattr(cause, "reason", None)
        cause = inner if isinstance(inner, BaseException) else cause.__cause__ or cause.__context__
    return found or error.message


def own_version() -> str:
    """The version of this command."""
    return version("asya-mesh")
