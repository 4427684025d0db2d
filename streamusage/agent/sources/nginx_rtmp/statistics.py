"""The statistics page of nginx-rtmp (`rtmp_stat all`) as values. Pure: bytes in, a `StatPage` or a `StatError` out.

The page contains names that publishers and viewers choose. nginx escapes them and writes a space for each byte outside
printable ASCII. A page with anything that nginx never writes (a document type, a comment) is refused before parsing.
"""

from collections.abc import Iterable, Iterator
from ipaddress import ip_address
from xml.etree.ElementTree import Element, ParseError, XMLParser

import msgspec

from streamusage.agent.reading import PublishReading, ViewerReading

NAMELESS = "(no name)"
"""Replaces an empty scope or stream name."""

_MAX_NUMBER = 2**53


class StatError(ValueError):
    """The page is not usable. The text names the reason."""


class StatPage(msgspec.Struct, frozen=True, kw_only=True):
    """The statistics of the worker that responded."""

    pid: int
    uptime_s: int
    """Whole seconds since the configuration was loaded. A worker that replaces a crashed one reports the same."""
    bytes_in: int
    bytes_out: int
    publishes: tuple[PublishReading, ...]
    viewers: tuple[ViewerReading, ...]


def parse_stat(body: bytes) -> StatPage:
    """Return the content of the page. Raises `StatError`, and nothing else, for anything but a complete page."""
    root = _parse_root(body)
    publishes: dict[str, PublishReading] = {}
    viewers: dict[str, ViewerReading] = {}
    for scope, name, stream in _name_streams(_iterate_streams(root)):
        publisher_id = _publisher_id(stream)
        for client in stream.iterfind("client"):
            connection_id = str(_parse_number(client, "id"))
            if connection_id in publishes or connection_id in viewers:
                continue
            age_ms = max(0, _parse_number(client, "time", signed=True))
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
                    protocol="rtmp",
                    age_ms=age_ms,
                    publish_id=publisher_id,
                )
    return StatPage(
        pid=_parse_number(root, "pid"),
        uptime_s=_parse_number(root, "uptime", signed=True),
        bytes_in=_parse_number(root, "bytes_in"),
        bytes_out=_parse_number(root, "bytes_out"),
        publishes=tuple(publishes.values()),
        viewers=tuple(viewers.values()),
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
    if root.tag != "rtmp":
        raise StatError("the page is XML, but not the statistics of nginx-rtmp")
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


def _parse_number(element: Element, name: str, *, signed: bool = False) -> int:
    text = element.findtext(name) or ""
    digits = text.removeprefix("-") if signed else text
    if not (digits.isascii() and digits.isdigit() and len(digits) <= 16 and int(digits) <= _MAX_NUMBER):
        raise StatError(f"<{element.tag[:32]}> has no valid <{name}>")
    return int(text)
