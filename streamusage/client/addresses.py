"""The address of a service. Plain addresses are read here; the others are left to httpx, whose import takes longer.

| address                                 | read here                        |
|-----------------------------------------|----------------------------------|
| `http://sm.example.net:5080/`           | yes                              |
| `https://10.0.0.1/usage`                | yes                              |
| `http://[::1]:5080`, `http://münchen`   | no: another notation of the host |
| `http://sm/?x`, `ftp://sm`, `http://sm:0` | no: wrong, or unusual          |
"""

import re
from typing import NamedTuple

_LABEL = "[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_NAME = rf"(?:{_LABEL}\.)*[a-z](?:[a-z0-9-]{{0,61}}[a-z0-9])?"
_NUMBER = "(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
_PLAIN = re.compile(
    rf"(?P<scheme>https?)://(?P<host>{_NAME}|{_NUMBER}(?:\.{_NUMBER}){{3}})(?::(?P<port>[1-9][0-9]{{0,4}}))?"
    rf"(?P<path>(?:/[A-Za-z0-9_-]+)*)/?",
    re.ASCII,
)
_DEFAULT_PORTS = {"http": 80, "https": 443}


class ServiceAddress(NamedTuple):
    """A checked address."""

    url: str
    """In the spelling in which requests are sent, without a slash at its end."""
    scheme: str
    """`http` or `https`."""
    host: str
    """Host and port, used in messages; the scheme's own port is left out."""


def parse_plain(text: str) -> ServiceAddress | None:
    """Return a plain address; `None` if it is another one, or wrong."""
    found = _PLAIN.fullmatch(text.strip())
    if found is None:
        return None
    port = int(found["port"] or _DEFAULT_PORTS[found["scheme"]])
    if port > 65_535:
        return None
    host = found["host"] if port == _DEFAULT_PORTS[found["scheme"]] else f"{found['host']}:{port}"
    return ServiceAddress(f"{found['scheme']}://{host}{found['path']}", found["scheme"], host)
