"""What icecast.xml states about statistics and the log. Pure."""

import xml.etree.ElementTree as Xml
from dataclasses import dataclass
from pathlib import Path


class IcecastConfigurationError(ValueError):
    """The text is no configuration of Icecast. The message never contains a password."""


@dataclass(frozen=True)
class IcecastFacts:
    """What an agent needs to know of Icecast."""

    url: str
    user: str
    password: str
    access_log: Path | None

    def __repr__(self) -> str:
        """Return the facts without the password."""
        return f"IcecastFacts({self.url!r}, {self.user!r}, {str(self.access_log)!r})"


def find_icecast_facts(text: str) -> IcecastFacts:
    """Return the facts of a configuration. Raises `IcecastConfigurationError`."""
    try:
        root = Xml.fromstring(text)
    except Xml.ParseError as error:
        line, column = error.position
        raise IcecastConfigurationError(f"not valid XML at line {line}, column {column}") from None
    if root.tag != "icecast":
        raise IcecastConfigurationError("the outermost element is not icecast")
    password = _text(root, "authentication/admin-password")
    if not password:
        raise IcecastConfigurationError("there is no admin-password, with which the statistics are read")
    return IcecastFacts(_find_url(root), _text(root, "authentication/admin-user") or "admin", password, _find_log(root))


def _find_url(root: Xml.Element) -> str:
    """Return the URL of the first socket without TLS, or else of the first one."""
    sockets = [
        (_text(socket, "ssl") in {"1", "true"} or _text(socket, "tls") in {"1", "true"}, socket)
        for socket in root.findall("listen-socket")
    ]
    sockets.sort(key=lambda found: found[0])
    is_tls, socket = sockets[0] if sockets else (False, root)
    host = _text(socket, "bind-address")
    if host in {"", "0.0.0.0", "::"}:  # not listened at
        host = "127.0.0.1"
    shown = f"[{host}]" if ":" in host else host
    return f"http{'s' if is_tls else ''}://{shown}:{_text(socket, 'port') or '8000'}"


def _find_log(root: Xml.Element) -> Path | None:
    name, folder = _text(root, "logging/accesslog") or "access.log", _text(root, "paths/logdir")
    if not folder:
        return None
    path = Path(folder) / name
    base = _text(root, "paths/basedir")
    is_changed_root = _text(root, "security/chroot") in {"1", "true"} and base
    return Path(base) / str(path).lstrip("/") if is_changed_root else path


def _text(element: Xml.Element, path: str) -> str:
    return (element.findtext(path) or "").strip()
