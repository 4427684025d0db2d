"""Simulated disks, and the random decisions about faults.

The agent's journal, and the service's tables of one server, are dictionaries that change only when a transaction
commits.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from random import Random
from typing import Any

import msgspec

from streamusage.agent.journal.protocol import Head
from streamusage.agent.journal.rows import Row, done_at
from streamusage.agent.journal.sent_file import Sent, is_older
from streamusage.agent.reading import Reading
from streamusage.api.report import OutageRow, Report, SampleRow, SlotRow, ViewerRow
from streamusage.service.rules.apply import (
    AppliedReport,
    Piece,
    SampleKey,
    ServerState,
    StoredRows,
    StoredSample,
    StoredSlot,
    apply_part,
    may_omit_viewers,
)
from streamusage.service.rules.parts import ReportPart
from streamusage.service.rules.stream_slots import StoredStreams

SERVER = "edge-1"


class SimulatedCrashError(Exception):
    """The running process dies at this point."""


class Chance:
    """Decides by the seed which faults happen, and counts them."""

    def __init__(self, random: Random, crash_chance: float) -> None:
        self.random = random
        self.crash_chance = crash_chance
        self.on = False
        self.happened: dict[str, int] = {}

    def happens(self, fault: str, probability: float) -> bool:
        if not self.on or self.random.random() >= probability:
            return False
        self.happened[fault] = self.happened.get(fault, 0) + 1
        return True

    def crash(self, position: str) -> None:
        if self.happens(f"crash {position}", self.crash_chance):
            raise SimulatedCrashError(position)


class MemoryJournal:
    """A journal whose disk is a dictionary. The agent may die before or after each commit."""

    def __init__(self, chance: Chance) -> None:
        self.chance = chance
        self.disk: dict[str, Any] = {"rows": {}, "head": None, "first": None}
        self.older: list[dict[str, Any]] = []
        """States before the newest commits, to which a damaged log may fall back."""
        self.sent: Sent | None = None

    def record_sent(self, journal: str, revision: int) -> None:
        self.sent = Sent(journal, revision)

    def lose_commits(self, commits: int) -> bool:
        """Fall back to an older state, as SQLite does when its log is damaged. Return whether an agent continues with
        it; else it begins a new journal.
        """
        self.disk = self.older[-commits]
        self.older = []
        head = self.disk["head"]
        # One that has no head is a new journal, with a new name.
        return head is not None and not is_older(head.journal, head.revision, self.sent)

    @contextmanager
    def transaction(self) -> Iterator["MemoryTransaction"]:
        tx = MemoryTransaction(self.disk)
        yield tx
        if tx.wrote:
            self.chance.crash("before the journal's commit")
            self.older = [*self.older[-7:], {**self.disk, "rows": dict(self.disk["rows"])}]
            tx.commit()
            self.chance.crash("after the journal's commit")


class MemoryTransaction:
    """A `streamusage.agent.journal.protocol.Transaction` on the dictionary."""

    def __init__(self, disk: dict[str, Any]) -> None:
        self.disk = disk
        self.rows: dict[Any, Row] = {}
        self.parts: dict[str, Any] = {}
        self.pruned: set[Any] = set()

    @property
    def wrote(self) -> bool:
        return bool(self.rows or self.parts)

    def commit(self) -> None:
        for key in self.pruned:
            self.disk["rows"].pop(key, None)
        self.disk["rows"].update(self.rows)
        self.disk.update(self.parts)

    def head(self) -> Head | None:
        return self.parts.get("head", self.disk["head"])

    def put_head(self, head: Head) -> None:
        self.parts["head"] = head

    def get(self, kind: type[Any], key: str) -> Any:
        if (kind, key) in self.rows:
            return self.rows[kind, key]
        return None if (kind, key) in self.pruned else self.disk["rows"].get((kind, key))

    def put(self, key: str, row: Row) -> None:
        self.rows[type(row), key] = row

    def delete(self, kind: type[Any], key: str) -> None:
        self.rows.pop((kind, key), None)
        self.pruned.add((kind, key))

    def samples_between(self, from_ms: int, to_ms: int) -> Iterable[SampleRow]:
        rows = self._rows_of(self.disk["rows"], SampleRow) | self._rows_of(self.rows, SampleRow)
        return [row for row in rows.values() if from_ms <= row.slot < to_ms]

    def _rows_of(self, rows: dict[Any, Any], kind: type[Any]) -> dict[Any, Any]:
        return {key: row for key, row in rows.items() if key[0] is kind}

    def changed_since(self, revision: int) -> Iterable[Row]:
        return [row for row in self.disk["rows"].values() if row.revision > revision]

    def oldest_slot_since(self, revision: int) -> int | None:
        return min((row.slot for row in self.changed_since(revision) if isinstance(row, SlotRow)), default=None)

    def count_since(self, revision: int) -> int:
        return len(list(self.changed_since(revision)))

    def open_viewers(self) -> Iterable[ViewerRow]:
        stored = self._rows_of(self.disk["rows"], ViewerRow)
        kept = {key: row for key, row in stored.items() if key not in self.pruned}
        return [row for row in (kept | self._rows_of(self.rows, ViewerRow)).values() if row.open]

    def prune(self, kind: type[Any] | None, before_ms: int, revision: int) -> None:
        for key, row in self.disk["rows"].items():
            if row.revision > revision or (kind is not None and key[0] is not kind):
                continue
            done = done_at(row)
            if done is not None and done <= before_ms:
                self.pruned.add(key)

    def prune_oldest(self, kind: type[Any], most_bytes: int) -> int | None:
        return None

    def first_reading(self) -> Reading | None:
        return self.parts.get("first", self.disk["first"])

    def put_first_reading(self, reading: Reading) -> None:
        self.parts["first"] = reading

    def bridge(self, life: int) -> Sequence[Row]:
        return self.disk.get(f"bridge {life}", ())

    def put_bridge(self, life: int, rows: Sequence[Row]) -> None:
        self.parts[f"bridge {life}"] = tuple(rows)

    def clear(self) -> None:
        self.rows = {}
        self.pruned = list(self.disk["rows"])
        self.parts = {name: None if name in ("head", "first") else () for name in self.disk if name != "rows"}


@dataclass
class Store:
    """The service's tables of one server."""

    state: ServerState = field(default_factory=lambda: ServerState(server=SERVER))
    slots: dict[tuple[int, int], StoredSlot] = field(default_factory=dict)
    sessions: dict[tuple[int, str], Any] = field(default_factory=dict)
    samples: dict[SampleKey, StoredSample] = field(default_factory=dict)
    viewers: dict[str, ViewerRow] = field(default_factory=dict)
    pieces: list[Piece] = field(default_factory=list)
    outages: dict[int, OutageRow] = field(default_factory=dict)
    streams: dict[tuple[int, int], StoredStreams] = field(default_factory=dict)
    parts: tuple[ReportPart, ...] = ()
    """Parts of the newest report that are not applied yet."""
    whole: "Store | None" = None
    """While parts are pending: the tables as if the report had been applied at once."""
    covered_before: int = 0
    """The watermark when that report was accepted."""
    refused: dict[tuple[int, str], int] = field(default_factory=dict)
    """Up to which revision reports were refused as future time, by epoch and life."""

    def copy(self) -> "Store":
        """Return a copy. Rows are immutable, so that copies of the dictionaries suffice."""
        return Store(
            self.state,
            dict(self.slots),
            dict(self.sessions),
            dict(self.samples),
            dict(self.viewers),
            list(self.pieces),
            dict(self.outages),
            dict(self.streams),
            self.parts,
            self.whole,
            self.covered_before,
            dict(self.refused),
        )

    def apply_next_part(self) -> None:
        """Apply the next part. Time may only be covered together with its figures or after them."""
        part, *rest = self.parts
        self.write(apply_part(self.state, part, self.stored(part.epoch)))
        self.parts = tuple(rest)
        self.check_covered()

    def check_covered(self) -> None:
        """Check that all figures of the time that a pending report covers so far are stored."""
        if self.whole is not None:
            for key, slot in self.whole.slots.items():
                if self.covered_before <= key[1] < (self.state.watermark or 0):
                    assert self.slots.get(key) == slot, f"slot {key} is covered before its figures arrived"
            if not self.parts:
                state = msgspec.structs.replace(self.whole.state, issued=self.state.issued)
                whole = self.whole.slots, self.whole.streams, state
                assert (self.slots, self.streams, self.state) == whole, "parts differ from the whole"
                self.whole = None

    def stored(self, epoch: int) -> StoredRows:
        return StoredRows(
            {slot: row for (of, slot), row in self.slots.items() if of == epoch},
            {publish_id: row for (of, publish_id), row in self.sessions.items() if of == epoch},
            self.samples,
            streams={slot: row for (of, slot), row in self.streams.items() if of == epoch},
        )

    def stored_for(self, report: Report) -> StoredRows:
        """Return the stored rows that a report touches, with the viewers that it may omit."""
        viewers = tuple(self.viewers.values()) if may_omit_viewers(self.state, report) else ()
        return self.stored(report.epoch)._replace(viewers=viewers)

    def write(self, applied: AppliedReport) -> None:
        epoch = applied.state.epoch
        self.state = applied.state
        self.slots.update({(epoch, slot.row.slot): slot for slot in applied.slots})
        self.sessions.update({(epoch, row.publish_id): row for row in applied.sessions})
        self.samples.update(
            {SampleKey(sample.row.slot, sample.row.scope, sample.row.name): sample for sample in applied.samples}
        )
        self.viewers.update({viewer.viewer_id: viewer for viewer in applied.viewers_open})
        for viewer_id in applied.viewers_closed:
            self.viewers.pop(viewer_id, None)
        self.pieces.extend(applied.pieces)
        self.outages.update({row.began_at: row for row in applied.outages})
        self.streams.update({(epoch, streams.slot): streams for streams in applied.streams})
