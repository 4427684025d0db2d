"""The detail of a stream with thousands of sessions: what is drawn is bounded by the screen, and right at any place."""

from pathlib import Path

import pytest

from streamusage.client.usage_client import UsageClient
from streamusage.core.usage import UsageRecord
from tests.support.console.pilot import console, detail_lines, has_history, wait_for, wait_for_figures
from tests.support.console.records import recent
from tests.support.console.scripted_service import scripted_service
from tests.support.plain_manager import PlainManager, wire
from tui.model.sessions.session_columns import SessionColumns

SESSIONS = 3_000
HOUR_MS = 3_600_000


def ended_record(name: str, start: int) -> UsageRecord:
    """Return the record of a session of a minute."""
    return UsageRecord(
        name=name,
        scope="live",
        start_time=start,
        end_time=start + 60_000,
        duration=60_000,
        active_subscribers=0,
        max_subscribers=3,
        lost_subscribers=3,
        total_subscribers=3,
        updated=start + 60_001,
    )


async def test_long_detail_reads_the_sessions_on_the_screen_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[int] = []
    whole = SessionColumns.session

    def counted(self: SessionColumns, row: int) -> object:
        read.append(row)
        return whole(self, row)

    newest = recent(1)
    manager = PlainManager(
        *(wire("cam", start=newest - 1000 * number, totalSubscribers=number) for number in range(SESSIONS))
    )
    async with (
        manager,
        UsageClient(manager.url, manager.token) as client,
        console(client, tmp_path).run_test(size=(120, 30)) as pilot,
    ):
        app = await wait_for_figures(pilot)
        await wait_for(pilot, lambda: app.state.view.sessions == SESSIONS, "all sessions")
        monkeypatch.setattr(SessionColumns, "session", counted)
        await pilot.press("enter")
        await wait_for(pilot, lambda: app.sessions_screen.detail.virtual_size.height > SESSIONS, "the detail")
        detail = app.sessions_screen.detail
        detail.update()
        assert len(set(read)) < 100
        detail.scroll_end(animate=False, immediate=True)
        await pilot.pause()
        totals = [int(line.split()[-1].replace(",", "")) for line in detail_lines(app)]
        assert totals == list(range(SESSIONS - detail.size.height, SESSIONS))
        assert len(set(read)) < 200
        detail.scroll_home(animate=False, immediate=True)
        detail.update()
        await pilot.pause()
        assert any(line.startswith("▸") for line in detail_lines(app))


async def test_detail_of_an_old_session_reads_no_later_ones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[int] = []
    is_live = SessionColumns.is_live

    def counted(self: SessionColumns, row: int) -> bool:
        read.append(row)
        return is_live(self, row)

    now_ms = recent(0)
    records = [ended_record("cam", now_ms - HOUR_MS * number) for number in range(1, SESSIONS)]
    async with scripted_service(tmp_path, now_ms, "edge-1") as (_, client):
        await client.import_records(records[:1500])
        await client.import_records(records[1500:])
        app = console(client, tmp_path)
        async with app.run_test(size=(120, 30)) as pilot:
            await wait_for(pilot, lambda: app.state.view.sessions == len(records), "all sessions")
            app.sessions_screen._sort("started", descending=True)
            await pilot.press("end", "enter")
            await wait_for(pilot, lambda: has_history(app), "the history")
            monkeypatch.setattr(SessionColumns, "is_live", counted)
            app.sessions_screen.detail.update()
            session = app.sessions_screen.table.cursor_session
            assert session is not None
            assert session.start_time == records[-1].start_time
            assert len(read) < 50


async def test_long_detail_follows_new_sessions(tmp_path: Path) -> None:
    newest = recent(1)
    records = [wire("cam", start=newest - 1000 * number) for number in range(30)]
    manager = PlainManager(*records)
    async with (
        manager,
        UsageClient(manager.url, manager.token) as client,
        console(client, tmp_path).run_test(size=(120, 60)) as pilot,
    ):
        app = await wait_for_figures(pilot)
        await pilot.press("enter")
        await wait_for(pilot, lambda: any("30 sessions of this stream" in line for line in detail_lines(app)), "them")
        manager.records.insert(0, wire("cam", start=newest + 1000, totalSubscribers=987))
        await wait_for(pilot, lambda: any("31 sessions of this stream" in line for line in detail_lines(app)), "more")
        assert any(line.rstrip().endswith("987") for line in detail_lines(app))
