"""A cluster to work with by hand: `python -m tests.support.kube [--without-keda] [--node]`. Ctrl-C ends it.

Without `--node` a control plane alone, with our CRD: `make cluster-api`. With it a whole cluster with a RabbitMQ, and the mesh installed in
it: `make cluster`.
"""

import argparse
import os
import shlex
import signal
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

from tests.support.kube.binaries import binaries
from tests.support.kube.cluster import CONTROLLER, SYSTEM, own_cluster
from tests.support.kube.installation import Installation
from tests.support.kube.real import broker_for_pods, real_cluster


def main() -> None:
    """Start it, say where it is, and wait."""
    parser = argparse.ArgumentParser(prog="python -m tests.support.kube", description=__doc__)
    parser.add_argument("--without-keda", action="store_true", help="leave KEDA out")
    parser.add_argument(
        "--node", action="store_true", help="with a node, KEDA itself, RabbitMQ and the mesh; needs root"
    )
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with ExitStack() as stack:
        start = whole_cluster if arguments.node else control_plane
        try:
            start(stack, keda=not arguments.without_keda)
            sys.stderr.write(f"# Ctrl-C ends it, and so does: kill {os.getpid()}\n")
            signal.pause()
        except KeyboardInterrupt:
            sys.stderr.write("ending\n")


def control_plane(stack: ExitStack, *, keda: bool) -> None:
    """An API server with the CRDs, and nothing that runs pods."""
    cluster = own_cluster(keda=keda)
    stack.callback(cluster.close)
    announce(cluster.kubeconfig)
    sys.stderr.write(
        f"# API server {cluster.server}, logs in {cluster.plane.folder}\n"
        f"# the controller's rights: kubectl create token {CONTROLLER} --namespace {SYSTEM}\n"
    )


def whole_cluster(stack: ExitStack, *, keda: bool) -> None:
    """Everything: pods run, queues exist, actors scale. Namespace `default` has the broker's credentials."""
    sys.stderr.write("# starting; another run that has the node of this machine is waited for\n")
    cluster = stack.enter_context(real_cluster(keda=keda))
    broker = stack.enter_context(broker_for_pods())
    vhost = stack.enter_context(broker.vhost())
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="asya-overlay-")))
    installation = Installation(cluster, broker, vhost, folder)
    installation.apply()
    installation.secret("default")
    installation.ready()
    announce(cluster.kubeconfig)
    sys.stderr.write(
        f"# API server {cluster.plane.server}, the node's logs in {cluster.node.folder}\n"
        f"# images: {' '.join(cluster.node.images())}\n"
        f"# RabbitMQ: virtual host {vhost}, {broker.management_url} (user and password: guest)\n"
        f"# applied with: kubectl apply -k {installation.overlay}\n"
    )


def announce(kubeconfig: Path) -> None:
    """What a shell needs, on stdout: `eval` may read it."""
    sys.stdout.write(
        f"export KUBECONFIG={shlex.quote(str(kubeconfig))} PATH={shlex.quote(str(binaries()['kubectl'].parent))}:$PATH\n"
    )
    sys.stdout.flush()


if __name__ == "__main__":
    main()
