"""A control plane to work with by hand: `python -m tests.support.kube [--without-keda]`. Ctrl-C ends it."""

import argparse
import signal
import sys

from tests.support.kube.cluster import CONTROLLER, SYSTEM, own_cluster


def main() -> None:
    """Start it, say where it is, and wait."""
    parser = argparse.ArgumentParser(prog="python -m tests.support.kube", description=__doc__)
    parser.add_argument("--without-keda", action="store_true", help="leave KEDA's CRDs out")
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    cluster = own_cluster(keda=not arguments.without_keda)
    try:
        sys.stdout.write(f"export KUBECONFIG={cluster.kubeconfig}\n")
        sys.stdout.flush()
        sys.stderr.write(
            f"# API server {cluster.server}, logs in {cluster.plane.folder}\n"
            f"# the controller's rights: kubectl create token {CONTROLLER} --namespace {SYSTEM}\n"
            "# Ctrl-C ends it\n"
        )
        signal.pause()
    except KeyboardInterrupt:
        sys.stderr.write("ending\n")
    finally:
        cluster.close()


if __name__ == "__main__":
    main()
