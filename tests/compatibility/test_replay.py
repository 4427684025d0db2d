"""Today's console plays a recording of before."""

import gzip
import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.compatibility.programs.processes import FIXTURES, command_line, run
from tests.compatibility.programs.terminal import terminal


@pytest.fixture
def tape(tmp_path: Path) -> Path:
    path = tmp_path / "outage.tape"
    path.write_bytes(gzip.decompress((FIXTURES / "outage.tape.gz").read_bytes()))
    return path


def test_console_plays_an_old_recording_to_its_end(tape: Path, tmp_path: Path) -> None:
    live = [session for session in _last_sessions(tape) if session["live"]]
    assert len(live) > 5

    def shows_all(rows: list[str]) -> bool:
        return all(_shows(rows, session) for session in live)

    with terminal(command_line("tui", "replay", str(tape), "-t", "1s ago"), tmp_path) as console:
        console.wait_for(shows_all, f"every live session with its figures, of {live}")
        console.press("g")
        console.wait_for(lambda rows: any("edge-2" in row for row in rows), "the gap view with the server's gap")
        console.press("q")
        assert console.wait_for_end() == 0


def test_replay_without_terminal_is_refused(tape: Path, tmp_path: Path) -> None:
    assert run("replay", str(tape), home=tmp_path).code == 2


def test_replay_refuses_what_is_no_recording(tape: Path, tmp_path: Path) -> None:
    tape.write_text('{"at": "noon"}\n')

    assert run("replay", str(tape), home=tmp_path).code == 1


def _last_sessions(tape: Path) -> list[dict[str, Any]]:
    """Return the sessions as the recording's last poll leaves them."""
    sessions: dict[tuple[str, str, int], dict[str, Any]] = {}
    for line in tape.read_text().splitlines():
        poll = json.loads(line)
        if poll.get("reset"):
            sessions.clear()
        for session in poll.get("changed", ()):
            sessions[session["scope"], session["name"], session["start_time"]] = session
        for key in poll.get("removed", ()):
            sessions.pop(tuple(key), None)
    return list(sessions.values())


def _shows(rows: list[str], session: dict[str, Any]) -> bool:
    """Whether a row has the stream's name and its figures."""
    wanted = {str(session["active"]), str(session["peak"])}
    return any(session["name"] in row and wanted <= set(re.findall(r"[\w.]+", row)) for row in rows)
