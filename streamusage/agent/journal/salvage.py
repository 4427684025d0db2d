"""Recovery of a damaged journal. Its file is renamed, never deleted, and its records are copied to a new journal.

A copy is used only if it contains every row: rows are totals, and a missing row would be counted short for ever.
Otherwise a new journal continues from the state of the service: the media server's counters contain everything that it
counted since, and the meter declares what a restart of the media server destroyed as lost, with its bounds.
"""

import logging
import os
import time
from pathlib import Path

import apsw

from streamusage.agent.journal.sent_file import SUFFIX as SENT_SUFFIX
from streamusage.agent.journal.sqlite import (
    PART_COLUMNS,
    ROW_COLUMNS,
    Ballast,
    DamagedJournalError,
    OlderJournalError,
    SqliteJournal,
    is_intact,
)

LOG = logging.getLogger(__name__)

FILE_SUFFIXES = ("", "-wal", "-shm", SENT_SUFFIX)
"""Suffixes of the files of a journal."""


def open_journal(path: Path) -> SqliteJournal:
    """Return the journal, after reading and checking all of it. Raises `JournalError` or `OSError`.

    A damaged journal keeps its name until everything that can be salvaged is in another file.
    """
    salvaged = salvaged_path(path)
    if salvaged.exists() and not path.exists():
        salvaged.rename(path)  # an earlier start was interrupted between the two renames
    try:
        journal = SqliteJournal(path)
        journal.check()
    except DamagedJournalError as error:
        was_complete = not isinstance(error, OlderJournalError) and salvage(path, salvaged)
        renamed_to = rename_damaged(path)
        if was_complete:
            salvaged.rename(path)
            LOG.error(
                "%s; renamed to %s, and all of its records were copied to a new journal",
                error,
                renamed_to,
            )
        else:
            LOG.error(
                "%s; renamed to %s, and a new journal continues from the state of the service",
                error,
                renamed_to,
            )
        return SqliteJournal(path)
    return journal


def salvaged_path(journal: Path) -> Path:
    """Return the path of the copy that replaces a damaged journal once it is complete."""
    return journal.with_name(journal.name + ".salvaged")


def rename_damaged(path: Path) -> Path:
    """Rename a damaged journal with all its files. Return its new path."""
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    renamed_to = path.with_name(f"{path.name}.damaged-{stamp}")
    number = 1
    while renamed_to.exists():
        number += 1
        renamed_to = path.with_name(f"{path.name}.damaged-{stamp}-{number}")
    for suffix in FILE_SUFFIXES:
        part = path.with_name(path.name + suffix)
        if part.exists():
            part.rename(renamed_to.with_name(renamed_to.name + suffix))
    return renamed_to


def salvage(damaged: Path, fresh: Path) -> bool:
    """Copy the records of a damaged journal to a new file, if all of them exist and are intact. Return whether.

    Raises `JournalError` or `OSError` where the new file cannot be written.
    """
    try:
        old = apsw.Connection(os.fspath(damaged))
        try:
            parts = old.execute(f"SELECT {PART_COLUMNS} FROM parts").fetchall()
            rows = old.execute(f"SELECT {ROW_COLUMNS} FROM rows").fetchall()
            tallies = old.execute("SELECT rows FROM tally").fetchall()
        finally:
            old.close()
    except (apsw.Error, UnicodeDecodeError):
        return False
    intact = all(is_intact(record) for record in (*parts, *rows))
    if not intact or tallies != [(len(rows),)] or "head" not in {name for name, *_ in parts}:
        return False
    for suffix in FILE_SUFFIXES:
        fresh.with_name(fresh.name + suffix).unlink(missing_ok=True)  # left by an interrupted attempt
    journal = SqliteJournal(fresh)
    try:
        journal.import_records(parts, rows)
        journal.check()
    finally:
        journal.close()
        Ballast(fresh).release()
    return True
