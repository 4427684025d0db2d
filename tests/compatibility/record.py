"""Write the transcript of a fresh service, and the fixtures that the tests compare today's program with.

    python -m tests.compatibility.record DIRECTORY

Run it on the commit whose behaviour is to be kept. It uses the command line, HTTP and files only.
"""

import contextlib
import gzip
import json
import shutil
import sqlite3
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.compatibility.commands import read_commands
from tests.compatibility.console_files import MEMORY, use_commands, use_console
from tests.compatibility.delivery import deliver, record_journal
from tests.compatibility.estate import BEGIN, LATER, build, request
from tests.compatibility.exchange import Client, Exchange, Json, field_orders
from tests.compatibility.programs.processes import FIXTURES, Clock, run, service
from tests.compatibility.settings import read_settings


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
        request(client, "from the store")
        client.get(f"/api/v1/changes?cursor={cursor}", shown="/api/v1/changes?cursor=OLD")
    return client.transcript


@contextlib.contextmanager
def serving_old_store(directory: Path) -> Iterator[tuple[int, Client, Clock]]:
    """Serve a copy of `fixtures/store.db`; yields the port, a client and the clock."""
    store = directory / "old-usage.db"
    shutil.copyfile(FIXTURES / "store.db", store)
    clock = Clock(directory / "clock", LATER)
    with service(store, clock) as port:
        yield port, Client(port, clock), clock


def record_console_files(target: Path, directory: Path) -> None:
    """Write the files of a user's machine, and what the commands print of the store and these files.

    Looks for the store and the deleted records in `fixtures/`, so that these are recorded first.
    """
    with serving_old_store(directory) as (port, client, clock):
        home = directory / "console-home"
        printed = use_commands(port, client, clock, home)
        write_json(target / "printed.json", printed)
        shutil.copyfile(home / "statement.json", target / "statement.json")
        write_deleted(target / "deleted.ndjson", printed["deleted.ndjson"])
        use_console(port, clock, home, [*"ooz", "/", *"keynote", "\r"], "keynote", "spare-1")
        shutil.copyfile(home / MEMORY, target / "memory.json")


def record_delivery(target: Path, directory: Path) -> None:
    """Write an agent's journal in the middle of an outage, and the figures once it is delivered."""
    directory.mkdir()
    journal, store, start = record_journal(directory)
    shutil.copyfile(journal, target / "journal.db")
    shutil.copyfile(store, target / "journal_store.db")
    figures = {
        name: deliver(journal, served, start, directory / name)
        for name, served in (("store of before", store), ("empty store", None))
    }
    write_json(target / "journal.json", {"start": start, "figures": figures})


def record_tape(target: Path, directory: Path) -> None:
    """Write a recording of the demo's outage."""
    tape = directory / "outage.tape"
    ended = run("demo", "--record", str(tape), home=directory / "home")
    assert ended.code == 0, ended
    (target / "outage.tape.gz").write_bytes(gzip.compress(tape.read_bytes(), mtime=0))


def compact(store: Path) -> None:
    """Put a SQLite store into one file, as small as can be."""
    with contextlib.closing(sqlite3.connect(store, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = DELETE")
        connection.execute("VACUUM")


def write_json(path: Path, content: Json) -> None:
    path.write_text(json.dumps(content, ensure_ascii=False, indent=1, sort_keys=True) + "\n")


def write_deleted(path: Path, records: list[Json]) -> None:
    path.write_text("".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records))


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
        write_json(target / "field_orders.json", field_orders(transcript))
        compact(store)
        shutil.copyfile(store, target / "store.db")
        (target / "store_cursor.txt").write_text(f"{cursor}\n")
        write_transcript(target / "store_answers.json", record_store_answers(store, cursor, directory))
        record_console_files(target, directory)
        record_delivery(target, directory / "delivery")
        write_json(target / "commands.json", read_commands(directory / "home"))
        write_json(target / "settings.json", read_settings(directory / "settings-home"))
        record_tape(target, directory)


if __name__ == "__main__":
    main()
