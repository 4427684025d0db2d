"""Which proxy a request goes through: that of the settings, else that of the environment, unless `NO_PROXY` names it.

| `NO_PROXY`                      | excepts                                                    |
|---------------------------------|------------------------------------------------------------|
| `*`                             | every host                                                 |
| `example.net`, `.example.net`   | the host `example.net` and all hosts below it              |
| `10.1.2.3`, `[::1]`             | the address                                                |
| `10.0.0.0/8`, `fd00::/8`        | every address of the network                               |
| `127.0.0.0/8`, `::1`            | the addresses, and the host `localhost`                    |
| `sm.example.net:5080`           | the host at this port only                                 |
"""

import ipaddress
import os
import re
from collections.abc import Mapping
from urllib.parse import urlsplit

from streamusage.client.http_options import HttpOptions

_LOCALHOST = ("127.0.0.1", "::1")
_ADDRESS_PORT = re.compile(r"(?:\[(?P<six>[^\]]+)\]|(?P<host>[^:]+))(?::(?P<port>[0-9]+))?")


def chosen_proxy(scheme: str, host: str, options: HttpOptions, environment: Mapping[str, str] | None = None) -> str:
    """Return the URL of the proxy to `host`, which may have a port; empty where the connection is direct.

    Of two spellings of a variable, the one in lower case wins, as with other programs.
    """
    if options.proxy is not None:
        return options.proxy
    if not options.uses_environment:
        return ""
    variables = dict(os.environ if environment is None else environment)
    named = _variable(variables, f"{scheme}_proxy") or _variable(variables, "all_proxy")
    if not named or _is_excepted(scheme, host, _variable(variables, "no_proxy")):
        return ""
    return named if "://" in named else f"http://{named}"


def proxy_name(proxy: str) -> str:
    """Return the proxy's scheme, host and port, without a login; empty where there is no proxy."""
    if not proxy:
        return ""
    try:
        parts = urlsplit(proxy)
        return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
    except ValueError:
        return "of the environment"


def _variable(variables: Mapping[str, str], name: str) -> str:
    return (variables.get(name) or variables.get(name.upper()) or "").strip()


def _is_excepted(scheme: str, host: str, no_proxy: str) -> bool:
    found = _ADDRESS_PORT.fullmatch(host)
    name = ((found["six"] or found["host"]) if found else host).lower().rstrip(".")
    port = (found and found["port"]) or {"http": "80", "https": "443"}.get(scheme, "")
    return any(_matches(entry.lower(), name, port) for entry in re.split(r"[\s,]+", no_proxy) if entry)


def _matches(entry: str, name: str, port: str) -> bool:
    if entry == "*":
        return True
    entry = entry.partition("://")[2] or entry
    addresses = [address for text in (_LOCALHOST if name == "localhost" else (name,)) if (address := _address(text))]
    try:
        network = ipaddress.ip_network(entry.strip("[]"), strict=False)
    except ValueError:
        pass
    else:
        return any(address.version == network.version and address in network for address in addresses)
    found = _ADDRESS_PORT.fullmatch(entry)
    if found is None or (found["port"] and found["port"] != port):
        return False
    excepted = (found["six"] or found["host"]).removeprefix("*").lstrip(".").rstrip(".")
    if literal := _address(excepted):
        return literal in addresses
    return name == excepted or (not _address(name) and name.endswith(f".{excepted}"))


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None
