"""Formats and parses a stream on the command line: `SCOPE/NAME`, in both directions. Pure.

The last slash separates the scope from the name. A slash inside the name is written `%2F`, and a percent sign that
would otherwise be read as the start of `%2F` or `%25` is written `%25`; every other character is literal.
"""

import re

from streamusage.core.usage import EmptyNameError, StreamId, parse_stream

_ESCAPES = re.compile("%(2[fF]|25)")


def format_stream_name(stream: StreamId) -> str:
    """Return the stream in the form that `parse_stream_name` accepts."""
    return f"{_guarded(stream.scope)}/{_guarded(stream.name).replace('/', '%2F')}"


def parse_stream_name(text: str) -> StreamId:
    """Return the stream of a text. Raises `EmptyNameError` if the scope or the name is empty."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raise EmptyNameError(f"a stream's name must be UTF-8, not {text!r}") from None
    stream = parse_stream(text)
    return StreamId(_plain(stream.scope), _plain(stream.name))


def _guarded(text: str) -> str:
    return _ESCAPES.sub(lambda found: f"%25{found[1]}", text)


def _plain(text: str) -> str:
    return _ESCAPES.sub(lambda found: "%" if found[1] == "25" else "/", text)
