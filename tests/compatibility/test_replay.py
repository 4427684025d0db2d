"""Today's console plays a recording of before."""

import gzip
import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.compatibility.exchange import (
    check_equal,
    with_maxima_by_arrival,
    with_overdue_as_watching,
    with_silent_as_lost,
)
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


def test_demo_makes_the_recording_that_it_made_before(tape: Path, tmp_path: Path) -> None:
    """The same seed passes through agents, service, client and recorder: all figures are the same as before.

    Revisions count the changes of a journal: unacknowledged samples are folded once more than before.
    """
    today = tmp_path / "today.tape"

    assert run("demo", "--record", str(today), home=tmp_path / "home").code == 0

    before = _without_texts(_polls(tape))
    polls = _without_texts(_polls(today))
    ended = [session for poll in polls for session in poll.get("changed", ()) if _was_on_air_twice(session)]
    assert [(session["name"], session["end_time"]) for session in ended] == [("cam-1", 1795292271000)]
    for poll in polls:
        if "changed" in poll:
            poll["changed"] = [session for session in poll["changed"] if not _was_on_air_twice(session)]
            assert {session.pop("service") for session in poll["changed"]} <= {""}, "a field of several services only"
    for poll in (*before, *polls):  # records that change in one commit have their order since
        poll.get("changed", []).sort(key=lambda session: (session["scope"], session["name"], session["start_time"]))
    former = with_maxima_by_arrival(before, with_silent_as_lost(before, polls))
    check_equal(before, with_overdue_as_watching(before, former))
    assert len(_days(today)) == 2, "recordings have daily statistics in lines of their own since"


def _was_on_air_twice(session: dict[str, Any]) -> bool:
    """Return whether a newer session of its stream ended it in the outage. Before, both were on air."""
    return not session["live"] and session["provenance"] == "missing"


def _polls(tape: Path) -> list[Any]:
    return [line for line in _lines(tape) if "days" not in line]


def _days(tape: Path) -> list[Any]:
    return [line for line in _lines(tape) if "days" in line]


def _lines(tape: Path) -> list[Any]:
    return [json.loads(line) for line in tape.read_text().splitlines()]


def _without_texts(value: Any) -> Any:
    """Return the value without reasons, errors and other texts that an operator reads."""
    if isinstance(value, list):
        return [_without_texts(item) for item in value]
    if isinstance(value, dict):
        return {
            name: bool(item) if name in ("reason", "error", "cannot_show", "why_failed") else _without_texts(item)
            for name, item in value.items()
            if name not in ("imported", "revision")
        }
    return value
