"""Recordings and incident bundles of several services, made with real services, play back as they were."""

import re
import tarfile
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
from textual.pilot import Pilot

from streamusage.client.usage_client import UsageClient
from streamusage.core.clock import SystemClock
from tests.support.console.frozen_service import frozen_service
from tests.support.console.pilot import screen_lines, screen_text, wait_for
from tests.support.console.records import recent, record, session
from tests.support.console.several_services import console_of, service_named, settings_of
from tests.support.console.tapes import gaps_and_days, save_bundle
from tui.app.console_app import ConsoleApp
from tui.app.replay import create_replay
from tui.app.services.app import ServicesApp
from tui.config.settings import ConnectionSettings
from tui.recording.player import NO_SERVICE
from tui.recording.recording import RecordedPoll, Recording, read_recording

SETTINGS = ConnectionSettings(profile="recording two.tape", read_only=True)


@asynccontextmanager
async def replayed(file: Path) -> AsyncIterator[tuple[ConsoleApp, Pilot[Any]]]:
    """Play a recording to its end."""
    polls = read_recording(file)
    app = create_replay(polls, SETTINGS, clock=SystemClock(), from_ms=max(poll.at for poll in polls)).app
    async with app.run_test(size=(160, 50)) as pilot:
        await wait_for(pilot, lambda: app.state.has_figures, "the first poll")
        yield app, pilot


def has_days(file: Path) -> set[str]:
    return {poll.service for poll in read_recording(file) if poll.days is not None}


async def test_recording_and_bundle_of_two_services_replay_as_they_were(store_of_an_hour: Path, tmp_path: Path) -> None:
    tape, bundle, again = (tmp_path / name for name in ("two.tape", "bundle.tar.gz", "again.tar.gz"))
    for name in ("eu", "us"):
        (tmp_path / name).mkdir()
    async with (
        frozen_service(store_of_an_hour, tmp_path / "eu") as (eu, clock),
        frozen_service(store_of_an_hour, tmp_path / "us") as (us, _),
    ):
        app = ServicesApp(
            {"eu": eu, "us": us},
            settings_of({"eu": eu.base_url, "us": us.base_url}),
            clock=clock,
            journal_path=tmp_path / "deleted.ndjson",
            recording=Recording(tape, clock),
        )
        async with app.run_test(size=(160, 50)) as pilot:
            await wait_for(pilot, lambda: len(set(app.state.store.watching_of)) == 2, "both services")
            await wait_for(pilot, lambda: has_days(tape) == {"eu", "us"}, "the days of both")
            shown = {entry.key: (entry.active, entry.total, entry.provenance) for entry in app.state.store}
            assert {key[3] for key in shown} == {"eu", "us"}
            await save_bundle(app, pilot, bundle)
            known = await gaps_and_days(app, pilot)
    for file in (tape, bundle):
        async with replayed(file) as (app, pilot):
            await wait_for(pilot, lambda app=app: len(app.state.store) == len(shown), f"the rows of {file.name}")
            assert {entry.key: (entry.active, entry.total, entry.provenance) for entry in app.state.store} == shown
            spans, days = await gaps_and_days(app, pilot)
            assert spans.keys() == known[0].keys()
            assert {name.partition(":")[0] for name in spans} == {"eu", "us"}
            assert days == known[1]
            if file is bundle:
                await save_bundle(app, pilot, again)
    async with replayed(again) as (app, pilot):
        assert (await gaps_and_days(app, pilot))[1] == known[1], "a bundle of a replay has what the replay had"


async def test_bundle_of_two_services_says_of_which_each_part_is(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack, service_named("eu", tmp_path, [record("only-eu", recent(200))]) as (_, eu):
        running, _ = await stack.enter_async_context(service_named("us", tmp_path, [record("only-us", recent(200))]))
        async with (
            UsageClient(running.url, "us-token") as us,
            console_of({"eu": eu, "us": us}, tmp_path).run_test(size=(160, 50)) as pilot,
        ):
            app = pilot.app
            await wait_for(pilot, lambda: len(app.state.store) == 2, "the rows of both services")
            await stack.aclose()
            await wait_for(pilot, lambda: app.state.parts["us"].failures, "a failure of us")
            file = await save_bundle(app, pilot, tmp_path / "bundle.tar.gz")
    with tarfile.open(file) as archive:
        parts = {
            member.name.rpartition("/")[2]: archive.extractfile(member).read()  # type: ignore[union-attr]
            for member in archive.getmembers()
        }
    summary = parts["summary.txt"].decode()
    for line in (f"service     eu: {eu.host}", f"service     us: {us.host}", "failure     eu: none"):
        assert line in summary
    assert re.search(r"failure     us: .*nothing answers", summary)
    assert re.search(r"  us: gaps: .*nothing answers", summary)
    records = msgspec.json.decode(parts["records.json"])
    assert {(row["service"], row["name"]) for row in records} == {("eu", "only-eu"), ("us", "only-us")}
    assert msgspec.json.decode(parts["gaps.json"]).keys() == {"eu", "us"}
    assert b"us-token" not in b"".join(parts.values())
    async with replayed(file) as (app, pilot):
        await wait_for(pilot, lambda: app.state.parts["us"].failure, "the failure of us")
        assert not app.state.parts["eu"].failure
        assert {(entry.service, entry.name) for entry in app.state.store} == {("eu", "only-eu"), ("us", "only-us")}


async def test_replay_of_two_services_has_their_names_and_refuses_what_needs_one() -> None:
    polls = [
        RecordedPoll(
            at=1_000_000,
            changed=[session("cam", 1_000, active=active)],
            reset=True,
            servers=[],
            service=service,
            services=["eu", "us"] if service == "us" else [],
        )
        for service, active in (("us", 3), ("eu", 5))
    ]
    app = create_replay(polls, SETTINGS, clock=SystemClock()).app
    async with app.run_test(size=(120, 30)) as pilot:
        await wait_for(pilot, lambda: len(app.state.store) == 2, "both services")
        await pilot.pause()
        assert re.search(r"recording two.tape .*● eu .*● us", screen_lines(app)[0])
        assert sorted(re.findall(r"live/cam +(eu|us) ", screen_text(app))) == ["eu", "us"]
        for key, refused in (("d", "nothing can be deleted"), ("c", "no command")):
            await pilot.press(key)
            await wait_for(pilot, lambda text=refused: f"{text}: {NO_SERVICE}" in screen_text(app), f"{key} is refused")
        await pilot.press("enter", "escape", "s", "escape", "g", "escape", "y", "escape", "L", "escape")
        assert app.is_running
