"""Backups of a store and their restoration. A backup of any engine is a SQLite store in one file.

A backup is one state of the store, taken while services use it. It appears under its name when it is complete and was
read back. A restore replaces a SQLite store by one rename, so that there is the old store or the new one, and keeps
the old one under another name; a PostgreSQL database must be empty.
"""

import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

from sqlalchemy import Connection, Table, func, insert, select
from sqlalchemy.exc import DBAPIError

from streamusage.core.open_files import OWNER_ONLY
from streamusage.service.errors import StoreError
from streamusage.service.rules.utc_days import DAY_MS
from streamusage.service.store.engines import ENGINES, resolve
from streamusage.service.store.engines import apsw_dbapi as dbapi
from streamusage.service.store.engines.protocol import Progress
from streamusage.service.store.engines.sqlite import connect_to_file, sqlite_url
from streamusage.service.store.migrations.running import migration_order
from streamusage.service.store.page_checksums import has_page_checksums, vacuum_into
from streamusage.service.store.schema import DIVIDED_BY, audit, metadata, servers, usage
from streamusage.service.store.store import (
    Store,
    is_in_use,
    open_unchanged,
    writing_migrated,
)
from streamusage.service.store.store_file import PART_SUFFIXES, StoreFile

_ROWS_PER_INSERT = 500
_CONTENT_TABLES = (servers, usage, audit)
"""Tables with a row in every store that was ever used."""


class BackupError(StoreError):
    """A backup could not be taken or restored. The message says what was kept and what to do."""


class CopySummary(NamedTuple):
    """What was copied."""

    servers: int
    records: int
    kept_as: Path | None = None
    """Where the replaced store is."""


class _Source(NamedTuple):
    """The file that is restored."""

    path: Path
    ignores_checksums: bool

    def connect(self) -> Any:
        return connect_to_file(self.path, ignores_checksums=self.ignores_checksums)


def back_up(url: str, target: Path, progress: Progress, *, replace: bool = False) -> CopySummary:
    """Write a backup of the store to a file. Raises `StoreError`; then there is no new file."""
    if target.exists() and not replace:
        raise BackupError(f"{target} exists; nothing was written; give another file, or --replace")
    with closing(open_unchanged(url)) as store, _fresh_file(target) as fresh:
        if not store.copy_file(fresh, progress):
            _copy_to_file(store, fresh, progress)
        progress("reading back", 0, 0)
        summary = _check_copy(fresh)
        _sync(fresh)
        fresh.replace(target)
        _sync(target.parent)
    return summary


def restore(
    url: str, backup: Path, progress: Progress, *, replace: bool = False, ignores_checksums: bool = False
) -> CopySummary:
    """Make the store what the backup is. Raises `StoreError`; then the store is as it was.

    With `ignores_checksums` the checksums of the backup's pages are not verified: another program wrote it.
    """
    if not backup.is_file():
        raise BackupError(f"there is no backup at {backup}; nothing was changed")
    engine, checked_url = resolve(url)
    path = engine.file_of(checked_url)
    source = _Source(backup, ignores_checksums)
    with _translated(f"the backup {backup} cannot be used; nothing was changed", _hint(source)):
        _check_version(source)
    if path is None:
        return _restore_rows(url, source, progress, replace=replace)
    return _restore_file(url, path, source, progress, replace=replace)


def _restore_file(url: str, path: Path, source: _Source, progress: Progress, *, replace: bool) -> CopySummary:
    if path.exists():
        if path.samefile(source.path):
            raise BackupError(
                f"{source.path} is the store itself; nothing was changed; give another --store or another file"
            )
        if is_in_use(url):
            raise BackupError(f"a service uses the store {path}; nothing was changed; stop it first")
        if not replace and not _is_empty_file(path):
            raise BackupError(
                f"the store {path} is not empty; nothing was changed; with --replace it is kept under another name"
            )
    path.parent.mkdir(parents=True, exist_ok=True)
    with _fresh_file(path) as fresh:
        with _translated(f"the backup {source.path} cannot be copied; the store was not changed", _hint(source)):
            _copy_backup(source, fresh, progress)
        progress("reading back", 0, 0)
        summary = _check_copy(fresh)
        _give_to_owner_of_folder(fresh)
        _sync(fresh)
        kept_as = _set_aside(path) if path.exists() else None
        fresh.replace(path)
        StoreFile(path).unmark()
        _sync(path.parent)
    return summary._replace(kept_as=kept_as)


def _restore_rows(url: str, backup: _Source, progress: Progress, *, replace: bool) -> CopySummary:
    if replace:
        raise BackupError(
            "--replace is for SQLite stores; nothing was changed; create an empty database (createdb), restore into "
            "that one, and start the service with it: the present one is kept"
        )
    if is_in_use(url):
        raise BackupError("a service uses that database; nothing was changed; stop every process of it first")
    with tempfile.TemporaryDirectory() as directory:
        copy = Path(directory) / "backup.db"
        with _translated(f"the backup {backup.path} cannot be copied; the store was not changed", _hint(backup)):
            _copy_backup(backup, copy, progress)
            with writing_migrated(sqlite_url(copy)):
                pass
        with closing(open_unchanged(sqlite_url(copy))) as source, source.reading() as rows:
            with _translated("the backup cannot be copied; the store was not changed"), writing_migrated(url) as target:
                if not _is_empty(target):
                    raise BackupError(
                        "that database is not empty; nothing was changed; restore into an empty one (createdb)"
                    )
                copy_rows(rows, target, progress)
            return _summarize(rows)


def copy_rows(source: Connection, target: Connection, progress: Progress) -> None:
    """Copy the rows of all tables into empty tables."""
    tables = metadata.sorted_tables
    for number, table in enumerate(tables):
        progress(f"copying {table.name}", number, len(tables))
        target.execute(table.delete())
        ENGINES[target.dialect.name].create_partitions_at(target, table.name, _days_with_rows(source, table))
        result = source.execution_options(stream_results=True).execute(select(table))
        for rows in result.mappings().partitions(_ROWS_PER_INSERT):
            target.execute(insert(table), [dict(row) for row in rows])


def _days_with_rows(source: Connection, table: Table) -> Iterator[int]:
    """Yield the UTC days of a table's rows, if an engine may divide it by time. Nothing is read before the first."""
    time = DIVIDED_BY.get(table.name)
    if time is not None:
        yield from source.execute(select(time - time % DAY_MS).distinct()).scalars()


def _copy_to_file(store: Store, fresh: Path, progress: Progress) -> None:
    fresh.unlink()
    with writing_migrated(sqlite_url(fresh)) as target, store.reading() as source:
        copy_rows(source, target, progress)


def _copy_backup(source: _Source, target: Path, progress: Progress) -> None:
    progress("copying", 0, 0)
    with closing(source.connect()) as connection:
        if source.ignores_checksums:
            found = [str(text) for (text,) in connection.execute("PRAGMA integrity_check(1)")]
            if found != ["ok"]:
                raise BackupError(f"the backup {source.path} is damaged ({found[0]}); the store was not changed")
        vacuum_into(connection, target)


def _check_copy(path: Path) -> CopySummary:
    """Read the copy back. Raises `BackupError`."""
    engine, url = resolve(sqlite_url(path))
    damage = engine.find_damage(url)
    if damage:
        raise BackupError(f"the copy cannot be read back: {damage[0].what}; it was removed; check the disk")
    with closing(connect_to_file(path)) as connection:
        counted = [connection.execute(f"SELECT count(*) FROM {table.name}").fetchone() for table in (servers, usage)]
    return CopySummary(int(counted[0][0]), int(counted[1][0]))


def _summarize(connection: Connection) -> CopySummary:
    counts = [connection.execute(select(func.count()).select_from(table)).scalar_one() for table in (servers, usage)]
    return CopySummary(int(counts[0]), int(counts[1]))


def _check_version(source: _Source) -> None:
    """Raise `BackupError` if the file is not a backup that this program can read."""
    backup = source.path
    with closing(source.connect()) as connection:
        tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}
        found = (
            connection.execute("SELECT version_num FROM alembic_version").fetchall()
            if "alembic_version" in tables
            else []
        )
    if not found:
        raise BackupError(f"{backup} is not a backup of a store; nothing was changed")
    if found[0][0] not in migration_order():
        raise BackupError(
            f"the backup {backup} was written by a newer streamtop ({found[0][0]}); nothing was changed; "
            "use that version"
        )


def _is_empty_file(path: Path) -> bool:
    """Return whether a file contains no figures. A file that cannot be read may contain some."""
    if path.stat().st_size == 0:
        return True
    try:
        with closing(connect_to_file(path)) as connection:
            tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}
            return not any(
                connection.execute(f"SELECT 1 FROM {table.name} LIMIT 1").fetchone()
                for table in _CONTENT_TABLES
                if table.name in tables
            ) and tables <= {*metadata.tables, "alembic_version"}
    except dbapi.Error:
        return False


def _is_empty(connection: Connection) -> bool:
    return not any(connection.execute(select(table).limit(1)).first() for table in _CONTENT_TABLES)


def _set_aside(path: Path) -> Path:
    """Keep the store under another name as well, with the parts that only a damaged one still has."""
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    kept_as = path.with_name(f"{path.name}.replaced-{stamp}")
    number = 1
    while kept_as.exists():
        number += 1
        kept_as = path.with_name(f"{path.name}.replaced-{stamp}-{number}")
    for suffix in PART_SUFFIXES[1:]:  # first: the new store must not find the log of the old one
        part = path.with_name(path.name + suffix)
        if part.exists():
            part.rename(kept_as.with_name(kept_as.name + suffix))
    os.link(path, kept_as)
    return kept_as


def _give_to_owner_of_folder(path: Path) -> None:
    """Give a file that root wrote to the owner of its folder: a service with a user of its own must open its store."""
    if os.geteuid() == 0:
        folder = path.parent.stat()
        with suppress(OSError):
            os.chown(path, folder.st_uid, folder.st_gid)


@contextmanager
def _fresh_file(target: Path) -> Iterator[Path]:
    """Yield a file beside the target that only its owner can read. It is removed if it still exists at the end."""
    fresh = target.with_name(f".{target.name}.{os.getpid()}.new")
    with _translated(f"{target} cannot be written; nothing was changed"):
        try:
            fresh.unlink(missing_ok=True)
            fresh.touch(OWNER_ONLY)
            yield fresh
        finally:
            for suffix in PART_SUFFIXES:
                with suppress(OSError):
                    fresh.with_name(fresh.name + suffix).unlink()


def _hint(source: _Source) -> str:
    """Return advice for a file whose pages do not match their checksums."""
    if source.ignores_checksums or not has_page_checksums(source.path):
        return ""
    return "; if another program wrote the file, such as .backup of sqlite3, restore it with --ignore-checksums"


@contextmanager
def _translated(what: str, advice: str = "") -> Iterator[None]:
    try:
        yield
    except (OSError, dbapi.Error, DBAPIError) as error:
        cause = error.orig if isinstance(error, DBAPIError) else (getattr(error, "strerror", None) or error)
        raise BackupError(f"{what}: {' '.join(str(cause).split())}{advice}") from error


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
