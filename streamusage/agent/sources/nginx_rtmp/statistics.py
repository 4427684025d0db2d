"""The statistics page of nginx-rtmp or nginx-http-flv (`rtmp_stat all`) as values.

Pure: bytes in, a `StatPage` or a `StatError` out.

The page contains names that publishers and viewers choose. nginx escapes them and writes a space for each byte outside
printable ASCII. A page with anything that nginx never writes (a document type, a comment) is refused before parsing.
"""

from collections.abc import Iterable, Iterator
from ipaddress import ip_address
from xml.etree.ElementTree import Element, ParseError, XMLParser

import msgspec

from streamusage.access_logs.nginx_rtmp import NAMELESS
from streamusage.agent.reading import PublishReading, StreamCounterReading, ViewerReading

HTTP_FLV_PLAYER = "flv_live 1.1"
"""What nginx-http-flv writes as the player's version (`flashver`) of each HTTP-FLV player."""

_ROOTS = {"rtmp", "http-flv"}
"""Root elements of the pages of nginx-rtmp and of nginx-http-flv."""

_MAX_NUMBER = 2**53


class StatError(ValueError):
    """The page is not usable. The text names the reason."""


class StatPage(msgspec.Struct, frozen=True, kw_only=True):
    """The statistics of the worker that responded."""

    pid: int
    uptime_s: int
    """Whole seconds since the configuration was loaded. A worker that replaces a crashed one reports the same."""
    bytes_in: int
    """-1 for a figure that is no count (negative, or above 2^53)."""
    bytes_out: int
    publishes: tuple[PublishReading, ...]
    viewers: tuple[ViewerReading, ...]
    stream_counters: tuple[StreamCounterReading, ...]


def parse_stat(body: bytes) -> StatPage:
    """Return the content of the page. Raises `StatError`, and nothing else, for anything but a complete page."""
    root = _parse_root(body)
    publishes: dict[str, PublishReading] = {}
    viewers: dict[str, ViewerReading] = {}
    stream_counters: dict[tuple[str, str], StreamCounterReading] = {}
    for scope, name, stream in _name_streams(_iterate_streams(root)):
        stream_counters.setdefault((scope, name), _parse_counter(scope, name, stream))
        publisher_id = _publisher_id(stream)
        for client in stream.iterfind("client"):
            connection_id = str(_parse_number(client, "id"))
            if connection_id in publishes or connection_id in viewers:
                continue
            age_ms = _parse_age_ms(client)
            if client.find("publishing") is not None:
                if _has_no_media(client, stream):
                    continue
                publishes[connection_id] = PublishReading(
                    publish_id=connection_id, scope=scope, name=name, age_ms=age_ms
                )
            elif not _is_outgoing_relay(client):
                viewers[connection_id] = ViewerReading(
                    viewer_id=connection_id,
                    scope=scope,
                    name=name,
                    protocol=protocol_of(client.findtext("flashver")),
                    age_ms=age_ms,
                    publish_id=publisher_id,
                    address=client.findtext("address") or "",
                    agent=client.findtext("flashver") or "",
                )
    return StatPage(
        pid=_parse_number(root, "pid"),
        uptime_s=_parse_signed(root, "uptime"),
        bytes_in=_parse_bytes(root, "bytes_in"),
        bytes_out=_parse_bytes(root, "bytes_out"),
        publishes=tuple(publishes.values()),
        viewers=tuple(viewers.values()),
        stream_counters=tuple(stream_counters.values()),
    )


def _name_streams(streams: Iterable[tuple[str, Element]]) -> Iterator[tuple[str, str, Element]]:
    """Yield scope, name and element of each stream. Of streams with one name, the id of the publisher is added to all
    but the one with the lowest id.

    The page has a space for each byte that it cannot carry, so that `a\\xff` and `a\\xfe` have one name on it; so have
    streams of two servers in one configuration.
    """
    by_name: dict[tuple[str, str], list[Element]] = {}
    for scope, stream in streams:
        by_name.setdefault((scope, stream.findtext("name") or NAMELESS), []).append(stream)
    for (scope, name), same in by_name.items():
        published = sorted((stream for stream in same if _publisher_id(stream)), key=lambda s: int(_publisher_id(s)))
        for stream in same:
            is_first = not _publisher_id(stream) or stream is published[0]
            yield scope, name if is_first else f"{name} [{_publisher_id(stream)}]", stream


def _publisher_id(stream: Element) -> str:
    """Return the connection id of a stream's publisher; empty without one."""
    publisher = next((client for client in stream.iterfind("client") if client.find("publishing") is not None), None)
    return "" if publisher is None else str(_parse_number(publisher, "id"))


def protocol_of(flashver: str | None) -> str:
    """Return the protocol of a player by its version, which is fixed for the HTTP-FLV players of nginx-http-flv."""
    return "flv" if flashver == HTTP_FLV_PLAYER else "rtmp"


def _parse_root(body: bytes) -> Element:
    # In UTF-16 the check for a document type would find nothing, and the parser may accept it despite its encoding.
    if b"\0" in body:
        raise StatError("the page is not XML in UTF-8")
    if b"<!" in body:
        raise StatError("the page has a document type or a comment, which nginx-rtmp never writes")
    parser = XMLParser(encoding="utf-8")
    try:
        parser.feed(body)
        root: Element = parser.close()
    except (ParseError, ValueError) as error:
        raise StatError(f"the page is not XML ({error})") from None
    if root.tag not in _ROOTS:
        raise StatError("the page is XML, but not the statistics of nginx-rtmp or nginx-http-flv")
    return root


def _iterate_streams(root: Element) -> Iterator[tuple[str, Element]]:
    """Yield each stream with its application as the scope: live streams and files that are played."""
    applications = root.findall("server/application")
    has_sections = False
    for application in applications:
        scope = application.findtext("name") or NAMELESS
        for section in (*application.iterfind("live"), *application.iterfind("play")):
            has_sections = True
            for stream in section.iterfind("stream"):
                if stream.find("client") is None and stream.findtext("nclients") not in (None, "0"):
                    raise StatError("the page has no clients; set `rtmp_stat all;`")
                yield scope, stream
    if applications and not has_sections:
        raise StatError("the page has no streams; set `rtmp_stat all;` and `live on;` in an application")


def _has_no_media(publisher: Element, stream: Element) -> bool:
    """Return whether a publisher has sent no media: it connected and sends nothing, or is about to be refused."""
    is_active = publisher.find("active") is not None or stream.find("active") is not None
    return not is_active and stream.findtext("bytes_in") == "0"


def _is_outgoing_relay(client: Element) -> bool:
    """Return whether the client is this server's own connection to another server (`push`), which is no viewer.

    The name is not sufficient, because a viewer may use the same name. Only a relay has a URL in place of an IP
    address.
    """
    if client.findtext("flashver") != "ngx-local-relay":
        return False
    try:
        ip_address(client.findtext("address") or "")
    except ValueError:
        return True
    return False


def _parse_number(element: Element, name: str) -> int:
    number = _parse_signed(element, name)
    if not 0 <= number <= _MAX_NUMBER:
        raise _invalid(element, name)
    return number


def _parse_bytes(element: Element, name: str) -> int:
    """Return a counter; -1 for one that is no count."""
    number = _parse_signed(element, name)
    return number if 0 <= number <= _MAX_NUMBER else -1


def _parse_counter(scope: str, name: str, stream: Element) -> StreamCounterReading:
    """Return the counters of a stream, which contain the payload that it queued for its viewers."""
    figures = {
        figure: None if stream.find(figure) is None or (count := _parse_bytes(stream, figure)) < 0 else count
        for figure in ("bytes_in", "bytes_out")
    }
    return StreamCounterReading(scope=scope, name=name, **figures)


def _parse_age_ms(client: Element) -> int:
    """Return the age of a client; 0, the least possible one, for a figure that is none."""
    age_ms = _parse_signed(client, "time")
    return age_ms if 0 <= age_ms <= _MAX_NUMBER else 0


def _parse_signed(element: Element, name: str) -> int:
    """Return a number. A negative one may be written as an unsigned number of 64 bits."""
    text = element.findtext(name) or ""
    digits = text.removeprefix("-")
    if not (digits.isascii() and digits.isdigit() and len(digits) <= 20):
        raise _invalid(element, name)
    number = int(text)
    return number - 2**64 if number >= 2**63 else number


def _invalid(element: Element, name: str) -> StatError:
    return StatError(f"<{element.tag[:32]}> has no valid <{name}>")
