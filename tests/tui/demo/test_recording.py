"""The demo's recording: the same bytes for the same seed, and its replay shows the outage as a gap."""

import gzip
from pathlib import Path

import pytest

from streamusage.core.clock import SystemClock
from streamusage.core.coverage import Provenance
from tests.support.console.pilot import screen_text, wait_for
from tests.support.console.records import session
from tui.app.console_app import ConsoleApp
from tui.config.settings import ConnectionSettings
from tui.demo.packaged_recording import RECORDING
from tui.demo.recording import make_recording
from tui.demo.regions import CUT_OFF
from tui.recording.errors import RecordingError
from tui.recording.player import NO_SERVICE, Player
from tui.recording.recording import RecordedPoll, read_recording
from tui.screens.gap import GapScreen
from tui.screens.gaps import GapsScreen


async def test_recording_is_deterministic_and_replays_the_outage(tmp_path: Path) -> None:
    tape, again = tmp_path / "outage.tape", tmp_path / "again.tape"
    made = await make_recording(tape, seed=1)
    assert await make_recording(again, seed=1) == made
    assert tape.read_bytes() == again.read_bytes()
    packaged = gzip.decompress(RECORDING.read_bytes())
    assert packaged == tape.read_bytes(), "the demo has changed: make recording"
    with pytest.raises(RecordingError, match="exists already"):
        await make_recording(tape, seed=1)

    polls = read_recording(tape)
    clock = SystemClock()
    app = ConsoleApp(
        None,
        ConnectionSettings(profile="recording", poll_interval_s=1, read_only=True),
        clock=clock,
        journal_path=tmp_path / "deleted.ndjson",
        make_source=lambda post: Player(polls, post, polls[-1].at, clock),
    )
    async with app.run_test(size=(110, 40)) as pilot:
        await wait_for(pilot, lambda: app.state.now_ms() >= polls[-1].at, "the last poll")
        await pilot.press("g")
        await pilot.pause()
        screen = app.screen
        assert isinstance(screen, GapsScreen)
        last = max(poll.coverage.now for poll in polls if poll.coverage is not None)
        await wait_for(pilot, lambda: screen.book.now_ms == last, "all coverage of the recording")
        gaps = [span for span in screen.book.servers[CUT_OFF].spans if span.state is not Provenance.LIVE]
        assert [gap.state for gap in gaps] == [Provenance.BACKFILLED]
        (outage,) = screen.book.outages[CUT_OFF]
        assert [phase.phase for phase in outage.phases][-2:] == ["recovering", "online"]
        await pilot.press("N", "enter")
        await pilot.pause()
        assert isinstance(app.screen, GapScreen)


async def test_recording_without_a_client_names_why_data_beside_the_polls_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A replay has no client: views, deletes and the curl command show the reason."""
    monkeypatch.chdir(tmp_path)
    clock = SystemClock()
    polls = [RecordedPoll(at=clock.now_ms(), changed=[session("a", 1_000)], reset=True, servers=[])]
    app = ConsoleApp(
        None,
        ConnectionSettings(profile="r", poll_interval_s=1),
        clock=clock,
        journal_path=tmp_path / "j",
        make_source=lambda post: Player(polls, post, 0, clock),
    )
    async with app.run_test(size=(110, 24)) as pilot:
        await wait_for(pilot, lambda: len(app.state.store), "the recording")
        for key, action in (("d", "nothing can be deleted"), ("c", "no command")):
            await pilot.press(key)
            await wait_for(pilot, lambda action=action: f"{action}: {NO_SERVICE}" in screen_text(app), action)
            assert app.screen is app.sessions_screen
        await pilot.press("y")
        await wait_for(pilot, lambda: NO_SERVICE in screen_text(app), "the reason for no month")
        await pilot.press("tab")
        await wait_for(pilot, lambda: screen_text(app).count(NO_SERVICE) == 2, "the reason for no streams")
        await pilot.press("escape", "g")
        await wait_for(pilot, lambda: NO_SERVICE in screen_text(app), "the reason for no coverage")
        await pilot.press("escape", "B")
        await wait_for(pilot, lambda: "wrote an incident bundle" in screen_text(app), "the bundle")
