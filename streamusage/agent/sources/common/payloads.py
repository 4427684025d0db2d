"""JSON and XML responses of media servers as checked values. Pure: bytes in, values or a `SourceError` out."""

from typing import Annotated, TypeVar
from xml.etree.ElementTree import Element, ParseError, XMLParser

import msgspec
from msgspec import Meta

from streamusage.agent.reading import UnreadableAnswerError

MAX_COUNT = 2**53

Count = Annotated[int, Meta(ge=0, le=MAX_COUNT)]
"""A counter value: an integer that is not negative and exact in JSON."""

Figure = int | float
"""A figure that may be no count: `streamusage.agent.sources.common.figures` checks it, and the reading stays usable."""

SignedCount = Annotated[int, Meta(ge=-MAX_COUNT, le=MAX_COUNT)]
"""An age by a server's wall clock: negative while that clock is before the start, because it was set back."""

Payload = TypeVar("Payload")


def decode_json(body: bytes, payload_type: type[Payload], endpoint: str) -> Payload:
    """Return a JSON body as the given type. Raises `SourceError` for any other body."""
    try:
        return msgspec.json.decode(body, type=payload_type)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise UnreadableAnswerError(f"{endpoint} returned an unexpected response: {error}") from None


def parse_xml(body: bytes, endpoint: str) -> Element:
    """Return the root of an XML body. Raises `SourceError` for anything but XML without a document type."""
    if b"\0" in body or b"<!DOCTYPE" in body.upper() or b"<!ENTITY" in body.upper():
        raise UnreadableAnswerError(f"{endpoint} returned XML with a document type, which this server never writes")
    parser = XMLParser(encoding="utf-8")
    try:
        parser.feed(body)
        root: Element = parser.close()
    except (ParseError, ValueError) as error:
        raise UnreadableAnswerError(f"{endpoint} returned a response that is not XML ({error})") from None
    return root


def parse_child_count(element: Element, name: str, endpoint: str) -> int:
    """Return the count in a child element. Raises `SourceError` if the child is missing or no count."""
    text = (element.findtext(name) or "").strip()
    if not (text.isascii() and text.isdigit() and len(text) <= 16 and int(text) <= MAX_COUNT):
        raise UnreadableAnswerError(f"{endpoint}: <{element.tag[:32]}> has no valid <{name}>")
    return int(text)
