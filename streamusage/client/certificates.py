"""The certificates that a client trusts, and the one that it shows."""

import os
import ssl
from pathlib import Path

from streamusage.client.errors import InvalidAddressError
from streamusage.client.http_options import HttpOptions


def trust_of_options(options: HttpOptions) -> ssl.SSLContext | None:
    """Return the certificates that options name; `None` where they name none. Raises `InvalidAddressError`."""
    if options.ca_file is None and options.client_cert is None:
        if options.client_key is not None:
            raise InvalidAddressError("client_key is given without client_cert, the certificate that belongs to it")
        return None
    context = ssl.create_default_context() if options.ca_file is None else trust_of_authority(options.ca_file)
    if options.ca_file is None and not (os.environ.get("SSL_CERT_FILE") or os.environ.get("SSL_CERT_DIR")):
        import certifi  # as httpx does without client certificates

        context.load_verify_locations(certifi.where())
    if options.client_cert is not None:
        _show_certificate(context, options.client_cert, options.client_key)
    return context


def trust_of_authority(ca_file: Path) -> ssl.SSLContext:
    """Return the system's certificates and those of a private authority. Raises `InvalidAddressError`."""
    context = ssl.create_default_context()
    try:
        context.load_verify_locations(ca_file)
    except (OSError, ssl.SSLError) as error:
        raise InvalidAddressError(f"the certificates in {ca_file} cannot be used: {error}") from None
    return context


def trust_of_nobody() -> ssl.SSLContext:
    """Return no certificate, for a service without TLS: reading the usual ones takes longer than a request."""
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def _show_certificate(context: ssl.SSLContext, certificate: Path, key: Path | None) -> None:
    """Show a certificate to a service that requests one. A key with a password is refused, not prompted for."""
    was_requested = []

    def refuse_password() -> bytes:
        was_requested.append(True)
        return b""

    try:
        context.load_cert_chain(certificate, key, password=refuse_password)
    except (OSError, ValueError) as error:  # an SSLError is an OSError
        cause = "its key has a password; decrypt the key into a file that only you can read" if was_requested else error
        files = f"{certificate} with the key {key}" if key is not None else str(certificate)
        raise InvalidAddressError(f"the client certificate {files} cannot be used: {cause}") from None
