"""The console driven by keys against a real service: what is shown, and what exactly is deleted."""

import asyncio
from pathlib import Path

import msgspec
import pytest
from textual.widgets import Button, Input

from streamusage.client.usage_client import UsageClient
from tests.support.canned_answers import CannedServer, ReceivedRequest, reply
from tests.support.console.pilot import console, shown, until, with_figures
from tests.support.console.records import HOSTILE, TOKEN, recent, record, service_with
from tests.support.plain_manager import PlainManager, wire
from tui.screens.confirm_delete import ConfirmDelete
from tui.screens.delete_progress import DeleteResult
from tui.screens.help import HelpScreen


def journalled(directory: Path) -> list[tuple[str, int]]:
    lines = (directory / "deleted.ndjson").read_bytes().splitlines()
    return [(entry["name"], entry["startTime"]) for entry in map(msgspec.json.decode, lines)]


async def test_sessions_are_shown_filtered_and_sorted(tmp_path: Path) -> None:
    records = [record("cam-1", recent(90), total=5), record("cam-2", recent(60), total=9), record("stage", recent(30))]
    async with service_with(tmp_path, records) as client, console(client, tmp_path).run_test(size=(80, 24)) as pilot:
        app = await with_figures(pilot)
        assert [line.split()[0] for line in shown(app) if "live/" in line] == ["▸", "live/cam-2", "live/cam-1"]
        await pilot.press("slash", *"CAM", "enter")
        assert len(app.state.view) == 2
        assert any("(1 hidden)" in line for line in shown(app))
        await pilot.press("o", "o", "o")
        assert app.state.view.column == "total"
        assert [line.split("live/")[1][:5] for line in shown(app) if "live/" in line] == ["cam-2", "cam-1"]
        await pilot.press("O")
        assert [line.split("live/")[1][:5] for line in shown(app) if "live/" in line] == ["cam-1", "cam-2"]
        await pilot.press("escape")
        assert len(app.state.view) == 3


async def test_hostile_names_are_drawn_as_text_and_stay_deletable(tmp_path: Path) -> None:
    records = [record(name, recent(10 + number)) for number, name in enumerate(HOSTILE)]
    async with service_with(tmp_path, records) as client, console(client, tmp_path).run_test(size=(80, 24)) as pilot:
        app = await with_figures(pilot)
        text = "\n".join(shown(app))
        assert "live/[red]x[/]" in text
        assert "live/␛[2J" in text
        assert "live/../.." in text
        assert not {"\x1b", "\u202e"} & set(text)
        for row, name in enumerate(HOSTILE):
            app.sessions_screen.table.move_to(0)
            await pilot.press("enter", "d")
            await until(pilot, lambda: isinstance(app.screen, ConfirmDelete), f"the dialog of row {row}")
            await pilot.press("right", "enter")
            await until(pilot, lambda name=name: all(one.name != name for one in app.state.store), f"{name!r} gone")
            await pilot.press("escape")
        assert await client.usage() == []


async def test_delete_removes_only_the_confirmed_session(tmp_path: Path) -> None:
    records = [record("cam", recent(90)), record("cam", recent(60)), record("stage", recent(30))]
    async with service_with(tmp_path, records) as client, console(client, tmp_path).run_test(size=(80, 24)) as pilot:
        app = await with_figures(pilot)
        await pilot.press("j", "D")
        assert isinstance(app.screen, ConfirmDelete)
        assert app.screen.focused is not None
        assert app.screen.focused.id == "cancel"
        await pilot.press("enter")
        assert len(await client.usage()) == 3

        await pilot.press("D")
        go = app.screen.query_one("#go", Button)
        assert go.disabled
        await pilot.press("tab", *"live/ca")
        assert go.disabled
        await pilot.press("m", "enter")
        # Another session of the stream appears between asking and confirming.
        newcomer = record("cam", recent(1))
        await client.import_records([newcomer])
        await pilot.press("enter")
        dialog = app.screen
        await until(pilot, lambda: dialog.query_one("#since").display, "what changed since")
        assert "will NOT be deleted" in str(dialog.query_one("#since").render())  # type: ignore[no-untyped-call]
        await pilot.pause(0.3)  # a button takes no second press within its 0.2 s
        await pilot.press("enter")
        await until(pilot, lambda: len(app.state.store) == 2, "the two sessions gone")
        assert sorted(one.key for one in await client.usage()) == sorted([newcomer.key, records[2].key])
        assert sorted(journalled(tmp_path)) == sorted(("cam", one.start_time) for one in records[:2])
        await until(pilot, lambda: any("lists none of them" in line for line in shown(app)), "the verification")


async def test_nothing_is_deleted_if_the_journal_cannot_be_written(tmp_path: Path) -> None:
    async with service_with(tmp_path, [record("cam", recent(90))]) as client:
        app = console(client, tmp_path)
        app.deletion.journal_path = tmp_path / "usage.db" / "deleted.ndjson"
        async with app.run_test(size=(80, 24)) as pilot:
            await with_figures(pilot)
            await pilot.press("d", "right", "enter")
            await until(pilot, lambda: any("not tried" in line for line in shown(app)), "the refusal")
        assert len(await client.usage()) == 1


async def test_read_only_console_has_no_delete_keys(tmp_path: Path) -> None:
    async with (
        service_with(tmp_path, [record("cam", recent(90))]) as client,
        console(client, tmp_path, read_only=True).run_test(size=(80, 24)) as pilot,
    ):
        app = await with_figures(pilot)
        await pilot.press("d", "D")
        assert app.screen is app.sessions_screen
        assert not any("delete" in line for line in shown(app))
        assert any(line.rstrip().endswith("RO") for line in shown(app))
        assert any("read-only: type :arm 5m" in line for line in shown(app))
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

    def answers(asked: ReceivedRequest) -> bytes:
        if failing:
            return answer
        if asked.path.startswith("/api/"):
            return reply(404, "<html>", "text/html")
        return reply(200, "[]") if asked.path.endswith("/list/stats") else good

    async with (
        CannedServer(answers) as server,
        UsageClient(server.url, TOKEN) as client,
        console(client, tmp_path).run_test(size=(120, 24)) as pilot,
    ):
        app = await with_figures(pilot)
        assert any("plain Stream Manager" in line for line in shown(app))
        failing = True
        await until(pilot, lambda: app.state.failures, "a failed poll")
        await pilot.pause()
        text = "\n".join(shown(app))
        assert message in text
        assert "live/cam" in text
        assert TOKEN not in text
        failing = False
        await pilot.press("r")
        await until(pilot, lambda: not app.state.failures, "a poll that succeeds again")


async def test_cursor_stays_with_its_session(tmp_path: Path) -> None:
    records = [record(f"s{number:03}", recent(500 - number)) for number in range(100)]
    async with service_with(tmp_path, records) as client, console(client, tmp_path).run_test(size=(80, 24)) as pilot:
        app = await with_figures(pilot)
        table = app.sessions_screen.table
        await pilot.press(*["pagedown"] * 3)
        chosen = table.cursor_key
        on_screen = table.cursor_row - table.scroll_offset.y
        await client.import_records([record(f"new{number}", recent(number + 1)) for number in range(7)])
        await until(pilot, lambda: len(app.state.store) == 107, "the new sessions")
        await pilot.pause()
        assert table.cursor_key == chosen
        assert table.cursor_row - table.scroll_offset.y == on_screen
        await client.delete_session(records[-1].key)
        await until(pilot, lambda: len(app.state.store) == 106, "one less")
        await pilot.pause()
        assert table.cursor_key == chosen
        assert any("▸" in line and chosen is not None and chosen.name in line for line in shown(app))


async def test_input_cursor_does_not_blink(tmp_path: Path) -> None:
    async with service_with(tmp_path, []) as client, console(client, tmp_path).run_test(size=(80, 24)) as pilot:
        app = await with_figures(pilot)
        assert any("no sessions" in line for line in shown(app))
        await pilot.press("slash")
        assert not app.screen.query_one(Input).cursor_blink


class SlowToDelete(PlainManager):
    """Deletes only once it `may`, and then refuses."""

    def __init__(self, *records: dict[str, object]) -> None:
        super().__init__(*records)
        self.may = asyncio.Event()
        self.respond = self._in_time

    async def _in_time(self, asked: ReceivedRequest) -> bytes:
        if asked.method == "DELETE":
            await self.may.wait()
            return reply(400, '{"errorMessage": "not now", "timestamp": 1}')
        return self._respond(asked)


async def test_second_delete_is_refused_while_one_is_under_way(tmp_path: Path) -> None:
    """Two at once would share their stop, and the result of one could hide the other's progress for good."""
    records = [wire(name, start=recent(60)) for name in ("a", "b", *(f"c{number}" for number in range(6)))]
    async with (
        SlowToDelete(*records) as manager,
        UsageClient(manager.url, manager.token) as client,
        console(client, tmp_path).run_test(size=(100, 24)) as pilot,
    ):
        app = await with_figures(pilot)
        await pilot.press("space", "space", "d", "tab", "2", "enter", "enter")
        await until(pilot, lambda: manager.deletes, "the first delete on its way")
        await pilot.press("escape", "j", "d")
        assert app.screen is app.sessions_screen
        assert any("a delete is under way" in line for line in shown(app))
        manager.may.set()
        await until(pilot, lambda: isinstance(app.screen, DeleteResult), "what became of it")
        await pilot.press("escape", "d")
        assert isinstance(app.screen, ConfirmDelete)
    assert len(manager.deletes) == 2
