"""Several services in one table: each has its own rows, staleness, token and deletes."""

import re
from contextlib import AsyncExitStack
from pathlib import Path
from zoneinfo import ZoneInfo

from textual.pilot import Pilot
from textual.widgets import Input

from streamusage.api.extension import CoverageSpan
from streamusage.client.usage_client import UsageClient
from streamusage.core.coverage import Provenance
from streamusage.core.days import day_of
from tests.support.canned_answers import CannedServer, reply
from tests.support.commands.kept_results import kept_comparison, kept_row
from tests.support.console.clocks import MovableClock
from tests.support.console.pilot import screen_lines, screen_text, wait_for
from tests.support.console.records import recent, record
from tests.support.console.scripted_service import ADMIN, scripted_service
from tests.support.console.several_services import console_of, service_named
from tests.support.plain_manager import ManagerOfBothLists, PlainManager, wire
from tui.config.reconciled_files import keep_comparison
from tui.model.gaps.gap_timeline import GapFigures
from tui.model.services.coverage import NO_ANSWER
from tui.model.staleness import StalenessLevel
from tui.screens.confirm_delete import ConfirmDelete
from tui.screens.gap import GapScreen

DAY_MS = 86_400_000
START = recent(200)
SAME = record("keynote", START)


async def test_rows_of_equal_streams_and_times_are_listed_for_each_service(tmp_path: Path) -> None:
    async with (
        service_named("eu", tmp_path, [SAME, record("only-eu", START)]) as (_, eu),
        service_named("us", tmp_path, [SAME]) as (_, us),
        console_of({"eu": eu, "us": us}, tmp_path).run_test(size=(100, 24)) as pilot,
    ):
        app = pilot.app
        await wait_for(pilot, lambda: len(app.state.store) == 3, "the rows of both services")
        await pilot.pause()
        rows = sorted(re.findall(r"(live/\S+) +(eu|us) ", "\n".join(screen_lines(app))))
        assert rows == [("live/keynote", "eu"), ("live/keynote", "us"), ("live/only-eu", "eu")]
        for name in ("2 services", "● eu", "● us"):
            await wait_for(pilot, lambda name=name: name in screen_lines(app)[0], f"{name} in the header")


async def test_delete_reaches_the_service_of_the_row_and_no_other(tmp_path: Path) -> None:
    async with (
        service_named("eu", tmp_path, [SAME]) as (_, eu),
        service_named("us", tmp_path, [SAME]) as (_, us),
        console_of({"eu": eu, "us": us}, tmp_path).run_test(size=(100, 24)) as pilot,
    ):
        app = pilot.app
        await wait_for(pilot, lambda: len(app.state.store) == 2, "the rows of both services")
        await pilot.press("home")
        await wait_for(pilot, lambda: app.sessions_screen.table.cursor_session is not None, "a cursor")
        if app.sessions_screen.table.cursor_session.service != "us":
            await pilot.press("down")
        assert app.sessions_screen.table.cursor_session.service == "us"
        await pilot.press("D")
        await wait_for(
            pilot, lambda: isinstance(app.screen, ConfirmDelete) and app.screen.query("#since"), "the dialog"
        )
        await pilot.pause()
        assert f"on us ({us.host})?" in screen_text(app)
        app.screen.query_one("#name", Input).value = "live/keynote"
        await pilot.pause()
        await pilot.press("enter", "enter")
        await wait_for(pilot, lambda: len(app.state.store) == 1, "the delete")
        assert await us.usage() == []
        assert [kept.key for kept in await eu.usage()] == [SAME.key]
        await wait_for(pilot, lambda: "1 deleted; verified" in "".join(screen_lines(app)), "the verification")
        await pilot.press("u")
        await wait_for(pilot, lambda: len(app.state.store) == 2, "the restored record")
        assert [kept.key for kept in await us.usage()] == [SAME.key]


async def test_marked_rows_of_two_services_are_not_deleted_together(tmp_path: Path) -> None:
    async with (
        service_named("eu", tmp_path, [SAME]) as (_, eu),
        service_named("us", tmp_path, [SAME]) as (_, us),
        console_of({"eu": eu, "us": us}, tmp_path).run_test(size=(120, 24)) as pilot,
    ):
        app = pilot.app
        await wait_for(pilot, lambda: len(app.state.store) == 2, "the rows of both services")
        await pilot.press("home", "space", "space")
        assert len(app.state.marks) == 2
        await pilot.press("d")
        await pilot.pause()
        assert not isinstance(app.screen, ConfirmDelete)
        assert "the marked sessions are of eu, us" in "".join(screen_lines(app))


async def test_delete_everything_is_that_of_one_service_and_needs_its_name(tmp_path: Path) -> None:
    async with (
        service_named("eu", tmp_path, [SAME, record("b", START)]) as (_, eu),
        service_named("us", tmp_path, [SAME, record("b", START)]) as (_, us),
        console_of({"eu": eu, "us": us}, tmp_path).run_test(size=(100, 24)) as pilot,
    ):
        app = pilot.app
        await wait_for(pilot, lambda: len(app.state.store) == 4, "the rows of both services")
        await pilot.press("home")
        service = app.sessions_screen.table.cursor_session.service
        app.sessions_screen.action_delete_everything()
        await wait_for(
            pilot, lambda: isinstance(app.screen, ConfirmDelete) and app.screen.query("#since"), "the dialog"
        )
        await pilot.pause()
        assert f"Type the service's name to confirm: {service}" in screen_text(app)
        app.screen.query_one("#name", Input).value = service
        await pilot.pause()
        await pilot.press("enter", "enter")
        await wait_for(pilot, lambda: len(app.state.store) == 2, "the delete")
        assert sorted([len(await eu.usage()), len(await us.usage())]) == [0, 2]
        assert {session.service for session in app.state.store} == {"eu", "us"} - {service}


async def test_stopped_service_marks_its_own_rows_only(tmp_path: Path) -> None:
    clock = MovableClock()
    async with AsyncExitStack() as stack, service_named("eu", tmp_path, [SAME]) as (_, eu):
        running, _ = await stack.enter_async_context(service_named("us", tmp_path, [SAME]))
        async with (
            UsageClient(running.url, "us-token") as us,
            console_of({"eu": eu, "us": us}, tmp_path, clock=clock).run_test(size=(110, 24)) as pilot,
        ):
            app = pilot.app
            await wait_for(pilot, lambda: len(app.state.store) == 2, "the rows of both services")
            await stack.aclose()
            await wait_for(pilot, lambda: app.state.parts["us"].failures, "a failure of us")
            clock.ahead_ms += 60_000
            await wait_for(pilot, lambda: app.state.parts["eu"].freshness().step is StalenessLevel.LIVE, "eu in time")
            app.publish_state(polled=False)
            await pilot.pause()
            lines = screen_lines(app)
            assert [line for line in lines if "live/keynote" in line and "▲ us" in line]
            assert [line for line in lines if "live/keynote" in line and " eu " in line and "▲" not in line]
            header, summary = lines[:2]
            assert "● eu" in header
            assert "▲ us" in header
            assert "≥ 0 watching (us unseen since" in summary
            await pilot.press("home")
            for _ in range(2):
                if app.sessions_screen.table.cursor_session.service != "us":
                    await pilot.press("down")
            await pilot.press("d")
            await pilot.pause()
            assert "deletes are off: us: the figures are too old" in "".join(screen_lines(app))


async def test_each_service_receives_its_own_token_only(tmp_path: Path) -> None:
    async with (
        ManagerOfBothLists(wire("cam", start=START), token="eu-token") as eu_manager,
        ManagerOfBothLists(wire("cam", start=START), token="us-token") as us_manager,
        UsageClient(eu_manager.url, "eu-token") as eu,
        UsageClient(us_manager.url, "us-token") as us,
        console_of({"eu": eu, "us": us}, tmp_path).run_test(size=(110, 24)) as pilot,
    ):
        app = pilot.app
        await wait_for(pilot, lambda: len(app.state.store) == 2, "the rows of both services")
        await pilot.press("enter", "down", "escape", "g", "escape", "y", "escape", "s", "escape")
        await pilot.pause()
        assert eu_manager.requests
        assert not any("us-token" in request.target for request in eu_manager.requests)
        assert us_manager.requests
        assert not any("eu-token" in request.target for request in us_manager.requests)


async def test_days_of_all_services_are_summed_and_named_in_a_day(tmp_path: Path) -> None:
    at_ms = recent(0) // DAY_MS * DAY_MS + 60_000  # in the first minutes of a day
    async with AsyncExitStack() as stack:
        clients, stacks = {}, {}
        for name, minutes in (("eu", 3), ("us", 2)):
            (tmp_path / name).mkdir()
            stacks[name] = await stack.enter_async_context(AsyncExitStack())
            service, client = await stacks[name].enter_async_context(scripted_service(tmp_path / name, at_ms, "edge-1"))
            await service.report_for(minutes, "edge-1")
            clients[name] = await stack.enter_async_context(UsageClient(client.base_url, ADMIN))
        async with console_of(clients, tmp_path).run_test(size=(160, 40)) as pilot:
            app = pilot.app
            await wait_for(pilot, lambda: len(app.state.servers or ()) == 2, "the servers of both services")
            await pilot.press("y")
            await wait_for(pilot, lambda: "300 kB" in screen_text(app), "five minutes of 60 kB")
            assert " only" not in screen_lines(app)[0]
            assert "without" not in screen_text(app)
            assert " ≥ " in screen_text(app), "a peak over services is a lower bound"
            assert "a percentile not known: ⏎ shows each" in screen_text(app)
            await pilot.press("enter")
            await wait_for(pilot, lambda: "us:edge-1" in screen_text(app), "the servers of the day")
            rows = re.findall(
                r"^.(all eu|eu:edge-1|all us|us:edge-1) +provisional .*? (\d+) kB", screen_text(app), re.M
            )
            assert rows == [("all eu", "180"), ("eu:edge-1", "180"), ("all us", "120"), ("us:edge-1", "120")]
            await pilot.press("end")
            assert app.screen.service_under_cursor == "us"
            await pilot.press("escape")
            await stacks["eu"].aclose()
            app.screen.action_refresh()
            await wait_for(pilot, lambda: " eu: " in screen_text(app), "why the days of eu cannot be fetched")
            assert "300 kB" in screen_text(app), "its figures are those of its last answer"
        async with console_of(clients, tmp_path).run_test(size=(160, 40)) as pilot:
            app = pilot.app
            await wait_for(pilot, lambda: len(app.state.servers or ()) == 1, "the server of us")
            await pilot.press("y")
            await wait_for(pilot, lambda: "without eu" in screen_text(app), "the service that does not answer")
            await wait_for(pilot, lambda: "≥ 120 kB" in screen_text(app), "a lower bound")
            assert re.search(r"without eu   complete –( since \S+)?   1 provisional", screen_text(app))


async def test_days_beside_a_plain_manager_are_lower_bounds(tmp_path: Path) -> None:
    (tmp_path / "eu").mkdir()
    async with (
        scripted_service(tmp_path / "eu", recent(0) // DAY_MS * DAY_MS, "edge-1") as (service, eu),
        PlainManager(wire("keynote")) as manager,
        UsageClient(manager.url, manager.token) as plain,
    ):
        await service.report_for(2, "edge-1")
        async with console_of({"eu": eu, "lab": plain}, tmp_path).run_test(size=(120, 30)) as pilot:
            app = pilot.app
            await wait_for(pilot, lambda: app.state.parts["lab"].cannot_show, "the plain manager")
            await pilot.press("y")
            await wait_for(pilot, lambda: "≥ 120 kB" in screen_text(app), "a lower bound")
            assert "without lab" in screen_text(app)
            assert "lab: a plain Stream Manager has no daily statistics" in screen_text(app)
            assert not any("daily" in request.target for request in manager.requests)


async def test_comparisons_mark_the_rows_of_their_own_service(tmp_path: Path) -> None:
    today = recent(0) // DAY_MS * DAY_MS
    for name in ("eu", "us"):
        (tmp_path / name).mkdir()
    async with (
        scripted_service(tmp_path / "eu", today, "edge-1") as (service, eu),
        scripted_service(tmp_path / "us", today, "edge-1") as (other, us),
    ):
        for running in (service, other):
            await running.report_for(2, "edge-1")
        day = day_of(today, ZoneInfo("UTC")).isoformat()
        for client, row in ((eu, kept_row(day, 120_000, 120_000, "agrees")), (us, kept_row(day, 9, 9, "agrees"))):
            compared = kept_comparison(row, servers=["edge-1"])
            keep_comparison(tmp_path / "reconciled", client.host, client.base_url, compared)
        async with console_of({"eu": eu, "us": us}, tmp_path).run_test(size=(160, 40)) as pilot:
            app = pilot.app
            await wait_for(pilot, lambda: len(app.state.servers or ()) == 2, "the servers")
            await pilot.press("y")
            await wait_for(pilot, lambda: "240 kB" in screen_text(app), "the sum")
            await pilot.press("enter")
            await wait_for(pilot, lambda: re.search(r"eu:edge-1 .* agrees ", screen_text(app)), "the mark of eu")
            assert re.search(r"us:edge-1 .* outdated ", screen_text(app))
            assert not re.search(r"all eu .* (agrees|outdated) ", screen_text(app))


async def test_read_only_service_refuses_and_the_other_one_deletes(tmp_path: Path) -> None:
    async with (
        service_named("eu", tmp_path, [SAME]) as (_, eu),
        service_named("us", tmp_path, [SAME]) as (_, us),
        console_of({"eu": eu, "us": us}, tmp_path, read_only=("eu",)).run_test(size=(110, 24)) as pilot,
    ):
        app = pilot.app
        await wait_for(pilot, lambda: len(app.state.store) == 2, "the rows of both services")
        await pilot.press("home")
        assert "eu RO" in screen_lines(app)[0]
        await _move_to(pilot, "eu")
        await pilot.press("d")
        await pilot.pause()
        assert "eu is read-only" in "".join(screen_lines(app))
        app.arm("5m")
        assert not app.state.parts["eu"].is_read_only()
        await _move_to(pilot, "us")
        await pilot.press("d")
        await wait_for(
            pilot, lambda: isinstance(app.screen, ConfirmDelete) and app.screen.query("#since"), "the dialog"
        )
        await pilot.pause()


async def _move_to(pilot: Pilot[int], service: str) -> None:
    for key in ("home", "down"):
        await pilot.press(key)
        session = pilot.app.sessions_screen.table.cursor_session  # type: ignore[attr-defined]
        if session is not None and session.service == service:
            return
    raise AssertionError(f"no row of {service}")


async def test_servers_of_equal_names_are_listed_for_each_service(tmp_path: Path) -> None:
    at_ms = recent(0) // 60_000 * 60_000
    async with AsyncExitStack() as stack:
        clients = {}
        for name in ("eu", "us"):
            (tmp_path / name).mkdir()
            service, client = await stack.enter_async_context(scripted_service(tmp_path / name, at_ms, "edge-1"))
            await service.report_for(2, "edge-1")
            clients[name] = client
        async with console_of(clients, tmp_path).run_test(size=(120, 24)) as pilot:
            app = pilot.app
            await wait_for(pilot, lambda: len(app.state.servers or ()) == 2, "the servers of both services")
            await pilot.press("s")
            await wait_for(pilot, lambda: screen_text(app).count("edge-1") == 2, "both servers")
            rows = re.findall(r"edge-1 +(eu|us) ", screen_text(app))
            assert sorted(rows) == ["eu", "us"]
            assert "2 live of 2 servers" in screen_text(app)
            await pilot.press("home", "down", "enter")
            await wait_for(pilot, lambda: screen_text(app).count(":edge-1") >= 2, "the gaps of both services")
            assert "only" not in screen_lines(app)[0]
            assert app.screen.grid_view.gap_row.name == f"{rows[1]}:edge-1"
            await pilot.press("y")
            await wait_for(pilot, lambda: "daily" in screen_lines(app)[0], "the days")
            assert app.services.chosen == rows[1], "the service of the row"


async def test_gaps_of_all_services_are_shown_together_and_a_silent_service_is_missing(tmp_path: Path) -> None:
    at_ms = recent(0) // 60_000 * 60_000
    async with AsyncExitStack() as stack:
        clients, services, stacks = {}, {}, {}
        for name in ("eu", "us"):
            (tmp_path / name).mkdir()
            stacks[name] = await stack.enter_async_context(AsyncExitStack())
            service, client = await stacks[name].enter_async_context(
                scripted_service(tmp_path / name, at_ms, "edge-1", "edge-2")
            )
            await service.report_for(5, "edge-1", "edge-2")
            services[name] = service
            clients[name] = await stack.enter_async_context(UsageClient(client.base_url, ADMIN))
        await services["us"].report_for(5, "edge-2")  # edge-1 owes five minutes
        clock = MovableClock()
        async with console_of(clients, tmp_path, clock=clock).run_test(size=(120, 30)) as pilot:
            app = pilot.app
            await wait_for(pilot, lambda: len(app.state.servers or ()) == 4, "the servers of both services")
            await pilot.press("g")
            view = app.screen.grid_view
            await wait_for(pilot, lambda: view.grid and len(view.grid.rows) == 4, "the servers of both services")
            assert [row.name for row in view.grid.rows] == ["eu:edge-1", "eu:edge-2", "us:edge-1", "us:edge-2"]
            await wait_for(pilot, lambda: "us:edge-1 · " in screen_text(app), "the cursor at the newest open gap")
            await pilot.press("enter")
            await wait_for(pilot, lambda: isinstance(app.screen, GapScreen) and app.screen._figures, "its details")
            assert isinstance(next(iter(app.screen._figures.values())), GapFigures)
            assert "us:edge-1" in screen_text(app)
            await pilot.press("escape")
            await stacks["eu"].aclose()
            await wait_for(pilot, lambda: app.state.parts["eu"].failures, "a failure of eu")
            clock.ahead_ms += 60_000
            await services["us"].report_for(2, "edge-1", "edge-2")
            await wait_for(pilot, lambda: "eu" in app.state.unseen.services, "a service that does not answer")
            book = app.screen.book

            def newest(row: str) -> CoverageSpan | None:
                return next(reversed(book.servers[row].spans), None)

            await wait_for(pilot, lambda: (span := newest("eu:edge-2")) and span.reason == NO_ANSWER, "unknown time")
            await wait_for(pilot, lambda: (span := newest("us:edge-2")) and span.state is Provenance.LIVE, "its time")


async def test_unknown_service_is_refused_with_the_known_ones(tmp_path: Path) -> None:
    async with (
        service_named("eu", tmp_path, [SAME]) as (_, eu),
        service_named("us", tmp_path, [SAME]) as (_, us),
        console_of({"eu": eu, "us": us}, tmp_path).run_test(size=(100, 24)) as pilot,
    ):
        app = pilot.app
        await wait_for(pilot, lambda: len(app.state.store) == 2, "the rows of both services")
        app.sessions_screen.action_services("asia")
        await pilot.pause()
        assert "no profile is named asia; known: eu, us" in "".join(screen_lines(app))
        app.sessions_screen.action_services("us")
        await pilot.pause()
        assert app.next_profile == "us"


async def test_page_of_an_error_names_its_service(tmp_path: Path) -> None:
    fault = reply(500, '{"errorMessage": "disk full", "timestamp": 1}')
    async with (
        CannedServer(lambda _: fault) as one,
        PlainManager(wire(start=recent(9)), token="us-token") as other,
        UsageClient(one.url, "eu-token") as eu,
        UsageClient(other.url, "us-token") as us,
    ):
        answers, other.respond = other.respond, lambda _: fault
        async with console_of({"eu": eu, "us": us}, tmp_path).run_test(size=(100, 24)) as pilot:
            app = pilot.app
            await wait_for(pilot, lambda: all(part.failures for part in app.state.parts.values()), "two failures")
            await wait_for(pilot, lambda: "▲ eu: The service reports a fault" in screen_text(app), "the page")
            await pilot.press("colon", *"error", "enter")
            for name in ("eu", "us"):
                await wait_for(pilot, lambda name=name: f"│ {name}: The service reports" in screen_text(app), name)
            await pilot.press("escape")
            other.respond = answers
            await wait_for(pilot, lambda: len(app.state.store) == 1, "the rows of us")
            await pilot.press("colon", *"error", "enter")
            await wait_for(pilot, lambda: "│ eu: The service reports a fault" in screen_text(app), "the page of eu")
            assert "us: The service" not in screen_text(app)
