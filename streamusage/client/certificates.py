"""The certificates that a client trusts."""

import ssl
from pathlib import Path

from streamusage.client.errors import InvalidAddressError


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
