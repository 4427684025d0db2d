"""Usage records without a documented field: shown as unknown, reported, and never deleted."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from textual.pilot import Pilot

from streamusage.client.usage_client import UsageClient
from tests.support.console.pilot import console, screen_lines, wait_for, wait_for_figures
from tests.support.console.records import recent
from tests.support.plain_manager import ManagerOfBothLists, PlainManager, wire
from tests.support.program import Program
from tui.app.console_app import ConsoleApp
from tui.screens.confirm_delete import READING_MS, ConfirmDelete

START = recent(90)


def without_lost(name: str, start: int = START) -> dict[str, object]:
    record = wire(name, start=start)
    del record["lostSubscribers"]
    return record


@asynccontextmanager
async def open_console(manager: PlainManager, directory: Path) -> AsyncIterator[tuple[Pilot[int], ConsoleApp]]:
    async with (
        manager,
        UsageClient(manager.url, manager.token) as client,
        console(client, directory).run_test(size=(120, 24)) as pilot,
    ):
        yield pilot, await wait_for_figures(pilot)


async def test_missing_figure_is_unknown_and_counted_in_the_notice(tmp_path: Path) -> None:
    manager = ManagerOfBothLists(wire("whole", start=START), without_lost("part"), without_lost("part", START + 5))
    async with open_console(manager, tmp_path) as (pilot, app):
        assert not app.state.failures
        rows = {line.split()[0].removeprefix("▸"): line.split() for line in screen_lines(app) if "live/" in line}
        assert len(app.state.store) == 3
        part = next(line.split() for line in screen_lines(app) if "live/part" in line)
        whole = next(line.split() for line in screen_lines(app) if "live/whole" in line)
        assert "0" not in part
        assert part.count("–") == whole.count("–") + 1, rows
        assert any("2 records lack lostSubscribers" in line for line in screen_lines(app))
        manager.records = [wire("whole", start=START)]
        await wait_for(pilot, lambda: not app.state.drift, "no notice without its cause")


async def test_incomplete_record_is_never_deleted(tmp_path: Path) -> None:
    manager = PlainManager(without_lost("part"), wire("part", start=START + 5))
    async with open_console(manager, tmp_path) as (pilot, app):
        older = app.state.store.of_stream(next(iter(app.state.store)).stream)[1]
        row = app.state.view.row_of(older.key)
        assert row is not None
        app.sessions_screen.table.move_to(row)
        await pilot.press("d")
        dialog = app.screen
        assert isinstance(dialog, ConfirmDelete)
        assert not dialog.query("#go")
        assert "is incomplete" in "\n".join(str(text.render()) for text in dialog.query("Static"))  # type: ignore[attr-defined]
        await pilot.press("escape", "D", *"live/part", "enter", "enter")
        await wait_for(pilot, lambda: len(manager.records) == 1, "the complete record deleted")
        assert manager.records == [without_lost("part")]
    assert all("startTime=" in target for target in manager.deletes)


async def test_record_that_became_incomplete_after_the_request_is_not_deleted(tmp_path: Path) -> None:
    manager = PlainManager(wire("a", start=START), wire("a", start=START + 5))
    async with open_console(manager, tmp_path) as (pilot, app):
        await pilot.press("D", *"live/a", "enter")
        manager.records[0] = without_lost("a")
        await pilot.press("enter")
        dialog = app.screen
        await wait_for(pilot, lambda: dialog.query_one("#since").display, "the changes since the request")
        assert "1 session came incomplete and will NOT" in str(dialog.query_one("#since").render())  # type: ignore[no-untyped-call]
        await pilot.pause(READING_MS / 1000 + 0.1)
        await pilot.press("enter")
        await wait_for(pilot, lambda: len(manager.records) == 1, "the other record deleted")
        assert manager.records == [without_lost("a")]


async def test_rm_never_deletes_an_incomplete_record(streamtop: Program) -> None:
    async with PlainManager(without_lost("part"), wire("part", start=START + 5)) as manager:
        options = ("--url", manager.url, "--token-file", str(streamtop.secret(manager.token)))
        listed = await streamtop("ls", *options)
        assert listed.code == 0
        assert "1 record lacks lostSubscribers" in listed.err
        assert next(line for line in listed.out.splitlines() if f" {START}" in line).split()[-3] == "–"
        as_csv = await streamtop("ls", "--format", "csv", *options)
        assert f",{START},{START + 8820},8820,2,3,,4," in as_csv.out
        everything = await streamtop("rm", "--all", "--yes", *options)
        assert (everything.code, len(manager.records)) == (4, 2)
        gone = await streamtop("rm", "live/part", "--yes", *options)
        assert gone.code == 0
        assert "1 record without lostSubscribers" in gone.err
        assert manager.records == [without_lost("part")]
        assert (await streamtop("rm", "live/part", "--yes", *options)).code == 4
        assert manager.records == [without_lost("part")]
