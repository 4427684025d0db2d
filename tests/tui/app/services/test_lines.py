"""The line mode of several services that really run: every line names its service, and so does a recording."""

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path

from streamusage.client.usage_client import UsageClient
from tests.support.console.records import recent, record
from tests.support.console.several_services import service_named
from tests.support.plain_manager import PlainManager, wire
from tests.support.program import Program
from tests.support.waiting import LONGEST_WAIT_S
from tui.recording.recording import read_recording, services_of


def configure(streamtop: Program, clients: dict[str, UsageClient], *, wrong_token: str = "") -> None:
    for name in clients:
        (streamtop.home / name).write_text("wrong" if name == wrong_token else f"{name}-token")
        (streamtop.home / name).chmod(0o600)
    streamtop.configure(
        "".join(
            f'[profiles.{name}]\nurl = "{client.base_url}"\ntoken_file = "{streamtop.home / name}"\n'
            'poll_interval = "200ms"\n'
            for name, client in clients.items()
        )
    )


async def lines_until(process: asyncio.subprocess.Process, *wanted: str) -> list[str]:
    """Return the lines, without their times, up to the last of those that contain what is wanted, in any order."""
    lines: list[str] = []
    assert process.stdout is not None
    while not all(any(text in line for line in lines) for text in wanted):
        line = await asyncio.wait_for(process.stdout.readline(), LONGEST_WAIT_S)
        assert line, f"it ended after {lines}"
        lines.append(line.decode().rstrip().partition(" ")[2])
    return lines


async def stop(process: asyncio.subprocess.Process) -> None:
    process.terminate()
    await asyncio.wait_for(process.communicate(), LONGEST_WAIT_S)


async def test_each_line_and_each_line_of_the_recording_names_its_service(streamtop: Program, tmp_path: Path) -> None:
    tape = tmp_path / "two.tape"
    async with AsyncExitStack() as stack, service_named("eu", tmp_path, [record("a", recent(200))]) as (_, eu):
        _, us = await stack.enter_async_context(service_named("us", tmp_path, []))
        configure(streamtop, {"eu": eu, "us": us})
        arguments = ("--plain", "--profile", "eu,us", "--record", str(tape), "--filter", "service=us or name=a")
        process = await streamtop.start(*arguments, stdin=asyncio.subprocess.DEVNULL)
        lines = await lines_until(process, "us: ", "eu: ")
        assert sorted(lines) == [
            f"eu: {eu.host}: 0 on air of 1 sessions, 0 watching",
            f"us: {us.host}: 0 on air of 0 sessions, 0 watching",
        ]
        await us.delete_all()
        await eu.delete_all()
        await lines_until(process, "eu: live/a: the record of ")
        await stack.aclose()
        lines = await lines_until(process, "nothing answers")
        assert lines[-1].startswith("us: ")
        assert lines[-1].endswith("; its figures above are the newest")
        await stop(process)
    polls = read_recording(tape)
    assert services_of(polls) == ["eu", "us"]
    assert {poll.service for poll in polls} == {"eu", "us"}
    assert [session.name for poll in polls if poll.service == "eu" for session in poll.changed] == ["a"]
    assert any(poll.why_failed for poll in polls if poll.service == "us")
    assert "-token" not in tape.read_text()


async def test_service_that_refuses_its_token_ends_alone_and_the_last_one_ends_the_program(
    streamtop: Program, tmp_path: Path
) -> None:
    async with (
        service_named("eu", tmp_path, []) as (_, eu),
        service_named("us", tmp_path, []) as (_, us),
    ):
        configure(streamtop, {"eu": eu, "us": us}, wrong_token="us")
        process = await streamtop.start(
            "--plain", "--profile", "eu,us", "--summary", "1", stdin=asyncio.subprocess.DEVNULL
        )
        lines = await lines_until(process, "us: not polled any more; eu still polled", "eu: nothing new since")
        assert any(line.startswith("us: HTTP 401") for line in lines), lines
        await stop(process)
        (streamtop.home / "eu").write_text("wrong")
        ended = await streamtop("--plain", "--profile", "eu,us")
    assert ended.code == 4, ended.err
    assert "HTTP 401" in ended.err


async def test_service_that_does_not_report_what_the_filter_compares_ends_alone(
    streamtop: Program, tmp_path: Path
) -> None:
    async with (
        service_named("eu", tmp_path, []) as (_, eu),
        PlainManager(wire("keynote"), token="us-token") as manager,
        UsageClient(manager.url, manager.token) as us,
    ):
        configure(streamtop, {"eu": eu, "us": us})
        process = await streamtop.start(
            "--plain", "--profile", "eu,us", "--filter", "data=live", stdin=asyncio.subprocess.DEVNULL
        )
        lines = await lines_until(process, "us: not polled any more", f"eu: {eu.host}")
        await stop(process)
    assert any("data is unknown here: a plain Stream Manager" in line for line in lines)
