"""A private certificate authority, created with openssl, and a certificate for 127.0.0.1 that it signed."""

import subprocess
from pathlib import Path
from typing import NamedTuple

_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2")


class Signed(NamedTuple):
    """Paths of the authority's certificate, and of the server's certificate and key."""

    authority: Path
    certificate: Path
    key: Path


def sign(folder: Path) -> Signed:
    """Create the authority and the server's certificate in a directory."""
    authority, authority_key = folder / "authority.pem", folder / "authority-key.pem"
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    _openssl("req", "-x509", *_KEY, "-subj", "/CN=authority of a test", "-keyout", authority_key, "-out", authority)
    _openssl(
        *("req", "-x509", *_KEY, "-CA", authority, "-CAkey", authority_key, "-subj", "/CN=127.0.0.1"),
        *("-addext", "subjectAltName=IP:127.0.0.1", "-addext", "basicConstraints=CA:FALSE"),
        *("-keyout", key, "-out", certificate),
    )
    return Signed(authority, certificate, key)


def _openssl(*arguments: str | Path) -> None:
    subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)


def sign_client(folder: Path, *, password: str = "") -> Signed:
    """Create a client's certificate and key in a directory where `sign` created the authority."""
    certificate, key = folder / "client.pem", folder / "client-key.pem"
    protected = ("-passout", f"pass:{password}") if password else ()
    kind = tuple(part for part in _KEY if part != "-nodes") if password else _KEY
    _openssl(
        *("req", "-x509", *kind, *protected, "-CA", folder / "authority.pem", "-CAkey", folder / "authority-key.pem"),
        *("-subj", "/CN=client of a test", "-addext", "basicConstraints=CA:FALSE", "-keyout", key, "-out", certificate),
    )
    return Signed(folder / "authority.pem", certificate, key)
