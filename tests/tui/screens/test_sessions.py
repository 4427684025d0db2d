"""The sessions view driven by keys against a real service: the table, and deletes of exactly the confirmed sessions."""

import asyncio
import csv
from pathlib import Path

import msgspec
import pytest
from textual.widgets import Button, Input

from streamusage.client.usage_client import UsageClient
from tests.support.canned_answers import CannedServer, ReceivedRequest, reply
from tests.support.console.pilot import console, screen_lines, screen_text, wait_for, wait_for_figures
from tests.support.console.records import HOSTILE, TOKEN, recent, record, service_with
from tests.support.plain_manager import PlainManager, wire
from tui.screens.confirm_delete import READING_MS, ConfirmDelete
from tui.screens.delete_progress import DeleteResult
from tui.screens.help import HelpScreen


def read_journal(directory: Path) -> list[tuple[str, int]]:
    lines = (directory / "deleted.ndjson").read_bytes().splitlines()
    return [(entry["name"], entry["startTime"]) for entry in map(msgspec.json.decode, lines)]


async def test_sessions_are_shown_filtered_and_sorted(tmp_path: Path) -> None:
    records = [record("cam-1", recent(90), total=5), record("cam-2", recent(60), total=9), record("stage", recent(30))]
    async with service_with(tmp_path, records) as client, console(client, tmp_path).run_test(size=(80, 24)) as pilot:
        app = await wait_for_figures(pilot)
        assert [line.replace("»", " ").split()[0] for line in screen_lines(app) if "live/" in line] == [
            "▸",
            "live/cam-2",
            "live/cam-1",
        ]
        await pilot.press("slash", *"CAM", "enter")
        assert len(app.state.view) == 2
        assert any("(1 hidden)" in line for line in screen_lines(app))
        await pilot.press("o", "o", "o")
        assert app.state.view.column == "total"
        assert [line.split("live/")[1][:5] for line in screen_lines(app) if "live/" in line] == ["cam-2", "cam-1"]
        await pilot.press("O")
        assert [line.split("live/")[1][:5] for line in screen_lines(app) if "live/" in line] == ["cam-1", "cam-2"]
        await pilot.press("escape")
        assert len(app.state.view) == 3


async def test_filter_by_service_is_refused_where_one_service_is_shown(tmp_path: Path) -> None:
    records = [record("cam-1", recent(90))]
    async with service_with(tmp_path, records) as client, console(client, tmp_path).run_test(size=(80, 24)) as pilot:
        app = await wait_for_figures(pilot)
        await pilot.press("slash", *"service=eu")
        assert any("service is unknown here: only a console of several services" in line for line in screen_lines(app))
        await pilot.press("escape")
        await wait_for(pilot, lambda: len(app.state.view) == 1, "the rows without a filter")


async def test_filter_by_provenance_is_refused_where_a_plain_manager_reports_none(tmp_path: Path) -> None:
    async with (
        PlainManager(wire("keynote")) as manager,
        UsageClient(manager.url, manager.token) as client,
        console(client, tmp_path).run_test(size=(100, 24)) as pilot,
    ):
        app = await wait_for_figures(pilot)
        await pilot.press("slash", *"data=live")
        await wait_for(pilot, lambda: "a plain Stream Manager does not report" in screen_text(app), "the reason")
        await pilot.press("escape")
        await wait_for(pilot, lambda: len(app.state.view) == 1, "the rows without a filter")


async def test_hostile_names_are_drawn_as_text_and_stay_deletable(tmp_path: Path) -> None:
    records = [record(name, recent(10 + number)) for number, name in enumerate(HOSTILE)]
    async with service_with(tmp_path, records) as client, console(client, tmp_path).run_test(size=(80, 24)) as pilot:
        app = await wait_for_figures(pilot)
        text = "\n".join(screen_lines(app))
        assert "live/[red]x[/]" in text
        assert "live/␛[2J" in text
        assert "live/../.." in text
        assert not {"\x1b", "\u202e"} & set(text)
        for row, name in enumerate(HOSTILE):
            app.sessions_screen.table.move_to(0)
            await pilot.press("enter", "d")
            await wait_for(pilot, lambda: isinstance(app.screen, ConfirmDelete), f"the dialog of row {row}")
            await pilot.press("right", "enter")
            await wait_for(
                pilot, lambda name=name: all(known.name != name for known in app.state.store), f"{name!r} gone"
            )
            await pilot.press("escape")
        assert await client.usage() == []


async def test_delete_removes_only_the_confirmed_session(tmp_path: Path) -> None:
    records = [record("cam", recent(90)), record("cam", recent(60)), record("stage", recent(30))]
    async with service_with(tmp_path, records) as client, console(client, tmp_path).run_test(size=(80, 24)) as pilot:
        app = await wait_for_figures(pilot)
        await pilot.press("j", "D")
        assert isinstance(app.screen, ConfirmDelete)
        assert app.screen.focused is not None
        assert app.screen.focused.id == "name"
        await pilot.press("enter", "enter")
        assert isinstance(app.screen, ConfirmDelete), "enter in an empty field confirms nothing"
        await pilot.press("tab", "enter")
        assert app.screen is app.sessions_screen, "the next field is Cancel"
        assert len(await client.usage()) == 3

        await pilot.press("D")
        go = app.screen.query_one("#go", Button)
        assert go.disabled
        await pilot.press(*"live/ca")
        assert go.disabled
        await pilot.press("m", "enter")
        # Another session of the stream starts before the confirmation.
        newcomer = record("cam", recent(1))
        await client.import_records([newcomer])
        await pilot.press("enter")
        dialog = app.screen
        await wait_for(pilot, lambda: dialog.query_one("#since").display, "the changes since the request")
        assert "will NOT be deleted" in str(dialog.query_one("#since").render())  # type: ignore[no-untyped-call]
        await pilot.press(*["enter"] * 10)  # a held key
        assert app.screen is dialog, "nobody has read the change"
        assert len(await client.usage()) == 4
        await pilot.pause(READING_MS / 1000 + 0.1)
        await pilot.press("enter")
        await wait_for(pilot, lambda: len(app.state.store) == 2, "the two sessions gone")
        assert sorted(kept.key for kept in await client.usage()) == sorted([newcomer.key, records[2].key])
        assert sorted(read_journal(tmp_path)) == sorted(("cam", deleted.start_time) for deleted in records[:2])
        await wait_for(pilot, lambda: any("; verified" in line for line in screen_lines(app)), "the verification")


async def test_nothing_is_deleted_if_the_journal_cannot_be_written(tmp_path: Path) -> None:
    async with service_with(tmp_path, [record("cam", recent(90))]) as client:
        app = console(client, tmp_path)
        app.deletion.journal_path = tmp_path / "usage.db" / "deleted.ndjson"
        async with app.run_test(size=(80, 24)) as pilot:
            await wait_for_figures(pilot)
            await pilot.press("d", "right", "enter")
            await wait_for(pilot, lambda: any("not tried" in line for line in screen_lines(app)), "the refusal")
        assert len(await client.usage()) == 1


async def test_read_only_console_has_no_delete_keys(tmp_path: Path) -> None:
    async with (
        service_with(tmp_path, [record("cam", recent(90))]) as client,
        console(client, tmp_path, read_only=True).run_test(size=(80, 24)) as pilot,
    ):
        app = await wait_for_figures(pilot)
        await pilot.press("d", "D")
        assert app.screen is app.sessions_screen
        assert not any("delete" in line for line in screen_lines(app))
        assert any(line.rstrip().endswith("RO") for line in screen_lines(app))
        assert any("read-only: type :arm 5m" in line for line in screen_lines(app))
        await pilot.press("question_mark")
        assert isinstance(app.screen, HelpScreen)
        assert "every session of this stream" not in str(app.screen.query_one("#help Static").render())  # type: ignore[no-untyped-call]


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (reply(200, "<!doctype html>", "text/html"), "web page"),
        (reply(200, '[{"name": "a" "scope"'), "broken JSON"),
        (reply(401, '{"errorMessage": "wrong token", "timestamp": 1}'), "wrong token"),
        (b"", "closed early"),
        (reply(200, b"[" + b" " * 30_000_000), "broken JSON"),
        (reply(200, b"[" + b'{"a":1},' * 3_750_000), "missing required field"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n[", "closed early"),
    ],
)
async def test_failed_poll_keeps_the_shown_sessions(tmp_path: Path, answer: bytes, message: str) -> None:
    good = reply(200, msgspec.json.encode([record("cam", recent(90))]))
    failing = False

    def respond(request: ReceivedRequest) -> bytes:
        if failing:
            return answer
        if request.path.startswith("/api/"):
            return reply(404, "<html>", "text/html")
        return reply(200, "[]") if request.path.endswith("/list/stats") else good

    async with (
        CannedServer(respond) as server,
        UsageClient(server.url, TOKEN) as client,
        console(client, tmp_path).run_test(size=(120, 24)) as pilot,
    ):
        app = await wait_for_figures(pilot)
        assert any("plain Stream Manager" in line for line in screen_lines(app))
        failing = True
        await wait_for(pilot, lambda: app.state.failures, "a failed poll")
        await pilot.pause()
        text = "\n".join(screen_lines(app))
        assert message in text
        assert "live/cam" in text
        assert TOKEN not in text
        failing = False
        await pilot.press("r")
        await wait_for(pilot, lambda: not app.state.failures, "a poll that succeeds again")


async def test_cursor_stays_with_its_session(tmp_path: Path) -> None:
    records = [record(f"s{number:03}", recent(500 - number)) for number in range(100)]
    async with service_with(tmp_path, records) as client, console(client, tmp_path).run_test(size=(80, 24)) as pilot:
        app = await wait_for_figures(pilot)
        table = app.sessions_screen.table
        await pilot.press(*["pagedown"] * 3)
        chosen = table.cursor_key
        on_screen = table.cursor_row - table.scroll_offset.y
        await client.import_records([record(f"new{number}", recent(number + 1)) for number in range(7)])
        await wait_for(pilot, lambda: len(app.state.store) == 107, "the new sessions")
        await pilot.pause()
        assert table.cursor_key == chosen
        assert table.cursor_row - table.scroll_offset.y == on_screen
        await client.delete_session(records[-1].key)
        await wait_for(pilot, lambda: len(app.state.store) == 106, "one session less")
        await pilot.pause()
        assert table.cursor_key == chosen
        assert any("▸" in line and chosen is not None and chosen.name in line for line in screen_lines(app))


async def test_input_cursor_does_not_blink(tmp_path: Path) -> None:
    async with service_with(tmp_path, []) as client, console(client, tmp_path).run_test(size=(80, 24)) as pilot:
        app = await wait_for_figures(pilot)
        assert any("no sessions" in line for line in screen_lines(app))
        await pilot.press("slash")
        assert not app.screen.query_one(Input).cursor_blink


class SlowToDelete(PlainManager):
    """A Stream Manager that answers a delete only after `may_answer` is set, and then refuses it."""

    def __init__(self, *records: dict[str, object]) -> None:
        super().__init__(*records)
        self.may_answer = asyncio.Event()
        self.respond = self._answer_late

    async def _answer_late(self, request: ReceivedRequest) -> bytes:
        if request.method == "DELETE":
            await self.may_answer.wait()
            return reply(400, '{"errorMessage": "not now", "timestamp": 1}')
        return self._respond(request)


async def test_second_delete_is_refused_while_one_is_under_way(tmp_path: Path) -> None:
    """Two deletes at once would share their stop key, and the result of one could hide the progress of the other."""
    records = [wire(name, start=recent(60)) for name in ("a", "b", *(f"c{number}" for number in range(6)))]
    async with (
        SlowToDelete(*records) as manager,
        UsageClient(manager.url, manager.token) as client,
        console(client, tmp_path).run_test(size=(100, 24)) as pilot,
    ):
        app = await wait_for_figures(pilot)
        await pilot.press("space", "space", "d", "2", "enter", "enter")
        await wait_for(pilot, lambda: manager.deletes, "the first delete on its way")
        await pilot.press("escape", "j", "d")
        assert app.screen is app.sessions_screen
        assert any("a delete is under way" in line for line in screen_lines(app))
        manager.may_answer.set()
        await wait_for(pilot, lambda: isinstance(app.screen, DeleteResult), "the result")
        await pilot.press("escape", "d")
        assert isinstance(app.screen, ConfirmDelete)
    assert len(manager.deletes) == 2


async def test_unknown_live_sessions_of_a_plain_stream_manager_are_not_zero(tmp_path: Path) -> None:
    """Its live list answers 404."""
    manager = PlainManager(wire("cam-1", start=recent(5)), wire("cam-2", start=recent(9)))
    async with (
        manager,
        UsageClient(manager.url, manager.token) as client,
        console(client, tmp_path).run_test(size=(140, 24)) as pilot,
    ):
        app = await wait_for_figures(pilot)
        lines = screen_lines(app)
        assert any(line.startswith(" – on air of 2 sessions   – watching") for line in lines)
        assert not any("ended" in line for line in lines if "live/cam" in line), "it is unknown"
        await pilot.press("t")
        assert any("live/  – on air of 2, – watching" in line for line in screen_lines(app))
        await pilot.press("j", "d")
        await wait_for(pilot, lambda: isinstance(app.screen, ConfirmDelete), "the dialog")
        assert "Whether it is on air is unknown." in screen_text(app)
        await pilot.press("escape")
        app.sessions_screen.action_export(str(tmp_path / "out.csv"))
        await wait_for(pilot, lambda: "wrote 2 sessions" in str(app.sessions_screen.notice), "the export")
        rows = list(csv.DictReader((tmp_path / "out.csv").open()))
        assert [(row["live"], row["provenance"]) for row in rows] == [("", "")] * 2
