"""The page: template, style, scripts and recording in one file, which loads nothing else. Pure but for its assets.

What comes from outside is data: it is escaped text, or JSON in an element that is never run. Style and scripts run by
their hashes only.
"""

import base64
import hashlib
import json
import re
import zlib
from collections.abc import Sequence
from html import escape
from importlib.resources import files

import msgspec

from tui.recording.page.encoding import EncodedFrame
from tui.recording.page.marks import TimeMark
from tui.recording.page.palette import PageStyle

_ASSETS = files("tui.recording.page") / "assets"
_SCRIPTS = ("inflate.js", "film.js", "shapes.js", "grid.js", "clock.js", "player.js")
_PLACE = re.compile(r"\{\{(\w+)\}\}")


class FilmedView(msgspec.Struct):
    """A view of the console, and its frames."""

    name: str
    frames: list[EncodedFrame]


class PageRecording(msgspec.Struct, kw_only=True):
    """What a page plays."""

    title: str
    from_ms: int = msgspec.field(name="from")
    to_ms: int = msgspec.field(name="to")
    zone: str
    """Name of the time zone in which the page shows times."""
    columns: int
    lines: int
    palette: list[PageStyle]
    marks: list[TimeMark]


def encode_page(recording: PageRecording, views: Sequence[FilmedView]) -> bytes:
    """Return the file."""
    style, script = _asset("page.css"), "".join(map(_asset, _SCRIPTS))
    packed = zlib.compress(_json(views).encode(), 9)
    parts = {
        "policy": f"default-src 'none'; script-src '{_hash(script)}'; style-src '{_hash(style)}'; "
        "base-uri 'none'; form-action 'none'",
        "title": escape(recording.title),
        "style": style,
        "script": script,
        "recording": _json(recording).replace("<", "\\u003c"),
        "frames": base64.b64encode(packed).decode(),
    }
    return _PLACE.sub(lambda place: parts[place[1]], _asset("page.html")).encode()


def _asset(name: str) -> str:
    return _ASSETS.joinpath(name).read_text("utf-8")


def _json(value: object) -> str:
    return json.dumps(msgspec.to_builtins(value), ensure_ascii=False, separators=(",", ":"))


def _hash(content: str) -> str:
    """Return the source of a Content-Security-Policy that admits an element of this content."""
    return f"sha256-{base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()}"
