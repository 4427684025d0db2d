"""How a stream is written on the command line, and read back: `SCOPE/NAME`, the same in both directions. Pure.

The last slash parts the scope from the name. A slash inside the name is written `%2F`, and a percent sign that would
otherwise be read as the start of `%2F` or `%25` is written `%25`; every other character stands for itself.
"""

import re

from streamusage.core.usage import EmptyNameError, StreamId, parse_stream

_ESCAPES = re.compile("%(2[fF]|25)")


def written(stream: StreamId) -> str:
    """The stream as `read` takes it."""
    return f"{_guarded(stream.scope)}/{_guarded(stream.name).replace('/', '%2F')}"


def read(text: str) -> StreamId:
    """The stream that was written. Raises `EmptyNameError` where the scope or the name is empty."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raise EmptyNameError(f"a stream is named in UTF-8, got {text!r}") from None
    stream = parse_stream(text)
    return StreamId(_plain(stream.scope), _plain(stream.name))


def _guarded(text: str) -> str:
    return _ESCAPES.sub(lambda found: f"%25{found[1]}", text)


def _plain(text: str) -> str:
    return _ESCAPES.sub(lambda found: "%" if found[1] == "25" else "/", text)
