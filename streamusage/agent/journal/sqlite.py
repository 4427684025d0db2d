"""The agent's journal in an SQLite file: one connection, write-ahead log, full sync before a transaction ends.

Every record has a checksum over its columns. This module stores rows; `ledger` defines what they mean.
"""

import logging
import os
import shutil
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import accumulate
from operator import attrgetter
from pathlib import Path
from typing import Any, Literal, TypeVar, cast

import apsw
import msgspec

from streamusage.agent.journal.protocol import Head
from streamusage.agent.journal.rows import Row, RowKey, done_at, key_of
from streamusage.agent.journal.sent_file import Sent, SentFile, is_older
from streamusage.agent.journal.slot_streams import SlotStreams
from streamusage.agent.reading import Reading
from streamusage.api.report import OutageRow, SampleRow, SessionRow, SlotRow, SpanRow, ViewerRow
from streamusage.core.open_files import OWNER_ONLY, OpenFiles, describe_readable, open_to_append, others_can_read

LOG = logging.getLogger(__name__)

_SCHEMA = """
CREATE TABLE IF NOT EXISTS parts (name TEXT PRIMARY KEY, body BLOB NOT NULL, checksum INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS rows (
  life INTEGER NOT NULL, kind TEXT NOT NULL, key TEXT NOT NULL, revision INTEGER NOT NULL, done_at INTEGER,
  body BLOB NOT NULL, checksum INTEGER NOT NULL, PRIMARY KEY (life, kind, key)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS rows_by_revision ON rows (life, revision);
CREATE TABLE IF NOT EXISTS tally (id INTEGER PRIMARY KEY CHECK (id = 1), rows INTEGER NOT NULL);
INSERT OR IGNORE INTO tally VALUES (1, 0);
CREATE TRIGGER IF NOT EXISTS tally_in AFTER INSERT ON rows BEGIN UPDATE tally SET rows = rows + 1; END;
CREATE TRIGGER IF NOT EXISTS tally_out AFTER DELETE ON rows BEGIN UPDATE tally SET rows = rows - 1; END;
"""
# The tally is the number of rows, which shows whether a damaged file still contains all of them.
ROW_COLUMNS = "life, kind, key, revision, done_at, body, checksum"
PART_COLUMNS = "name, body, checksum"
_FORMAT = 1
_LONGEST_LOG_PAGES = 256
"""From this many pages of 4 kB on, the write-ahead log is moved into the file, so that it stays near one megabyte."""
_OWN = 0
"""Value of `rows.life` for the journal's own rows. Other numbers mark the bridge of that life."""
_KINDS: dict[str, Any] = {
    kind.__name__: kind for kind in (SlotRow, SlotStreams, SpanRow, SessionRow, SampleRow, ViewerRow, OutageRow)
}

_FIRST_FIELDS: dict[str, tuple[str, ...]] = {
    "SlotRow": ("slot", "revision", "connections", "bytes_in", "bytes_out", "view_time_ms", "peak_in", "peak_out"),
}
"""The positions of fields in stored bodies, where they differ from the order of the type. Other fields follow."""


def _stored_fields(kind: str) -> tuple[str, ...]:
    first, fields = _FIRST_FIELDS.get(kind, ()), _KINDS[kind].__struct_fields__
    return (*first, *(name for name in fields if name not in first))


STORED_FIELDS = {kind: _stored_fields(kind) for kind in _KINDS}
"""The fields of a row in the order of its stored body. A body of an earlier version may lack the last ones."""
_VALUES = {kind: attrgetter(*fields) for kind, fields in STORED_FIELDS.items()}

T = TypeVar("T")


class JournalError(Exception):
    """The journal cannot be used. The text names the file, the cause and what was kept."""


class DamagedJournalError(JournalError):
    """The file is not a journal, or records do not match their checksums."""


class OlderJournalError(DamagedJournalError):
    """The file is an older state of the journal: the service may have more of it."""


class MissingJournalError(DamagedJournalError):
    """The file was moved, replaced or removed while it was open: what is written to it cannot be read again."""


class Ballast:
    """Reserved disk space. Released when the disk is full, it lets the journal continue for a while."""

    BYTES = 4 << 20

    def __init__(self, journal: Path) -> None:
        self.path = journal.with_name(journal.name + ".ballast")

    def reserve(self) -> None:
        """Reserve the space where enough is free. A failure changes nothing but the reserve."""
        try:
            if self.path.exists() or shutil.disk_usage(self.path.parent).free < 16 * self.BYTES:
                return
            self.path.touch(OWNER_ONLY)
            with self.path.open("wb") as file:
                file.write(os.urandom(self.BYTES))  # some file systems store zeros as nothing
                os.fsync(file.fileno())
        except OSError:
            self.release()

    def release(self) -> None:
        """Release the space."""
        with suppress(OSError):
            self.path.unlink(missing_ok=True)


class SqliteJournal:
    """A journal in a file."""

    def __init__(self, path: Path, *, synchronous: Literal["full", "normal", "off"] = "full", vfs: str = "") -> None:
        """Open the journal, or create it. Raises `JournalError`.

        Without `synchronous="full"` a power failure may lose committed transactions. `vfs` names another file system
        below SQLite. Both are for the demo and for tests.
        """
        self.path = path
        self._ballast = None if vfs else Ballast(path)
        self._files = None if vfs else OpenFiles(path, ("", "-wal"))
        self._sent = None if vfs else SentFile(path)
        try:
            if vfs:
                self._connection = apsw.Connection(os.fspath(path), vfs=vfs)
            else:
                path.parent.mkdir(parents=True, exist_ok=True)
                if not path.exists():  # closing a file ends SQLite's locks on it in this process
                    open_to_append(path).close()  # SQLite keeps the mode of an empty file
                self._connection = apsw.Connection(os.fspath(path), flags=apsw.SQLITE_OPEN_READWRITE)
            self._connection.set_busy_timeout(0)
            # Exclusive: a second agent on the same journal would count everything twice.
            self._connection.pragma("locking_mode", "exclusive")
            self._connection.pragma("journal_mode", "wal")
            self._connection.pragma("synchronous", synchronous)
            self._connection.pragma("wal_autocheckpoint", _LONGEST_LOG_PAGES)
            self._connection.pragma("journal_size_limit", _LONGEST_LOG_PAGES * 4096)
            version = self._connection.pragma("user_version")
            if version not in (0, _FORMAT):
                raise JournalError(
                    f"{path}: the journal has format {version}, but this agent supports format {_FORMAT}; "
                    "nothing was changed"
                )
            if version == 0:
                with self._connection:
                    self._connection.execute(_SCHEMA)
                    self._connection.pragma("user_version", _FORMAT)
        except (apsw.CorruptError, apsw.NotADBError) as error:
            raise DamagedJournalError(f"{path}: the journal is damaged ({error})") from error
        except apsw.BusyError:
            raise JournalError(f"{path}: another agent has this journal open; nothing was changed") from None
        except (apsw.Error, OSError) as error:
            raise JournalError(f"{path}: cannot open the journal ({error}); nothing was changed") from error
        if self._files is not None:
            self._files.remember()
            if others_can_read(path):
                LOG.warning("%s", describe_readable(path, "figures of viewers"))
        if self._ballast is not None:
            self._ballast.reserve()

    @contextmanager
    def transaction(self) -> Iterator["SqliteTransaction"]:
        """Run one transaction: durable after a normal end of the block, otherwise rolled back.

        Raises `JournalError` where the file cannot be read or written; the cause may be temporary (a full disk).
        Raises `MissingJournalError` where the path no longer names the file.
        """
        self._check_files()
        try:
            with self._connection:
                yield SqliteTransaction(self._connection, self.path)
        except (apsw.CorruptError, apsw.NotADBError, UnicodeDecodeError) as error:
            raise DamagedJournalError(f"{self.path}: the journal is damaged ({error})") from error
        except apsw.Error as error:
            if isinstance(error, apsw.FullError) and self._ballast is not None:
                self._ballast.release()
            raise JournalError(f"{self.path}: cannot write the journal ({error}); its contents are kept") from error
        self._check_files()

    def record_sent(self, journal: str, revision: int) -> None:
        """See `Journal.record_sent`."""
        if self._sent is not None:
            self._sent.write(Sent(journal, revision))

    def _check_files(self) -> None:
        if self._files is None:
            return
        change = self._files.find_change()
        if change:
            raise MissingJournalError(
                f"the journal {change}; what was not sent yet is in that file; a journal at the path continues, or a "
                "new one from the state of the service"
            )
        self._files.remember()  # the write-ahead log, which the first write creates

    def import_records(self, parts: Sequence[tuple[Any, ...]], rows: Sequence[tuple[Any, ...]]) -> None:
        """Insert the records of another journal's tables in one transaction."""
        with self.transaction():
            self._connection.executemany("INSERT INTO parts VALUES (?, ?, ?)", parts)
            self._connection.executemany("INSERT INTO rows VALUES (?, ?, ?, ?, ?, ?, ?)", rows)

    def check(self) -> None:
        """Read everything once. Raises `DamagedJournalError` where SQLite or a checksum reports damage, and
        `OlderJournalError` where transactions are missing whose rows were sent.
        """
        try:
            with self.transaction() as tx:
                found = self._connection.execute("PRAGMA integrity_check(1)")
                problems = [text for (text,) in found if text != "ok"]
                if problems:
                    raise DamagedJournalError(f"{self.path}: the journal is damaged ({problems[0]})")
                head = tx.head()
                sent = None if self._sent is None else self._sent.read()
                if head is not None and is_older(head.journal, head.revision, sent):
                    raise OlderJournalError(
                        f"{self.path}: the journal is an older state of itself, at revision {head.revision}, but it "
                        f"sent revision {sent and sent.revision}: its write-ahead log was cut off, or an old copy was "
                        "put back"
                    )
                tx.first_reading()
                tx.changed_since(-1)
        except DamagedJournalError:
            self.close()
            raise

    def close(self) -> None:
        """Close the file."""
        self._connection.close()


class SqliteTransaction:
    """A `streamusage.agent.journal.protocol.Transaction` on the file."""

    def __init__(self, connection: apsw.Connection, path: Path) -> None:
        self._connection = connection
        self._path = path

    def head(self) -> Head | None:
        """See `Transaction.head`."""
        return self._part("head", Head)

    def put_head(self, head: Head) -> None:
        """See `Transaction.put_head`."""
        self._put_part("head", head)

    def first_reading(self) -> Reading | None:
        """See `Transaction.first_reading`."""
        return self._part("first reading", Reading)

    def put_first_reading(self, reading: Reading) -> None:
        """See `Transaction.put_first_reading`."""
        self._put_part("first reading", reading)

    def get(self, kind: type[Any], key: RowKey) -> Any:
        """See `Transaction.get`."""
        found = self._select("life = 0 AND kind = ? AND key = ?", (kind.__name__, key))
        return found[0] if found else None

    def put(self, key: RowKey, row: Row) -> None:
        """See `Transaction.put`."""
        self._put_row(_OWN, key, row)

    def changed_since(self, revision: int) -> Iterable[Row]:
        """See `Transaction.changed_since`."""
        return self._select("life = 0 AND revision > ? ORDER BY revision", (revision,))

    def oldest_slot_since(self, revision: int) -> int | None:
        """See `Transaction.oldest_slot_since`."""
        # Runs again and again during an outage, and needs the index only.
        query = "SELECT min(CAST(key AS INTEGER)) FROM rows WHERE life = 0 AND revision > ? AND kind = 'SlotRow'"
        ((oldest,),) = self._connection.execute(query, (revision,)).fetchall()
        return None if oldest is None else int(oldest)

    def count_since(self, revision: int) -> int:
        """See `Transaction.count_since`."""
        query = "SELECT count(*) FROM rows WHERE life = 0 AND revision > ?"  # as above, the index only
        row = self._connection.execute(query, (revision,)).fetchone()
        return cast(tuple[int], row)[0]

    def delete(self, kind: type[Any], key: RowKey) -> None:
        """See `Transaction.delete`."""
        self._connection.execute("DELETE FROM rows WHERE life = 0 AND kind = ? AND key = ?", (kind.__name__, key))

    def samples_between(self, from_ms: int, to_ms: int) -> Iterable[SampleRow]:
        """See `Transaction.samples_between`."""
        # Keys begin with the slot, and slots have the same number of digits for centuries.
        return self._select(
            "life = 0 AND kind = 'SampleRow' AND key >= ? AND key < ? ORDER BY key", (str(from_ms), str(to_ms))
        )

    def open_viewers(self) -> Iterable[ViewerRow]:
        """See `Transaction.open_viewers`."""
        return self._select("life = 0 AND kind = 'ViewerRow' AND done_at IS NULL", ())

    def prune(self, kind: type[Any] | None, before_ms: int, revision: int) -> None:
        """See `Transaction.prune`."""
        self._connection.execute(
            "DELETE FROM rows WHERE life = 0 AND revision <= ? AND done_at <= ? AND (? IS NULL OR kind = ?)",
            (revision, before_ms, kind and kind.__name__, kind and kind.__name__),
        )

    def prune_oldest(self, kind: type[Any], most_bytes: int) -> int | None:
        """See `Transaction.prune_oldest`."""
        sizes: list[tuple[Any, ...]] = self._connection.execute(
            "SELECT CAST(key AS INTEGER), length(body) FROM rows WHERE life = 0 AND kind = ? ORDER BY 1 DESC",
            (kind.__name__,),
        ).fetchall()
        totals = accumulate(size for _, size in sizes)
        newest = next((slot for (slot, _), total in zip(sizes, totals, strict=True) if total > most_bytes), None)
        if newest is None:
            return None
        self._connection.execute(
            "DELETE FROM rows WHERE life = 0 AND kind = ? AND CAST(key AS INTEGER) <= ?", (kind.__name__, newest)
        )
        return int(newest)

    def bridge(self, life: int) -> Sequence[Row]:
        """See `Transaction.bridge`."""
        return [] if life == _OWN else self._select("life = ?", (life,))

    def put_bridge(self, life: int, rows: Sequence[Row]) -> None:
        """See `Transaction.put_bridge`."""
        for row in rows:
            self._put_row(life, key_of(row)[1], row)

    def clear(self) -> None:
        """See `Transaction.clear`."""
        self._connection.execute("DELETE FROM rows")
        self._connection.execute("DELETE FROM parts")

    def _select(self, where: str, values: tuple[int | str, ...]) -> list[Any]:
        found = self._connection.execute(f"SELECT {ROW_COLUMNS} FROM rows WHERE {where}", values)
        return [self._decode(row) for row in found]

    def _put_row(self, life: int, key: RowKey, row: Row) -> None:
        body = msgspec.msgpack.encode(_VALUES[type(row).__name__](row))
        self._connection.execute(
            "INSERT INTO rows VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET revision = excluded.revision, "
            "done_at = excluded.done_at, body = excluded.body, checksum = excluded.checksum",
            with_checksum((life, type(row).__name__, key, row.revision, done_at(row), body)),
        )

    def _decode(self, record: tuple[Any, ...]) -> Any:
        self._check(record)
        kind = _KINDS[record[1]]
        body, fields = msgspec.msgpack.decode(record[-2]), STORED_FIELDS[record[1]]
        return msgspec.convert(dict(zip(fields[: len(body)], body, strict=True)), kind)

    def _part(self, name: str, kind: type[T]) -> T | None:
        found = self._connection.execute(f"SELECT {PART_COLUMNS} FROM parts WHERE name = ?", (name,)).fetchone()
        if found is None:
            return None
        self._check(found)
        return msgspec.json.decode(found[1], type=kind)

    def _put_part(self, name: str, part: Any) -> None:
        body = msgspec.json.encode(part)
        self._connection.execute("INSERT OR REPLACE INTO parts VALUES (?, ?, ?)", with_checksum((name, body)))

    def _check(self, record: tuple[Any, ...]) -> None:
        if not is_intact(record):
            raise DamagedJournalError(f"{self._path}: a record ({record[0]}) does not match its checksum")


def with_checksum(record: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return the columns of a record followed by their checksum."""
    return (*record, zlib.crc32(repr(record).encode()))


def is_intact(record: tuple[Any, ...]) -> bool:
    """Return whether the columns of a record match its checksum."""
    return with_checksum(record[:-1]) == record
