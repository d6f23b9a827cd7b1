"""`docker build` as people type it, by buildah: what docs/installation.md needs where no container engine is.

`python -m tests.support.kube.docker build [--target T] [--file F] --tag NAME CONTEXT` builds from the tests' base image and puts the image
into the OCI layout that ASYA_TEST_IMAGES names, from where tests/e2e/test_pages.py loads it into the node. Nothing else of docker is here.
"""

import argparse
import os
import sys
from pathlib import Path

from tests.support.kube.images import build, push


def main() -> None:
    """Build one image."""
    parser = argparse.ArgumentParser(prog="docker")
    parser.add_argument("verb", choices=["build"])
    parser.add_argument("--target")
    parser.add_argument("--file")
    parser.add_argument("--tag", required=True)
    parser.add_argument("context", type=Path)
    found = parser.parse_args()
    name = found.tag if "/" in found.tag else f"docker.io/library/{found.tag}"  # as docker understands it
    options = [f"--{key}={value}" for key in ("target", "file") if (value := getattr(found, key))]
    build(name, found.context, None, *options)
    push(name, Path(os.environ["ASYA_TEST_IMAGES"]))
    sys.stdout.write(f"built {name}\n")


if __name__ == "__main__":
    main()
