"""What one reading adds to the rows of a journal: the meter's answer, before it is folded into totals."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from streamusage.api.report import Peak, ViewerRow


class SpanAddition(NamedTuple):
    """An interval and how it is accounted for."""

    from_ms: int
    to_ms: int
    state: Literal["counted", "partial", "lost"]
    reason: str = ""


@dataclass(slots=True)
class SlotAddition:
    """What a reading adds to one slot."""

    connections: Counter[str] = field(default_factory=Counter)
    bytes_in: int = 0
    bytes_out: int = 0
    view_time_ms: int = 0
    peak_in: Peak | None = None
    peak_out: Peak | None = None


@dataclass(slots=True)
class SessionAddition:
    """What a reading says of one session: `joined` adds up, the rest is how it stands now."""

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
    """Subscribers of a stream in a slot: the last number seen and the highest."""

    active: int
    highest: int


@dataclass(slots=True)
class Additions:
    """Everything that one reading adds. `viewers` are the connections that opened, closed or changed."""

    slots: dict[int, SlotAddition] = field(default_factory=dict)
    spans: list[SpanAddition] = field(default_factory=list)
    sessions: dict[str, SessionAddition] = field(default_factory=dict)
    samples: dict[tuple[int, str, str], SampleAddition] = field(default_factory=dict)
    viewers: dict[str, ViewerRow] = field(default_factory=dict)

    def slot(self, slot: int) -> SlotAddition:
        """The addition to a slot, made where there is none yet."""
        return self.slots.setdefault(slot, SlotAddition())
