"""The commands print the same data as before, and the files of a user's machine are read as before."""

import csv
import io
import json
import sqlite3
from pathlib import Path

from tests.compatibility.console_files import MEMORY, place, use_commands, use_console
from tests.compatibility.exchange import Client, Json, check_equal
from tests.compatibility.programs.processes import FIXTURES, Clock, command_line, run, started, wait_until
from tests.compatibility.record import serving_old_store

_OF_OURS = ("live", "provenance", "lowerBound")
"""What `ls` prints of a session since it prints more than a usage record."""
_ISO = "_iso"
"""Suffix of the times that JSON has beside the milliseconds."""


def test_commands_print_the_same_data_as_before(tmp_path: Path) -> None:
    expected = json.loads((FIXTURES / "printed.json").read_text())

    with serving_old_store(tmp_path) as (port, client, clock):
        printed = use_commands(port, client, clock, tmp_path / "home", ("--format", "v1"), ("--online",))

    check_equal(expected, _without_additions(printed, expected))
    assert (tmp_path / "home" / "statement.json").read_bytes() == (FIXTURES / "statement.json").read_bytes()


def _without_additions(printed: Json, expected: Json) -> Json:
    """Return what was printed without ISO times, state and provenance, and columns after those of before."""
    kept = dict(printed)
    for command in printed:
        if "--format csv" in command and expected[command]["out"]:
            columns = len(expected[command]["out"][0].split(","))
            rows = [row[:columns] for row in csv.reader(printed[command]["out"])]
            kept[command] = printed[command] | {"out": [_csv_line(row) for row in rows]}
        elif "out" in printed[command]:
            kept[command] = printed[command] | {"out": _without_iso(printed[command]["out"])}
        if command.startswith("ls ") and command.endswith("json"):
            out = kept[command]["out"]
            sessions = [out] if isinstance(out, dict) else out
            known = [{name: session[name] for name in session if name not in _OF_OURS} for session in sessions]
            kept[command] = printed[command] | {"out": known[0] if isinstance(out, dict) else known}
    return kept


def _without_iso(printed: Json) -> Json:
    if isinstance(printed, list):
        return [_without_iso(item) for item in printed]
    if isinstance(printed, dict):
        return {name: _without_iso(item) for name, item in printed.items() if not name.endswith(_ISO)}
    return printed


def _csv_line(row: list[str]) -> str:
    line = io.StringIO()
    csv.writer(line, lineterminator="").writerow(row)
    return line.getvalue()


def test_statement_of_before_is_read_and_is_no_proof_without_a_service(tmp_path: Path) -> None:
    changed = tmp_path / "changed.json"
    changed.write_text((FIXTURES / "statement.json").read_text().replace('"connections": ', '"connections": 1', 1))

    ended = [run("daily", "verify", str(file), home=tmp_path) for file in (FIXTURES / "statement.json", changed)]

    assert [each.code for each in ended] == [4, 4]
    assert ["the digest and the totals fit" in each.out for each in ended] == [True, False]


def test_console_finds_its_table_as_an_older_one_left_it(tmp_path: Path) -> None:
    place("memory.json", tmp_path, MEMORY)

    with serving_old_store(tmp_path) as (port, _, clock):
        remembered = use_console(port, clock, tmp_path, [], shows="keynote", hides="spare-1")

    check_equal(json.loads((FIXTURES / "memory.json").read_text()), remembered)


def test_service_without_flags_finds_its_store_and_its_token(tmp_path: Path) -> None:
    data = Path(".local/share/streamtop")
    place("store.db", tmp_path, data / "usage.db")
    token = tmp_path / data / "admin-token"
    token.write_text("of-an-older-service\n")
    token.chmod(0o600)
    log = tmp_path / "service.log"

    with started(command_line("tui", "serve", "--listen", "127.0.0.1:0"), tmp_path, log, {}):
        wait_until(lambda: "http://127.0.0.1:" in log.read_text(), "the service prints its address")
        port = int(log.read_text().partition("http://127.0.0.1:")[2].split(",")[0].strip())
        client = Client(port, Clock(tmp_path / "clock", 0))
        servers = client.read_json("/api/v1/servers", token="of-an-older-service")["servers"]

    assert "edge-1" in {server["server"] for server in servers}


def test_store_fixture_is_one_whole_file() -> None:
    for name in ("store.db", "journal.db", "journal_store.db"):
        with sqlite3.connect(f"file:{FIXTURES / name}?mode=ro&immutable=1", uri=True) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",), name
