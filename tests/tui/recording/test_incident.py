"""Recordings and incident bundles have gaps and days from their first second, and bundles replay."""

import gzip
import stat
import tarfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot

from streamusage import __version__
from streamusage.client.usage_client import UsageClient
from streamusage.core.clock import SystemClock
from tests.support.console.frozen_service import frozen_service
from tests.support.console.pilot import console, screen_text, wait_for, wait_for_figures
from tests.support.console.records import session
from tests.support.console.tapes import gaps_and_days, save_bundle
from tests.support.plain_manager import PlainManager, wire
from tui.app.console_app import ConsoleApp
from tui.app.messages import SessionsPolled
from tui.config.settings import ConnectionSettings
from tui.model.sessions.sparkline import NoFigure
from tui.recording.errors import RecordingError
from tui.recording.player import Player
from tui.recording.recording import Recording, read_recording


@asynccontextmanager
async def replay(file: Path, *, from_end: bool = False) -> AsyncIterator[tuple[ConsoleApp, Pilot[Any]]]:
    """Play a recording from its first second, or from its end."""
    polls, clock = read_recording(file), SystemClock()
    app = ConsoleApp(
        None,
        ConnectionSettings(profile="recording", read_only=True),
        clock=clock,
        journal_path=file.with_name("deleted.ndjson"),
        make_source=lambda post: Player(polls, post, polls[-1 if from_end else 0].at, clock),
    )
    async with app.run_test(size=(160, 50)) as pilot:
        await wait_for(pilot, lambda: app.state.has_figures, "the first poll")
        yield app, pilot


def summary(file: Path) -> str:
    with tarfile.open(file) as archive:
        assert {member.mode for member in archive.getmembers()} == {0o600}
        return archive.extractfile("streamtop-incident/summary.txt").read().decode()  # type: ignore[union-attr]


async def test_bundle_replays_sessions_gaps_and_days(store_of_an_hour: Path, tmp_path: Path) -> None:
    async with frozen_service(store_of_an_hour, tmp_path) as (client, clock):
        app = ConsoleApp(client, ConnectionSettings(profile="p"), clock=clock, journal_path=tmp_path / "j")
        async with app.run_test(size=(160, 50)) as pilot:
            await wait_for_figures(pilot)
            shown = {key.key: (key.active, key.total, key.provenance) for key in app.state.store}
            first = await save_bundle(app, pilot, tmp_path / "first.tar.gz")
            known = await gaps_and_days(app, pilot)
    assert stat.S_IMODE(first.stat().st_mode) == 0o600
    async with replay(first) as (app, pilot):
        assert {key.key: (key.active, key.total, key.provenance) for key in app.state.store} == shown
        spans, days = await gaps_and_days(app, pilot)
        assert spans.keys() == known[0].keys()
        assert days == known[1]
        assert any(state for line in spans.values() for _, state in line if state != "live")
        again = await save_bundle(app, pilot, tmp_path / "again.tar.gz")
    async with replay(again) as (app, pilot):
        assert await gaps_and_days(app, pilot) == (spans, days), "a bundle of a replay has what the replay had"


async def test_summary_has_versions_terminal_and_what_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERM", "xterm-of-a-test")
    async with PlainManager(wire("cam")) as manager, UsageClient(manager.url, manager.token) as client:
        app = console(client, tmp_path)
        async with app.run_test(size=(160, 50)) as pilot:
            await wait_for_figures(pilot)
            text = summary(await save_bundle(app, pilot, tmp_path / "bundle.tar.gz"))
    assert f"streamtop {__version__}, Python 3" in text
    assert "TERM=xterm-of-a-test" in text
    missing = text[text.index("Not in this bundle:") :]
    for subject in ("gaps: ", "daily statistics: ", "servers: ", "polls before "):
        assert f"  {subject}" in missing


async def test_bundle_replays_each_kept_poll(tmp_path: Path) -> None:
    def poll(at_ms: int, *names: str, removed: str = "", reset: bool = False) -> SessionsPolled:
        sessions = [session(name, 1_000, active=at_ms) for name in names]
        gone = [session(removed, 1_000).key] if removed else []
        return SessionsPolled(sessions, gone, reset, at_ms, [], "")

    async with PlainManager() as manager, UsageClient(manager.url, manager.token) as client:
        settings = ConnectionSettings(poll_interval_s=3600)
        app = ConsoleApp(client, settings, clock=SystemClock(), journal_path=tmp_path / "j")
        app.sessions_screen.opens_beside = False  # it would poll
        async with app.run_test(size=(160, 50)) as pilot:
            await wait_for_figures(pilot)
            for message in (
                poll(60_000, "a", "b", reset=True),
                poll(120_000, "b", "c", removed="a"),
                poll(180_000, "c"),
            ):
                app.state.apply_poll(message)
            app.state.jump(120_000)
            bundle = await save_bundle(app, pilot, tmp_path / "bundle.tar.gz")
    polls = {line.at: line for line in read_recording(bundle)}
    assert [entry.name for entry in polls[120_000].changed] == ["b", "c"]
    assert polls[120_000].removed == [("live", "a", 1_000)]
    async with replay(bundle, from_end=True) as (app, pilot):
        await wait_for(pilot, lambda: app.state.now_ms() >= 180_000, "the last poll")
        figures = {entry.name: entry.active for entry in app.state.store}
        assert figures == {"b": 120_000, "c": 180_000}
        assert app.state.audience.points(180_000)[-4:] == [NoFigure.NOT_SEEN, 120_000, 240_000, 300_000]
        await wait_for(pilot, lambda: "watching 300,000" in screen_text(app), "the audience strip of the last poll")


async def test_recording_has_gaps_and_days_although_no_view_was_opened(store_of_an_hour: Path, tmp_path: Path) -> None:
    tape = Recording(tmp_path / "night.tape", SystemClock())
    async with frozen_service(store_of_an_hour, tmp_path) as (client, clock):
        app = ConsoleApp(
            client, ConnectionSettings(profile="p"), clock=clock, journal_path=tmp_path / "j", recording=tape
        )
        async with app.run_test(size=(160, 50)) as pilot:
            await wait_for_figures(pilot)
            await wait_for(pilot, lambda: '"days"' in (tmp_path / "night.tape").read_text(), "the days")
            known = await gaps_and_days(app, pilot)
    async with replay(tmp_path / "night.tape") as (app, pilot):
        spans, days = await gaps_and_days(app, pilot)
        assert (spans.keys(), days) == (known[0].keys(), known[1])


def test_what_is_no_bundle_is_refused_with_reason(tmp_path: Path) -> None:
    file = tmp_path / "bundle.tar.gz"
    with tarfile.open(file, "w:gz"):
        pass
    with pytest.raises(RecordingError, match="has no recording"):
        read_recording(file)
    file.write_bytes(file.read_bytes()[:20])
    with pytest.raises(RecordingError, match="not a complete incident bundle"):
        read_recording(file)


def test_recording_may_be_compressed(tmp_path: Path) -> None:
    lines = b'{"at":1000}\n{"at":2000}\n'
    file = tmp_path / "tonight.tape.gz"
    file.write_bytes(gzip.compress(lines))
    assert [poll.at for poll in read_recording(file)] == [1000, 2000]
    file.write_bytes(gzip.compress(lines)[:-9])
    with pytest.raises(RecordingError, match="not a complete incident bundle or compressed recording"):
        read_recording(file)
    file.write_bytes(gzip.compress(b'{"a":'))
    assert read_recording(file) == []
