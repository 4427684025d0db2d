"""Additions of one reading to the rows of a journal: the result of a step of the meter, before it is merged."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

import msgspec

from streamusage.api.report import Peak, ViewerRow
from streamusage.core.figures import SlotSums, StreamTraffic
from streamusage.core.usage import StreamId


class SpanAddition(NamedTuple):
    """An interval and how it is accounted for. `reason` is one of `core.reasons`, empty for a counted interval."""

    from_ms: int
    to_ms: int
    state: Literal["counted", "partial", "lost"]
    reason: str = ""


class SlotAddition(SlotSums[int, int], kw_only=True):
    """Figures that a reading adds to one slot."""

    connections: Counter[str] = msgspec.field(default_factory=Counter)
    peak_in: Peak | None = None
    peak_out: Peak | None = None


class StreamAddition(SlotSums[int, int], kw_only=True, gc=False):
    """Part of one stream in what a reading adds to one slot."""

    connections: int = 0
    traffic: StreamTraffic
    """How its bytes are known."""


@dataclass(slots=True)
class SessionAddition:
    """State of one session at a reading. `joined` is an increment; the other fields replace the earlier state."""

    scope: str
    name: str
    start_time: int
    end_time: int
    live: bool
    active: int = 0
    highest: int = 0
    joined: int = 0


@dataclass(slots=True)
class SampleAddition:
    """Subscribers of a stream in a slot: the last number and the highest."""

    active: int
    highest: int


@dataclass(slots=True)
class Additions:
    """Everything that one reading adds. `viewers` contains the connections that opened, closed or changed."""

    slots: dict[int, SlotAddition] = field(default_factory=dict)
    spans: list[SpanAddition] = field(default_factory=list)
    sessions: dict[str, SessionAddition] = field(default_factory=dict)
    samples: dict[tuple[int, str, str], SampleAddition] = field(default_factory=dict)
    viewers: dict[str, ViewerRow] = field(default_factory=dict)
    streams: dict[int, dict[StreamId, StreamAddition]] = field(default_factory=dict)
    """The parts of streams, by slot. What they leave of a slot is not by stream."""
    earlier_ms: dict[str, int] = field(default_factory=dict)
    """By how much viewers who were there when accounting began prove to have begun earlier. Nothing is added for it: a
    journal that turns out to have a predecessor adds it to its first reading.
    """

    def slot(self, slot: int) -> SlotAddition:
        """Return the addition to a slot; it is created at its first use."""
        return self.slots.setdefault(slot, SlotAddition())
