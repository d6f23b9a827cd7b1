"""The images of the tests, without a registry: a Python base made by debootstrap, and ours, made from it by the project's own Dockerfile.

`layout()` gives them as one OCI layout for tests/support/kube/node.py. All is kept in the cache folder of tools/cluster-binaries, the
base once per machine, the rest by what it is made of. `python -m tests.support.kube.images` builds them ahead of the tests.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

from tests.support.console import ROOT
from tests.support.kube.binaries import binaries
from tests.support.kube.node import PAUSE

CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "asya-mesh"
BASE = "localhost/python:3.11"
VERSION = "0.1.0"
OURS = {target: f"docker.io/library/asya-{target}:{VERSION}" for target in ("controller", "sidecar", "crew")}
"""Target of the Dockerfile -> image, as the manifests name it, in full."""
HANDLERS = ("localhost/handlers:1", "localhost/handlers:2")
"""Each a target of tests/e2e/handlers/Dockerfile, called after its tag: v1, v2."""
HANDLER_FILES = ROOT / "tests" / "e2e" / "handlers"
SOURCES = (
    "Dockerfile", "pyproject.toml", "uv.lock", "README.md", "LICENSE", "schemas/asya_schemas", "transport", "controller", "sidecar",
    "crew", "cli", "runtime", "tests/e2e/handlers",
)  # fmt: skip
PACKAGES = ("python3", "python3-venv", "ca-certificates")
SUITE = "bookworm"
CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")
PASSED_ON = ("SSL_CERT_FILE", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy")
KEPT_LAYOUTS = 4
KEPT_IMAGES = 600  # one for each line of a Dockerfile


def run(*command: str | Path, within_s: float = 600) -> str:
    """The output of a command.

    Raises:
        AssertionError: it failed; the message has its last words.
    """
    done = subprocess.run(
        [str(part) for part in command], capture_output=True, text=True, timeout=within_s, check=False
    )
    assert done.returncode == 0, f"{' '.join(map(str, command))}: {(done.stdout + done.stderr)[-4000:]}"
    return done.stdout


def buildah(verb: str, *arguments: str | Path) -> str:
    """One command on our own storage. Niced, as everything that builds."""
    storage = ("--root", CACHE / "buildah", "--runroot", CACHE / "buildah-run", "--storage-driver", "overlay")
    return run("nice", "-n", "2", "buildah", *storage, verb, *arguments).strip()


def layout() -> Path:
    """The OCI layout of the present sources: base, pause, ours, handlers. Builds what is missing; minutes on a new machine."""
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / "images.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        folder = CACHE / f"images-{_key()}"
        if not folder.exists():
            _build(folder)
            _forget()
        os.utime(folder)
        return folder


def _key() -> str:
    """Of everything that goes into them."""
    found = hashlib.sha256(_base_key().encode())
    for path in _files():
        found.update(f"{path.relative_to(ROOT)}\0".encode() + path.read_bytes())
    return found.hexdigest()[:12]


def _files() -> Iterator[Path]:
    for name in SOURCES:
        place = ROOT / name
        inside = sorted(place.rglob("*")) if place.is_dir() else [place]
        yield from (path for path in inside if path.is_file() and "__pycache__" not in path.parts)


def _build(folder: Path) -> None:
    _need_base()
    build(PAUSE, binaries("node")["pause"].parent, 'FROM scratch\nCOPY pause /pause\nENTRYPOINT ["/pause"]\n')
    for target, name in OURS.items():
        build(name, ROOT, None, "--target", target)
    for name in HANDLERS:
        build(name, HANDLER_FILES, None, "--target", f"v{name[-1]}")
    unfinished = Path(tempfile.mkdtemp(dir=CACHE, prefix="build-"))
    for name in (BASE, PAUSE, *OURS.values(), *HANDLERS):
        push(name, unfinished)
    unfinished.rename(folder)


def build(name: str, context: Path, dockerfile: str | None, *options: str) -> None:
    """An image from a folder, by the Dockerfile in it or the one given."""
    with tempfile.NamedTemporaryFile("w", suffix=".Dockerfile") as file:
        file.write(dockerfile or "")
        file.flush()
        which = ("--file", file.name) if dockerfile else ()
        base = ("--build-arg", f"BASE={BASE}")
        # No container engine, so no namespaces of its own for the steps; layers are kept, so that a change of ours installs nothing anew.
        how = ("--isolation", "chroot", "--pull=never", "--layers", "--tag", name)
        buildah("build", *how, *base, *options, *which, context)


def push(name: str, folder: Path) -> None:
    """Into an OCI layout, not compressed: then a layer that is there is known by its digest, and the base is written once.

    `buildah push` would compress each layer for each image anew, a minute for all.
    """
    storage = f"containers-storage:[overlay@{CACHE / 'buildah'}+{CACHE / 'buildah-run'}]{name}"
    how = ("--insecure-policy", "copy", "--quiet", "--dest-oci-accept-uncompressed-layers")
    run("nice", "-n", "2", "skopeo", *how, storage, f"oci:{folder}:{name}")


def _forget() -> None:
    """Keep the cache from growing with every change."""
    found = sorted(CACHE.glob("images-*"), key=lambda folder: folder.stat().st_mtime, reverse=True)
    for folder in found[KEPT_LAYOUTS:]:
        if folder.is_symlink():  # somebody keeps them on another disk
            folder.unlink()
        else:
            shutil.rmtree(folder)
    if len(buildah("images", "--all", "--quiet").split()) > KEPT_IMAGES:
        buildah(
            "rm", "--all"
        )  # left by a build that was killed; nobody else builds now, and they would hold their images
        buildah("rmi", "--prune")


def _base_key() -> str:
    """What the base is made of, this machine's way to packages and certificates included."""
    parts = [SUITE, *PACKAGES, *map("=".join, sorted(_ways().items()))]
    if CERTIFICATES.exists():
        parts.append(hashlib.sha256(CERTIFICATES.read_bytes()).hexdigest())
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:12]


@cache
def _ways() -> dict[str, str]:
    """How this machine reaches package indexes, as variables for the build. They stay in the cache and enter nothing of the project."""
    found = {k: v for k, v in os.environ.items() if k in PASSED_ON or k.startswith(("PIP_", "UV_INDEX", "UV_DEFAULT"))}
    for line in run(sys.executable, "-m", "pip", "config", "list").splitlines():
        key, _, value = line.partition("=")
        if key.startswith(("global.", "user.", "site.")):
            found.setdefault(f"PIP_{key.partition('.')[2].upper().replace('-', '_')}", value.strip("'"))
    if "PIP_INDEX_URL" in found:
        found.setdefault("UV_DEFAULT_INDEX", found["PIP_INDEX_URL"])
    return {name: value for name, value in found.items() if not value.startswith("/") or value == str(CERTIFICATES)}


def _mirror() -> str:
    """Where this machine gets its own packages of that suite."""
    targets = run("apt-get", "indextargets", "--format", "$(REPO_URI)", f"Codename: {SUITE}").split()
    assert targets, (
        f"no source of Debian {SUITE} in /etc/apt, expected one to make the base image from: add it, then apt-get update"
    )
    return targets[0]


def _need_base() -> None:
    kept = f"{BASE}-{_base_key()}"
    if not buildah("images", "--quiet", "--filter", f"reference={kept}"):
        with tempfile.TemporaryDirectory(dir=CACHE, prefix="build-") as name:
            root = Path(name) / "root"
            run(
                "nice",
                "-n",
                "10",
                "debootstrap",
                "--variant=minbase",
                f"--include={','.join(PACKAGES)}",
                SUITE,
                root,
                _mirror(),
            )
            for archive in (root / "var/cache/apt/archives").glob("*.deb"):
                archive.unlink()
            if CERTIFICATES.exists():
                shutil.copy(CERTIFICATES, root / CERTIFICATES.relative_to("/"))
            container = buildah("from", "scratch")
            buildah("copy", "--quiet", container, root, "/")
            for variable, value in _ways().items():
                buildah("config", "--env", f"{variable}={value}", container)
            buildah("config", "--env", "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", container)
            buildah("config", "--cmd", "/bin/bash", container)
            buildah("commit", "--quiet", "--rm", container, kept)
    buildah("tag", kept, BASE)


class Image:
    """One image of an OCI layout, to look inside."""

    def __init__(self, folder: Path, name: str) -> None:
        self._blobs = folder / "blobs" / "sha256"
        index = json.loads((folder / "index.json").read_text())
        named = {one["annotations"]["org.opencontainers.image.ref.name"]: one["digest"] for one in index["manifests"]}
        self._manifest = self._document(named[name])
        self.config: dict[str, Any] = self._document(self._manifest["config"]["digest"])["config"]

    def _document(self, digest: str) -> dict[str, Any]:
        return dict(json.loads((self._blobs / digest.partition(":")[2]).read_text()))

    def layers(self) -> list[str]:
        """Digests, the base's first."""
        return [one["digest"] for one in self._manifest["layers"]]

    def size(self, beyond: Image) -> int:
        """Bytes of the layers that the other one does not have, uncompressed."""
        own = (digest for digest in self.layers() if digest not in beyond.layers())
        return sum((self._blobs / digest.partition(":")[2]).stat().st_size for digest in own)

    def files(self, beyond: Image) -> list[str]:
        """Paths of the files in those layers."""
        return sorted(self._members(digest for digest in self.layers() if digest not in beyond.layers()))

    def _members(self, digests: Iterable[str]) -> Iterator[str]:
        for digest in digests:
            with tarfile.open(self._blobs / digest.partition(":")[2]) as archive:
                yield from (member.name for member in archive if not member.isdir())


if __name__ == "__main__":
    sys.stdout.write(f"{layout()}\n")
