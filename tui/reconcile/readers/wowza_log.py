"""Access logs of Wowza Streaming Engine: W3C fields, delimited by tabs, with a line for each event. Pure.

Figures of a line are sums since the stream or the connection began, so only its last line counts: `destroy` of a
stream, `disconnect` of a connection. The bytes of a connection contain those of its streams and the overhead of the
protocol.
"""

from collections.abc import Sequence

from streamusage.access_logs.web.values import parse_time
from tui.reconcile.entries import Basis, Entry, name_stream

FIELDS = "#Fields:"
DEFAULT_FIELDS = (
    *("date", "time", "tz", "x-event", "x-category", "x-severity", "x-status", "x-ctx", "x-comment", "x-vhost"),
    *("x-app", "x-appinst", "x-duration", "s-ip", "s-port", "s-uri", "c-ip", "c-proto", "c-referrer", "c-user-agent"),
    *("c-client-id", "cs-bytes", "sc-bytes", "x-stream-id", "x-spos", "cs-stream-bytes", "sc-stream-bytes"),
    *("x-sname", "x-sname-query", "x-file-name", "x-file-ext", "x-file-size", "x-file-length", "x-suri"),
    *("x-suri-stem", "x-suri-query", "cs-uri-stem", "cs-uri-query"),
)
"""Fields of a log without a header, as Wowza is installed."""

NEEDED = frozenset(("date", "time", "x-event", "x-category", "sc-stream-bytes", "x-app", "x-sname"))
_UTC_NAMES = frozenset(("utc", "gmt", "z", "etc/utc", "+0000", "+00:00"))


class WowzaLogReader:
    """A `LineReader` of Wowza's access log."""

    name = "wowza"
    basis = Basis.PAYLOAD

    def __init__(self) -> None:
        self._use(DEFAULT_FIELDS)

    def _use(self, names: Sequence[str]) -> None:
        self._places = {name: place for place, name in enumerate(names)}
        self._count = len(names)

    @property
    def missing(self) -> list[str]:
        """Needed fields that the header lacks."""
        return sorted(NEEDED - self._places.keys())

    def read(self, line: bytes) -> Entry | None:
        """As `LineReader.read`."""
        text = line.decode("utf-8", "backslashreplace")
        if text.startswith(FIELDS):
            self._use(text.removeprefix(FIELDS).split())
            return None
        values = text.split("\t")
        if len(values) != self._count or self.missing:
            return None
        return self._entry(values)

    def _entry(self, values: Sequence[str]) -> Entry | None:
        event, category = self._text(values, "x-event"), self._text(values, "x-category")
        if (event, category) not in (("destroy", "stream"), ("disconnect", "session")):
            return None
        time = parse_time(f"{self._text(values, 'date')} {self._text(values, 'time')}{self._offset(values)}")
        if time is None:
            return None
        if category == "session":
            sent, received = self._number(values, "sc-bytes"), self._number(values, "cs-bytes")
            return None if sent is None else Entry(time.at, "whole connection", bytes_out=sent, bytes_in=received)
        sent, received = self._number(values, "sc-stream-bytes"), self._number(values, "cs-stream-bytes")
        duration_ms = self._duration_ms(values)
        if sent is None:
            return None
        is_play = not received
        app, instance = self._text(values, "x-app"), self._text(values, "x-appinst")
        scope = app if instance in ("", "_definst_") else f"{app}/{instance}"
        return Entry(
            time.at,
            "connection",
            stream=name_stream(scope, self._text(values, "x-sname")),
            bytes_out=sent,
            bytes_in=received or 0,
            view_time_ms=duration_ms if is_play else 0,
            connections=int(is_play),
            duration_ms=duration_ms,
        )

    def _offset(self, values: Sequence[str]) -> str:
        """Return the offset of the line's time; empty for a zone that is a name such as `CET`."""
        return "Z" if self._text(values, "tz").lower() in _UTC_NAMES else ""

    def _text(self, values: Sequence[str], name: str) -> str:
        place = self._places.get(name)
        return "" if place is None or values[place] == "-" else values[place]

    def _number(self, values: Sequence[str], name: str) -> int | None:
        text = self._text(values, name)
        if not text:
            return 0
        return int(text) if text.isascii() and text.isdecimal() and len(text) <= 16 else None

    def _duration_ms(self, values: Sequence[str]) -> int:
        try:
            return max(0, min(int(float(self._text(values, "x-duration") or 0) * 1000), 2**40))
        except (ValueError, OverflowError):
            return 0

    def is_comment(self, line: bytes) -> bool:
        """Return whether a line is a header, empty, or another event."""
        if line[:1] == b"#" or not line.strip():
            return True
        values = line.decode("utf-8", "backslashreplace").split("\t")
        if len(values) != self._count or self.missing:
            return False
        event = (self._text(values, "x-event"), self._text(values, "x-category"))
        return event not in (("destroy", "stream"), ("disconnect", "session"))
