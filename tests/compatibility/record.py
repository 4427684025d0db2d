"""Write the transcript of a fresh service, and the fixtures that the tests compare today's program with.

    python -m tests.compatibility.record DIRECTORY

Run it on the commit whose behaviour is to be kept. It uses the command line, HTTP and files only.
"""

import contextlib
import json
import shutil
import sqlite3
import sys
import tempfile
from pathlib import Path

from tests.compatibility.estate import BEGIN, LATER, ask, build
from tests.compatibility.exchange import Client, Exchange
from tests.compatibility.processes import Clock, service


def record_answers(directory: Path) -> tuple[list[Exchange], Path, str]:
    """Return the transcript of a fresh estate, the store that it left, and the cursor of a console that watched it."""
    store = directory / "usage.db"
    clock = Clock(directory / "clock", BEGIN)
    with service(store, clock) as port:
        client = Client(port, clock)
        cursor = build(client, clock)
    return client.transcript, store, cursor


def record_store_answers(store: Path, cursor: str, directory: Path) -> list[Exchange]:
    """Return what a service answers about a store that another one wrote, and to a cursor that the other one gave.

    The store is changed.
    """
    clock = Clock(directory / "clock", LATER)
    with service(store, clock) as port:
        client = Client(port, clock)
        ask(client, "from the store")
        client.get(f"/api/v1/changes?cursor={cursor}", shown="/api/v1/changes?cursor=OLD")
    return client.transcript


def compact(store: Path) -> None:
    """Put a SQLite store into one file, as small as can be."""
    with contextlib.closing(sqlite3.connect(store, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = DELETE")
        connection.execute("VACUUM")


def write_transcript(path: Path, transcript: list[Exchange]) -> None:
    """Write a transcript, one exchange a line."""
    lines = (json.dumps(exchange, ensure_ascii=False, sort_keys=True) for exchange in transcript)
    path.write_text("[\n" + ",\n".join(lines) + "\n]\n")


def main() -> None:
    """Write all fixtures into the directory that the command line names."""
    target = Path(sys.argv[1])
    target.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        directory = Path(scratch)
        transcript, store, cursor = record_answers(directory)
        write_transcript(target / "answers.json", transcript)
        compact(store)
        shutil.copyfile(store, target / "store.db")
        (target / "store_cursor.txt").write_text(f"{cursor}\n")
        write_transcript(target / "store_answers.json", record_store_answers(store, cursor, directory))


if __name__ == "__main__":
    main()
