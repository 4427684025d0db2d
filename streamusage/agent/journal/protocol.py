"""Protocol of a journal: the agent's persistent state and the transactions that change it."""

from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

import msgspec

from streamusage.agent.journal.rows import JournalTotals, Row, RowKey
from streamusage.agent.reading import Reading
from streamusage.api.report import Based, Baseline, OutageRow, SampleRow, SpanRow, ViewerRow


class ConfirmedOffset(msgspec.Struct, frozen=True):
    """The time of day minus the elapsed time in one run, as the service confirmed it."""

    run: str
    offset_ms: int


class UndatedRun(msgspec.Struct, frozen=True):
    """A run whose time of day is not known yet: its offset on the undated scale, and its first and last time."""

    run: str
    offset_ms: int
    first_ms: int
    last_ms: int


class AcknowledgedMark(msgspec.Struct, frozen=True):
    """What the service had acknowledged at a time of its own clock."""

    at_ms: int
    revision: int
    covered_to: int
    """Up to where it had the coverage of the journal."""


class Head(msgspec.Struct, frozen=True, kw_only=True):
    """State of the journal apart from its rows. It is encoded by these field names."""

    journal: str
    baseline: Baseline | None = None
    span: SpanRow | None = None
    """The newest span, which the next reading usually extends."""
    outage: OutageRow | None = None
    """The current outage, which may have begun before the agent was restarted."""
    revision: int = 0
    acknowledged: int = 0
    counted: JournalTotals = JournalTotals()
    """Sum of everything that this journal counted, its bridge included."""
    handed_over: JournalTotals = JournalTotals()
    """The part of `counted` that the service acknowledged."""
    epoch: int = 0
    """0 until the service issued one."""
    based_on: Based | None = None
    """The state that the epoch continues from; set from its issue to its first acknowledgement."""
    life: int = 0
    """The present life: a journal begins a new one each time it is attached to a state of the service."""
    lives: int = 0
    """Number of lives so far; each has its own bridge."""
    must_ask: bool = True
    """Whether an epoch, or a newer state for it, must be requested before the next report."""
    acknowledged_to: int | None = None
    """Up to where the service has the coverage of this journal; `None` before the first acknowledgement."""
    acknowledged_marks: tuple[AcknowledgedMark, ...] = ()
    """What was acknowledged when, once a day, oldest first: rows are kept for some time after that."""
    discarded_to: int = 0
    """Slots before it are discarded here once the service has had them for some time; it lies in no slot after the
    `covered_to` of the mark of that time."""
    lists_viewers: bool = False
    """Whether the next report contains every open viewer: what the service has of them is not known here."""
    active_epoch: int = 0
    """The newest epoch in which the service acknowledged a report of this journal."""
    confirmed: ConfirmedOffset | None = None
    """By which the readings of its run are dated."""
    undated: tuple[UndatedRun, ...] = ()
    """The runs since the last confirmed one. Nothing is reported before they are dated."""
    stores_streams: bool = False
    """Whether the service stores figures by stream: no other is sent them."""
    streams_from: int = 0
    """The slot from which on the journal has figures by stream."""
    fenced: bool = False
    """Whether another journal took over, or this one is an older copy of itself: it can no longer report."""


class Transaction(Protocol):
    """One transaction of a journal: after a normal end all of it is durable, otherwise nothing."""

    def head(self) -> Head | None:
        """Return the head; `None` in a new journal."""
        ...

    def put_head(self, head: Head) -> None:
        """Replace the head."""
        ...

    def get(self, kind: type[Any], key: RowKey) -> Any:
        """Return the journal's own row of a kind and key; `None` where there is none."""
        ...

    def put(self, key: RowKey, row: Row) -> None:
        """Insert or replace one of the journal's own rows."""
        ...

    def delete(self, kind: type[Any], key: RowKey) -> None:
        """Delete one of the journal's own rows, if it exists."""
        ...

    def changed_since(self, revision: int) -> Iterable[Row]:
        """Return the journal's own rows that changed after a revision."""
        ...

    def oldest_slot_since(self, revision: int) -> int | None:
        """Return the start of the oldest slot that changed since a revision; `None` where none did."""
        ...

    def count_since(self, revision: int) -> int:
        """Return how many of the journal's own rows changed after a revision."""
        ...

    def samples_between(self, from_ms: int, to_ms: int) -> Iterable[SampleRow]:
        """Return the samples of slots that start in the interval."""
        ...

    def open_viewers(self) -> Iterable[ViewerRow]:
        """Return the viewers that are not known to have left."""
        ...

    def prune(self, kind: type[Any] | None, before_ms: int, revision: int) -> None:
        """Delete rows up to a revision that were done (`done_at`) by an instant; of one kind, or of all kinds."""
        ...

    def prune_oldest(self, kind: type[Any], most_bytes: int) -> int | None:
        """Delete the rows of the oldest slots of a kind whose key is the slot, so that the others have at most so many
        bytes. Return the newest slot that was deleted; `None` if none was.
        """
        ...

    def first_reading(self) -> Reading | None:
        """Return the reading with which the journal began; `None` before it."""
        ...

    def put_first_reading(self, reading: Reading) -> None:
        """Store the reading with which the journal begins."""
        ...

    def bridge(self, life: int) -> Sequence[Row]:
        """Return the bridge of a life (see `ledger`)."""
        ...

    def put_bridge(self, life: int, rows: Sequence[Row]) -> None:
        """Store the bridge of a life."""
        ...

    def clear(self) -> None:
        """Delete everything: the head, all rows, the first reading and the bridges."""
        ...


class Journal(Protocol):
    """Storage of the agent's state that survives the agent."""

    def transaction(self) -> AbstractContextManager[Transaction]:
        """Return one transaction as a context manager."""
        ...

    def record_sent(self, journal: str, revision: int) -> None:
        """Record, apart from the transactions, that a report up to a revision is about to be sent. A failure changes
        nothing.
        """
        ...
