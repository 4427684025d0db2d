"""What a journal keeps of the agent's state, and the transactions in which it keeps it."""

from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

import msgspec

from streamusage.agent.journal.rows import JournalTotals, Row, RowKey
from streamusage.agent.reading import Reading
from streamusage.api.report import Based, Baseline, OutageRow, SampleRow, SpanRow, ViewerRow


class Head(msgspec.Struct, frozen=True, kw_only=True):
    """The journal's one record that is not a row."""

    journal: str
    baseline: Baseline | None = None
    span: SpanRow | None = None
    """The newest span, which the next reading mostly extends."""
    outage: OutageRow | None = None
    """The outage that is going on, also across starts of the agent."""
    revision: int = 0
    acknowledged: int = 0
    counted: JournalTotals = JournalTotals()
    """Everything that this journal has to hand over, its bridge included."""
    handed_over: JournalTotals = JournalTotals()
    """What of it the service acknowledged."""
    epoch: int = 0
    """0 until the service issued one."""
    based_on: Based | None = None
    """Set from the issue of the epoch to its first acknowledgement."""
    life: int = 0
    """The present life: a journal begins one each time it is put on a state of the service."""
    lives: int = 0
    """How many lives there were; each has a bridge of its own."""
    must_ask: bool = True
    """Whether an epoch, or a newer state for it, must be asked for before the next report."""
    fenced: bool = False
    """Whether another journal took over, or this one is an older copy of itself: it cannot report any more."""


class Transaction(Protocol):
    """One transaction of a journal: all of it is durable once it ended well, and nothing of it otherwise."""

    def head(self) -> Head | None: ...
    def put_head(self, head: Head) -> None: ...
    def get(self, kind: type[Any], key: RowKey) -> Any: ...
    def put(self, key: RowKey, row: Row) -> None: ...
    def delete(self, kind: type[Any], key: RowKey) -> None: ...
    def changed_since(self, revision: int) -> Iterable[Row]: ...
    def oldest_slot_since(self, revision: int) -> int | None:
        """The beginning of the oldest slot that changed since a revision; `None` where none did."""
        ...

    def samples_between(self, from_ms: int, to_ms: int) -> Iterable[SampleRow]:
        """The samples of slots that begin in the interval."""
        ...

    def open_viewers(self) -> Iterable[ViewerRow]: ...
    def prune(self, kind: type[Any] | None, before_ms: int, revision: int) -> None:
        """Forgets the rows up to a revision that were done (`done_at`) by the instant; of one kind, or of all."""
        ...

    def first_reading(self) -> Reading | None: ...
    def put_first_reading(self, reading: Reading) -> None: ...
    def bridge(self, life: int) -> Sequence[Row]: ...
    def put_bridge(self, life: int, rows: Sequence[Row]) -> None: ...


class Journal(Protocol):
    """Where the agent's state outlives the agent."""

    def transaction(self) -> AbstractContextManager[Transaction]: ...
