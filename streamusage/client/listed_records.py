"""The records of a service that answers every poll with its whole list: only rows that changed are decoded. Pure.

A `Listing` is what is kept of an answer: a hash of each row and the key of its record. `ListingReader` reads the next
answer in blocks as they arrive and returns the records of the rows that the listing does not have:

- as long as blocks are equal to those of the answer before, nothing but their hash is computed;
- a row at the place of an equal row is the same record;
- a row whose neighbours moved by some places is found again; other rows are decoded.

Blocks and rows are compared by Python's own keyed hash of their bytes. Rows of which several have the same key are
decoded every time, because the last one of them counts.
"""

from array import array
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from operator import attrgetter
from typing import NamedTuple

import msgspec

from streamusage.client.record_decoding import (
    DecodedRows,
    UnreadableError,
    decode_elements,
    decode_records,
    decode_records_once,
    decode_rows,
)
from streamusage.client.row_split import RowSplitter
from streamusage.client.schema_drift import SchemaDrift, field_faults, missing_fields, sum_drift
from streamusage.core.usage import FieldFault, PartialUsageRecord, UsageRecord

BLOCK_BYTES = 64 * 1024
"""About a quarter of a millisecond of work: what is read before an event loop gets its turn."""
_SEARCHED_ROWS = 64
"""How far ahead a row is searched that is not at its place."""
_STEP_KEYS = 5_000
_MOST_KEYLESS_ROWS = 10_000
"""A list that begins with more records without a key, and has none with one, is no list of usage records."""
_MOST_KINDS = 1_000
"""Of more different faults, values are not kept."""
_NO_HASH = 0
"""The hash of a row that is decoded every time."""
_MOST_KEPT_TAIL_BYTES = 16 * 1024
"""Blocks that end within a longer row are not compared."""
_SPACE = b" \t\r\n"

PlainKey = tuple[str, str, int]
"""Scope, name and start time: equal to the `SessionKey`, and nothing for the garbage collector to walk over."""
_plain_key: Callable[[PartialUsageRecord], PlainKey] = attrgetter("scope", "name", "start_time")


class Listing:
    """What is kept of the last complete answer. An empty one before the first."""

    def __init__(self) -> None:
        self.hashes = array("q")
        self.keys: list[PlainKey] = []
        self.incomplete: dict[int, _Incomplete] = {}
        """What records lack, by place in the list, in ascending order."""
        self.blocks: list[_Block] = []
        self.separator = b""
        self.head = b""
        """The first block of the answer."""

    def __len__(self) -> int:
        return len(self.keys)

    def drift(self) -> SchemaDrift:
        """Return what records lack, and which of their values cannot be used."""
        kinds = {id(lacking): lacking for lacking in self.incomplete.values()}
        counts = Counter(map(id, self.incomplete.values()))
        return sum_drift((kinds[kind].fields, kinds[kind].faults, count) for kind, count in counts.items())

    def forget(self) -> None:
        """Decode every row of the next answer."""
        self.hashes = array("q", bytes(8 * len(self.hashes)))
        self.blocks = []

    def places(self, keys: set[PlainKey], found: dict[PlainKey, list[int]]) -> Iterator[None]:
        """Add the places of those of the keys that are listed to `found`, with a step after each yield."""
        for start in range(0, len(self.keys) if keys else 0, _STEP_KEYS):
            some = self.keys[start : start + _STEP_KEYS]
            if keys.intersection(some):
                for place, key in enumerate(some, start):
                    if key in keys:
                        found.setdefault(key, []).append(place)
            yield

    def always_decode(self, places: Iterable[int]) -> None:
        """Decode the rows at some places in the next answer, even if they are equal."""
        for place in places:
            self.hashes[place] = _NO_HASH
            self.blocks = []


class _Incomplete(NamedTuple):
    """What a record lacks."""

    fields: tuple[str, ...]
    """Documented fields without a usable value."""
    faults: tuple[FieldFault, ...]
    """Those of them that have a value."""
    is_keyless: bool
    """Whether a part of its key was not sent."""


class _Block:
    """A block of an answer, and where its reader was after it."""

    __slots__ = ("digest", "rows", "tail", "tail_at")

    def __init__(self, digest: int, rows: int, tail: bytes, tail_at: int) -> None:
        self.digest = digest
        self.rows = rows
        self.tail = tail
        self.tail_at = tail_at


class ListingReader:
    """Reads one answer: `feed` its bytes, then `end`. Both yield after each step, with the records of changed rows.

    After that, `listing` is that of this answer. Raises `UnreadableError` as `decode_records` does; the listing before
    stays as it was.
    """

    def __init__(self, before: Listing, block_bytes: int = BLOCK_BYTES) -> None:
        self._before = before
        self._block_bytes = block_bytes
        self._incomplete_places = list(before.incomplete)
        self.listing = Listing()
        self.is_unchanged = False
        """Whether the answer is the one before, byte by byte."""
        self.removed: set[PlainKey] = set()
        """Keys that are no longer listed."""
        self.superseded: set[PlainKey] = set()
        """Keys of records that were yielded, but of which an unchanged row further down counts."""
        self._splitter = RowSplitter()
        self._block = bytearray()
        self._block_at = 0
        self._is_same = bool(before.blocks)
        """Whether all blocks so far are those of the answer before."""
        self._keeps_blocks = True
        self._at = 0
        """The place in the listing before that is compared next."""
        self._vanished: list[PlainKey] = []
        self._decoded: dict[PlainKey, int] = {}
        """The last place of each key that was decoded."""
        self._moved: set[PlainKey] = set()
        """Decoded keys that were not at their place."""
        self._several: set[PlainKey] = set()
        """Keys that were decoded more than once."""
        self._kinds: dict[_Incomplete, _Incomplete] = {}
        self._keyed = 0
        """Number of records with a complete key."""
        self._fault = ""
        """Why the first incomplete record is incomplete."""

    @property
    def held_bytes(self) -> int:
        """Size of what was read and is no complete row yet."""
        return self._splitter.held_bytes

    def feed(self, data: bytes) -> Iterator[Sequence[PartialUsageRecord]]:
        """Read the next bytes of the body."""
        self._block += data
        while len(self._block) - self._block_at >= self._block_bytes:
            block = bytes(self._block[self._block_at : self._block_at + self._block_bytes])
            self._block_at += self._block_bytes
            yield self._read_block(block)
        del self._block[: self._block_at]
        self._block_at = 0

    def end(self) -> Iterator[Sequence[PartialUsageRecord]]:
        """Read the end of the body."""
        before = self._before
        if self._block:
            yield self._read_block(bytes(self._block))
            self._block.clear()
        if self._is_same and len(self.listing.blocks) == len(before.blocks):
            self.is_unchanged, self.listing = True, before
            return
        self._leave_same_blocks()
        if self._splitter.is_list:
            yield self._match(self._splitter.flush(), is_cut_exactly=True)
            yield self._read_last_row()
        else:
            # No list of objects: an empty list, or a fault that is described here.
            yield [record for records in decode_records(self._splitter.rest()) for record in records]
        if self.listing.keys and not self._keyed:
            raise UnreadableError(self._fault)
        if not self._keeps_blocks:
            self.listing.blocks = []
        self.listing.separator = self._splitter.separator
        self._vanished += before.keys[self._at :]
        for _ in self._find_removed():
            yield ()

    # Blocks

    def _read_block(self, block: bytes) -> Sequence[PartialUsageRecord]:
        if not self.listing.head:
            self.listing.head = block
        blocks, before = self.listing.blocks, self._before.blocks
        digest = hash(block)
        if self._is_same and len(blocks) < len(before) and before[len(blocks)].digest == digest:
            blocks.append(before[len(blocks)])
            return ()
        self._leave_same_blocks()
        splitter = self._splitter
        rows = splitter.feed(block)
        try:
            records = self._match(rows)
        except UnreadableError:
            rows = splitter.recut()
            records = self._match(rows, is_cut_exactly=True)
        self._keeps_blocks &= splitter.is_list and splitter.held_bytes <= _MOST_KEPT_TAIL_BYTES
        if self._keeps_blocks:
            blocks.append(_Block(digest, len(self.listing.keys), splitter.rest(), splitter.tail_at))
        return records

    def _leave_same_blocks(self) -> None:
        """Continue after the blocks that were those of the answer before."""
        if self._is_same and self.listing.blocks:
            last = self.listing.blocks[-1]
            self._splitter.resume(last.tail, last.tail_at, self._before.separator)
            self._take_over(last.rows)
        self._is_same = False

    # Rows

    def _match(self, rows: list[bytes], *, is_cut_exactly: bool = False) -> Sequence[PartialUsageRecord]:
        """Add the rows that are next in the answer. Returns the records of those that changed.

        Raises `UnreadableError` before anything is added.
        """
        before, at = self._before, self._at
        hashes = array("q", [hash(row) or 1 for row in rows])
        old = before.hashes[at : at + len(rows)]
        if hashes == old:
            self._take_over(len(rows))
            return ()
        old.extend([_NO_HASH] * (len(rows) - len(old)))
        changed = [number for number, (new, known) in enumerate(zip(hashes, old, strict=True)) if new != known]
        decoded = self._decode(rows, changed, is_cut_exactly=is_cut_exactly)
        records, keyless = decoded.records, frozenset(decoded.keyless)
        keys = list(map(_plain_key, records))
        if not len(before):
            self._add(records, keys, hashes, keyless)
            return records
        if any(
            at + number >= len(before.keys) or before.keys[at + number] != key
            for number, key in zip(changed, keys, strict=True)
        ):
            every = range(len(rows))
            return self._match_moved(hashes, self._decode(rows, every, is_cut_exactly=is_cut_exactly))
        next_row = 0
        for place, (number, record) in enumerate(zip(changed, records, strict=True)):
            self._take_over(number - next_row)
            self._add_one(record, before.keys[self._at], hashes[number], is_keyless=place in keyless)
            self._at += 1
            next_row = number + 1
        self._take_over(len(rows) - next_row)
        return records

    def _match_moved(self, hashes: "array[int]", decoded: DecodedRows) -> Sequence[PartialUsageRecord]:
        """Add rows of which some were inserted, removed or moved."""
        before, changed = self._before, list[PartialUsageRecord]()
        keyless = frozenset(decoded.keyless)
        for number, record in enumerate(decoded.records):
            at = self._at
            try:
                found = before.hashes.index(hashes[number], at, at + _SEARCHED_ROWS)
            except ValueError:
                key = _plain_key(record)
                if at < len(before.keys) and before.keys[at] == key:
                    key = before.keys[at]
                    self._at += 1
                else:
                    self._moved.add(key)
                self._add_one(record, key, hashes[number], is_keyless=number in keyless)
                changed.append(record)
            else:
                self._vanished += before.keys[at:found]
                self._at = found
                self._take_over(1)
        return changed

    def _decode(self, rows: list[bytes], numbers: Sequence[int], *, is_cut_exactly: bool) -> DecodedRows:
        """Return the records of some of the rows. Where these are not cut exactly, a fault has no position."""
        chosen = [rows[number] for number in numbers]
        try:
            decoded = decode_rows(chosen, repair=is_cut_exactly)
        except UnreadableError:
            if is_cut_exactly:
                self._raise_fault(rows, numbers)
            raise
        if len(decoded.records) != len(chosen):
            raise UnreadableError("not every element of the list is an object")
        self._fault = self._fault or decoded.fault
        return decoded

    def _raise_fault(self, rows: list[bytes], numbers: Sequence[int]) -> None:
        """Raise `UnreadableError` for the first row that is faulty by itself, with its position."""
        for number in numbers:
            try:
                decode_rows([rows[number]], repair=True)
            except UnreadableError:
                at_byte = self._splitter.position(rows, number) - 2
                place = len(self.listing.keys) + number
                decode_records_once(b"[{" + rows[number] + b"}]", first=place, at_byte=at_byte)

    def _take_over(self, rows: int) -> None:
        """Add the next rows of the listing before, unchanged."""
        before, listing, at = self._before, self.listing, self._at
        if places := self._incomplete_places:
            moved = len(listing.keys) - at
            for place in places[bisect_left(places, at) : bisect_left(places, at + rows)]:
                lacking = listing.incomplete[place + moved] = before.incomplete[place]
                self._keyed -= lacking.is_keyless
        self._keyed += rows
        listing.hashes += before.hashes[at : at + rows]
        listing.keys += before.keys[at : at + rows]
        self._at += rows

    def _add(
        self,
        records: Sequence[PartialUsageRecord],
        keys: list[PlainKey],
        hashes: "array[int]",
        keyless: Collection[int],
    ) -> None:
        """Add rows that were decoded."""
        listing, first = self.listing, len(self.listing.keys)
        for number, record in enumerate(records):
            if not isinstance(record, UsageRecord):
                listing.incomplete[first + number] = self._incomplete(record, is_keyless=number in keyless)
        self._keyed += len(records) - len(keyless)
        if not self._keyed and len(listing.incomplete) > _MOST_KEYLESS_ROWS:
            raise UnreadableError(self._fault)
        listing.hashes += hashes
        listing.keys += keys
        if len(self._before):  # else the caller, which collects all records, sees which keys are listed several times
            for place, key in enumerate(keys, first):
                if key in self._decoded:
                    self._several.add(key)
                self._decoded[key] = place

    def _add_one(self, record: PartialUsageRecord, key: PlainKey, digest: int, *, is_keyless: bool) -> None:
        self._add([record], [key], array("q", [digest]), (0,) if is_keyless else ())

    def _incomplete(self, record: PartialUsageRecord, *, is_keyless: bool) -> _Incomplete:
        faults = field_faults(record)
        if faults and len(self._kinds) >= _MOST_KINDS:
            faults = tuple(fault._replace(value="") for fault in faults)
        lacking = _Incomplete(tuple(missing_fields(record)), faults, is_keyless)
        return self._kinds.setdefault(lacking, lacking)

    # The end

    def _read_last_row(self) -> Sequence[PartialUsageRecord]:
        rest = self._splitter.rest()
        try:
            rows = len(decode_elements(b"[{" + rest))
        except (msgspec.DecodeError, UnicodeDecodeError):
            first, at_byte = len(self.listing.keys), self._splitter.tail_at - 2
            decode_records_once(b"[{" + rest, first=first, at_byte=at_byte)
            rows = 0
        if rows != 1:
            raise UnreadableError("not every element of the list is an object")
        row = rest.rstrip(_SPACE)[:-1].rstrip(_SPACE)[:-1]
        return self._match([row], is_cut_exactly=True)

    def _find_removed(self) -> Iterator[None]:
        suspects = self._moved.union(self._vanished, self._several)
        found: dict[PlainKey, list[int]] = {}
        yield from self.listing.places(suspects, found)
        self.removed = {key for key in self._vanished if key not in found}
        for key, places in found.items():
            if len(places) > 1:
                self.listing.always_decode(places)
                if self._decoded.get(key, places[-1]) != places[-1]:
                    self.superseded.add(key)
