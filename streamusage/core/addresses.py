"""Addresses HOST:PORT as people write them, in every option and setting. Pure.

    | text             | host        | port |
    |------------------|-------------|------|
    | `127.0.0.1:5080` | `127.0.0.1` | 5080 |
    | `localhost:0`    | `localhost` | 0: the system chooses a free port |
    | `[::1]:5080`     | `::1`       | 5080 |
    | `::1:5080`       | `::1`       | 5080 |

The host is a name, an IPv4 or an IPv6 address; brackets around an IPv6 address are optional. The port is a number of
ASCII digits from 0 to 65535.
"""

from ipaddress import AddressValueError, IPv6Address
from typing import NamedTuple

from streamusage.core.text import quote_input

HIGHEST_PORT = 65_535


class AddressError(ValueError):
    """The text is not an address HOST:PORT. The text has examples."""


class Address(NamedTuple):
    """Host and port. As text, an IPv6 host is in brackets."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"{bracket_host(self.host)}:{self.port}"


def bracket_host(host: str) -> str:
    """Return a host as it is written before a port: an IPv6 address in brackets."""
    return f"[{host}]" if ":" in host else host


def parse_host_port(text: str) -> Address:
    """Return the host and the port of an address. Raises `AddressError`."""
    host, _, port = text.strip().rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    digits = port.lstrip("0") or port[-1:]
    if (
        not _is_host(host)
        or not (digits.isascii() and digits.isdecimal())
        or len(digits) > len(str(HIGHEST_PORT))
        or int(digits) > HIGHEST_PORT
    ):
        raise AddressError(
            f"{quote_input(text)} is not HOST:PORT; expected a host and a port from 0 to {HIGHEST_PORT}, such as "
            "127.0.0.1:5080 or [::1]:5080"
        )
    return Address(host, int(digits))


def _is_host(host: str) -> bool:
    """Whether a listener could resolve the host: no spaces, no control characters, and no label that is too long."""
    if ":" in host:
        try:
            IPv6Address(host)
        except AddressValueError:
            return False
    try:
        host.encode("idna")
    except UnicodeError:
        return False
    return bool(host) and host.isprintable() and " " not in host
