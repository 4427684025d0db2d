"""The statistics page of nginx-rtmp (`rtmp_stat all`) as values. Pure: bytes in, a `StatPage` or a `StatError` out.

The page is written by nginx from names that publishers and viewers choose. nginx escapes them and puts a space for
every byte outside printable ASCII; anything that nginx never writes (a document type, a comment) is refused unread.
"""

from collections.abc import Iterator
from ipaddress import ip_address
from xml.etree.ElementTree import Element, ParseError, XMLParser

import msgspec

from streamusage.agent.reading import PublishReading, ViewerReading

NAMELESS = "(no name)"
"""Stands for a stream that was published or played under an empty name."""

_LARGEST = 2**53


class StatError(ValueError):
    """The page is not one that can be counted from; the text says why, for an operator."""


class StatPage(msgspec.Struct, frozen=True, kw_only=True):
    """One worker's view of itself."""

    pid: int
    uptime_s: int
    """Whole seconds since the configuration was loaded. A worker that replaces a crashed one goes on with it."""
    bytes_in: int
    bytes_out: int
    publishes: tuple[PublishReading, ...]
    viewers: tuple[ViewerReading, ...]


def parse_stat(body: bytes) -> StatPage:
    """Reads the page. Raises `StatError`, and nothing else, for anything that is not a complete one."""
    root = _root(body)
    publishes: dict[str, PublishReading] = {}
    viewers: dict[str, ViewerReading] = {}
    for scope, stream in _streams(root):
        name = stream.findtext("name") or NAMELESS
        for client in stream.iterfind("client"):
            connection_id = str(_number(client, "id"))
            if connection_id in publishes or connection_id in viewers:
                continue
            age_ms = max(0, _number(client, "time", signed=True))
            if client.find("publishing") is not None:
                publishes[connection_id] = PublishReading(
                    publish_id=connection_id, scope=scope, name=name, age_ms=age_ms
                )
            elif not _is_outgoing_relay(client):
                viewers[connection_id] = ViewerReading(
                    viewer_id=connection_id, scope=scope, name=name, protocol="rtmp", age_ms=age_ms
                )
    return StatPage(
        pid=_number(root, "pid"),
        uptime_s=_number(root, "uptime", signed=True),
        bytes_in=_number(root, "bytes_in"),
        bytes_out=_number(root, "bytes_out"),
        publishes=tuple(publishes.values()),
        viewers=tuple(viewers.values()),
    )


def _root(body: bytes) -> Element:
    # In UTF-16 the check for a document type would see nothing; the parser takes it whatever encoding it is given.
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


def _streams(root: Element) -> Iterator[tuple[str, Element]]:
    """Every stream with the application that it is in, live ones and files that are played."""
    applications = root.findall("server/application")
    shown = False
    for application in applications:
        scope = application.findtext("name") or NAMELESS
        for section in (*application.iterfind("live"), *application.iterfind("play")):
            shown = True
            for stream in section.iterfind("stream"):
                if stream.find("client") is None and stream.findtext("nclients") not in (None, "0"):
                    raise StatError("the page leaves its clients out: it needs `rtmp_stat all;`")
                yield scope, stream
    if applications and not shown:
        raise StatError("the page leaves its streams out: it needs `rtmp_stat all;` and an application with `live on;`")


def _is_outgoing_relay(client: Element) -> bool:
    """Whether it is this server's own connection to another one (`push`), which plays the stream but is no viewer.

    The name alone does not tell, since a viewer may call itself so; but only a relay has a URL where others have an
    IP address.
    """
    if client.findtext("flashver") != "ngx-local-relay":
        return False
    try:
        ip_address(client.findtext("address") or "")
    except ValueError:
        return True
    return False


def _number(element: Element, name: str, *, signed: bool = False) -> int:
    text = element.findtext(name) or ""
    digits = text.removeprefix("-") if signed else text
    if not (digits.isascii() and digits.isdigit() and len(digits) <= 16 and int(digits) <= _LARGEST):
        raise StatError(f"the page has no usable <{name}> in <{element.tag[:32]}>")
    return int(text)
