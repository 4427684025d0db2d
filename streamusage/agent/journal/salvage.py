"""A damaged journal: set aside, never deleted, and what is whole in it taken into a new one.

A journal can go on only if every row is there: rows are totals, and a missing one would be counted short for ever.
Where that cannot be shown, a new journal continues from the state that the service has: the media server's counters
bring back all that it counted since, and what a restart of it took away the meter declares lost, with its bounds.
"""

import logging
import os
import time
from pathlib import Path

import apsw

from streamusage.agent.journal.sqlite import (
    PART_COLUMNS,
    ROW_COLUMNS,
    Ballast,
    DamagedJournalError,
    SqliteJournal,
    is_whole,
)

LOG = logging.getLogger(__name__)

PARTS = ("", "-wal", "-shm")
"""What the names of a journal's files end with."""


def open_journal(path: Path) -> SqliteJournal:
    """The journal, read from end to end and sound. Raises `JournalError` or `OSError` where none can be had at all.

    A damaged one keeps its name until all that can be salvaged of it is in a file of its own.
    """
    salvaged = salvaged_path(path)
    if salvaged.exists() and not path.exists():
        salvaged.rename(path)  # an earlier start died between the two names
    try:
        journal = SqliteJournal(path)
        journal.check()
    except DamagedJournalError as error:
        was_whole = salvage(path, salvaged)
        aside = set_aside(path)
        if was_whole:
            salvaged.rename(path)
            LOG.error("%s; it is set aside as %s, and every record of it was taken into a new journal", error, aside)
        else:
            LOG.error("%s; it is set aside as %s, and a new journal continues where the service is", error, aside)
        return SqliteJournal(path)
    return journal


def salvaged_path(journal: Path) -> Path:
    """Where a damaged journal's records are gathered, until they take its place."""
    return journal.with_name(journal.name + ".salvaged")


def set_aside(path: Path) -> Path:
    """Renames a journal and what belongs to it. Returns its new name."""
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    aside = path.with_name(f"{path.name}.damaged-{stamp}")
    number = 1
    while aside.exists():
        number += 1
        aside = path.with_name(f"{path.name}.damaged-{stamp}-{number}")
    for suffix in PARTS:
        part = path.with_name(path.name + suffix)
        if part.exists():
            part.rename(aside.with_name(aside.name + suffix))
    return aside


def salvage(damaged: Path, fresh: Path) -> bool:
    """Copies a damaged journal's records into a new file, if all of them are there and whole. Says whether.

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
    whole = all(is_whole(record) for record in (*parts, *rows))
    if not whole or tallies != [(len(rows),)] or "head" not in {name for name, *_ in parts}:
        return False
    for suffix in PARTS:
        fresh.with_name(fresh.name + suffix).unlink(missing_ok=True)  # of an attempt that did not come to its end
    journal = SqliteJournal(fresh)
    try:
        journal.adopt(parts, rows)
        journal.check()
    finally:
        journal.close()
        Ballast(fresh).give()
    return True
