"""The line mode of the console, and replays of its recordings."""

import asyncio
import json

from tests.support.plain_manager import PlainManager, wire
from tests.support.program import Program
from tests.support.waiting import LONGEST_WAIT_S


async def test_line_mode_prints_and_records_changes(streamtop: Program) -> None:
    async with PlainManager(wire("keynote")) as manager:
        options = ("--url", manager.url, "--token-file", str(streamtop.secret(manager.token)))
        tape = streamtop.home / "tape"
        process = await streamtop.start("--plain", "--record", str(tape), *options, stdin=asyncio.subprocess.DEVNULL)
        try:
            assert process.stdout is not None
            first = await asyncio.wait_for(process.stdout.readline(), LONGEST_WAIT_S)
            assert "– on air of 1 sessions" in first.decode(), "this server has no live list"
        finally:
            process.terminate()
            await asyncio.wait_for(process.wait(), LONGEST_WAIT_S)
    (line,) = tape.read_text().splitlines()[:1]
    assert json.loads(line)["changed"][0]["name"] == "keynote"
    assert manager.token not in tape.read_text()
    assert "needs a terminal" in (await streamtop("replay", str(tape), TERM="xterm")).err
    assert (await streamtop("replay", str(streamtop.home / "none"))).code == 1


async def test_line_mode_ends_when_the_token_is_refused(streamtop: Program) -> None:
    async with PlainManager(wire("keynote")) as manager:
        ended = await streamtop("--plain", "--url", manager.url, STREAMTOP_TOKEN="wrong")
        asked = [request for request in manager.requests if "/usage" in request.path]
    assert ended.code == 4, ended.err
    assert len(asked) == 1, "the token is not tried again"
    assert "HTTP 400, “invalid access token”" in ended.out
    assert "the figures above" not in ended.out
    assert "invalid access token" in ended.err


async def test_line_mode_ends_where_the_service_does_not_report_what_the_filter_compares(streamtop: Program) -> None:
    async with PlainManager(wire("keynote")) as manager:
        options = ("--plain", "--filter", "key data=live", "--url", manager.url)
        ended = await streamtop(*options, STREAMTOP_TOKEN=manager.token)
    assert ended.code == 2, ended.err
    assert "data is unknown here: a plain Stream Manager does not report how figures came; leave it out" in ended.err
    assert "  key data=live\n      ^^^^" in ended.err


async def test_unusable_proxy_of_the_environment_is_wrong_usage(streamtop: Program) -> None:
    ended = await streamtop("--plain", "--url", "http://sm.example.net", ALL_PROXY="socks5://me:pr0xy-pw@127.0.0.1:1")
    assert (ended.code, "ALL_PROXY" in ended.err) == (2, True), ended.err
    assert "Traceback" not in ended.err
    assert "pr0xy-pw" not in ended.err
