"""Figures of one hour that must agree and do not, as `GET /api/v1/disagreements` lists them. Pure.

Each has the two figures that were compared. Which figure is which depends on the kind:

    | kind             | figure         | `first`                           | `second`                               |
    |------------------|----------------|-----------------------------------|----------------------------------------|
    | `sessions-slots` | `view_time_ms` | by the subscribers of sessions    | by the slots                           |
    | `origin-edges`   | `bytes`        | what the origin sent of a stream  | what its edges received of it          |
    | `counters-log`   | `viewers`      | who left by the server's counters | those of them whom the log explains    |
"""

from typing import Literal

import msgspec

from streamusage.core.text import shorten_line

DisagreementKind = Literal["sessions-slots", "origin-edges", "counters-log"]
ComparedFigure = Literal["view_time_ms", "bytes", "viewers"]

SIDES: dict[DisagreementKind, tuple[str, str]] = {
    "sessions-slots": ("view time by sessions", "by slots"),
    "origin-edges": ("the origin sent", "edges received"),
    "counters-log": ("viewers who left by counters", "by the log"),
}
"""What `first` and `second` are, in words."""


class Disagreement(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Two figures of one UTC hour that differ by more than the threshold."""

    hour: int
    """Start of the hour."""
    kind: DisagreementKind
    server: str
    """The server; for `origin-edges` the origin."""
    figure: ComparedFigure
    first: int
    second: int
    found_at: int
    scope: str = ""
    """The stream; empty if the figures are of the whole server."""
    name: str = ""
    edges: tuple[str, ...] = ()
    """For `origin-edges` the edges that carried the stream."""

    @property
    def servers(self) -> tuple[str, ...]:
        """All servers whose figures were compared."""
        return (self.server, *self.edges)

    @property
    def subject(self) -> str:
        """The server, and the stream if it is about one, in printable characters."""
        return shorten_line(f"{self.server} {self.scope}/{self.name}" if self.scope or self.name else self.server)

    def describe(self) -> str:
        """Return what disagrees, with both figures, in one printable line."""
        first, second = SIDES[self.kind]
        unit = {"view_time_ms": " ms", "bytes": " bytes", "viewers": ""}[self.figure]
        edges = f" ({shorten_line(', '.join(self.edges))})" if self.edges else ""
        return f"{self.subject}: {first} {self.first:,}{unit}, {second}{edges} {self.second:,}{unit}"


class Disagreements(msgspec.Struct, frozen=True, kw_only=True):
    """Disagreements of the hours that begin in a time, oldest first."""

    now: int
    threshold_percent: float
    """Differences up to this are tolerated; 0: nothing is compared."""
    waiting_from: int | None
    """The first hour of that time that is not compared yet; `None` if all are that are over."""
    disagreements: list[Disagreement]
