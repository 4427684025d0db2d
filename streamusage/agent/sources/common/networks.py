"""IP addresses of clients, as media servers and logs write them, and the networks that contain them. Pure."""

from collections.abc import Iterable, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

Network = IPv4Network | IPv6Network


def parse_address(text: str) -> IPv4Address | IPv6Address | None:
    """Return the IP address of a text with or without port; None for any other text, such as a host name.

    An IPv4 address inside an IPv6 one (`::ffff:192.0.2.10`) is returned as IPv4.
    """
    text = text.strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def is_in(text: str, networks: Iterable[Network]) -> bool:
    """Return whether one of the networks contains an address; False for a text without an address."""
    address = parse_address(text)
    return address is not None and any(address in network for network in networks)


def client_address(addresses: Sequence[str], trusted: Sequence[Network]) -> str:
    """Return the last address that is no trusted proxy: anyone can write those before it.

    A peer on a Unix socket is a proxy on the same machine, therefore trusted. Returns the first address where all are
    trusted, an empty text without any.
    """
    for address in reversed(addresses):
        if not address.startswith("unix:") and not is_in(address, trusted):
            return address
    return addresses[0] if addresses else ""
