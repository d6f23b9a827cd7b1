"""Certificates for a TLS server in a test: an authority of one's own and a server's certificate that it has signed. Made by `openssl`."""

from __future__ import annotations

import subprocess
from pathlib import Path


class Authority:
    """`ca` is what clients trust; `issue` makes a server's certificate and key."""

    def __init__(self, folder: Path, name: str) -> None:
        self._folder = folder
        self.ca, self.key = folder / f"{name}.pem", folder / f"{name}.key"
        subject = ["-subj", f"/CN={name}", "-addext", "basicConstraints=critical,CA:TRUE"]
        openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", *subject, "-keyout", self.key, "-out", self.ca)

    def issue(self, host: str, *more: str) -> tuple[Path, Path]:
        """Certificate and key of a server (or client) that may call itself `host` and nothing else; `more` such as `IP:127.0.0.1`."""
        certificate, key, request = (self._folder / f"{host}.{kind}" for kind in ("pem", "key", "csr"))
        names = self._folder / f"{host}.names"
        names.write_text(f"subjectAltName={','.join((f'DNS:{host}', *more))}\n")
        openssl("req", "-newkey", "rsa:2048", "-nodes", "-subj", f"/CN={host}", "-keyout", key, "-out", request)
        signer = ["-CA", self.ca, "-CAkey", self.key, "-CAcreateserial", "-days", "2"]
        openssl("x509", "-req", "-in", request, *signer, "-extfile", names, "-out", certificate)
        return certificate, key


def openssl(*arguments: object) -> None:
    """One command."""
    subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True, timeout=60)
