"""The address at which the service listens, and its certificate."""

import socket
import ssl
from dataclasses import dataclass
from pathlib import Path

from streamusage.core.addresses import Address

BACKLOG = 2048
"""How many connections wait to be accepted."""


class ListenError(Exception):
    """The address cannot be listened on. The message names it and the cause."""


class TlsError(Exception):
    """The certificate or its key cannot be used. The message names the file and the cause."""


@dataclass(frozen=True)
class Tls:
    """The files of a certificate, with its chain, and of its key."""

    certificate: Path
    key: Path

    def load_into(self, context: ssl.SSLContext) -> None:
        """Load both files into the context. Raises `TlsError`."""
        try:
            context.load_cert_chain(self.certificate, self.key, password=_no_password)
        except (OSError, ValueError) as error:  # SSLError is an OSError
            cause = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
            raise TlsError(f"cannot use the certificate {self.certificate} with the key {self.key}: {cause}") from None

    def context(self) -> ssl.SSLContext:
        """Return a new server context with both files loaded. Raises `TlsError`."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        self.load_into(context)
        return context


def _no_password() -> str:
    raise ValueError("the key is encrypted; use an unencrypted key")


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens at the address; port 0 takes a free one. Raises `ListenError`."""
    try:
        listener = bind(host, port)
        try:
            listener.listen(BACKLOG)
        except BaseException:
            listener.close()
            raise
    except (OSError, OverflowError, UnicodeError) as error:
        cause = getattr(error, "strerror", None) or str(error)
        raise ListenError(
            f"cannot listen on {Address(host, port)}: {cause}; give another address with --listen HOST:PORT"
        ) from None
    return listener


def bind(host: str, port: int) -> socket.socket:
    """Return a socket that has the address and does not listen yet.

    Raises `OSError`, `OverflowError` or `UnicodeError`.
    """
    family, kind, protocol, _, address = socket.getaddrinfo(
        host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP, flags=socket.AI_PASSIVE
    )[0]
    # asyncio disables Nagle's algorithm, which costs 40 ms an answer, only for an explicit protocol.
    bound = socket.socket(family, kind, protocol)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(address)
        bound.setblocking(False)
    except BaseException:
        bound.close()
        raise
    return bound
