"""`streamtop ls` against a plain Stream Manager on a real port."""

import asyncio
import csv
import io
import json
import sys

from tests.support.canned_answers import CannedServer, reply
from tests.support.commands.hostile import HOSTILE, TOKEN, hostile_manager
from tests.support.plain_manager import PlainManager, wire
from tests.support.program import Program


async def test_json_has_the_documented_records(streamtop: Program) -> None:
    records = [wire("a", start=3), wire("b", "live/room1", start=2)]
    async with PlainManager(*records) as manager:
        ended = await streamtop("ls", "--url", manager.url, "--format", "json", **TOKEN)
    assert ended.code == 0
    assert json.loads(ended.out) == records
    assert list(json.loads(ended.out)[0]) == list(wire())
    assert "2 sessions" in ended.err


async def test_output_without_sessions_is_empty(streamtop: Program) -> None:
    async with PlainManager() as manager:
        outs = [
            (await streamtop("ls", "--url", manager.url, "--format", kind, **TOKEN)).out
            for kind in ("json", "ndjson", "table")
        ]
    assert outs == ["[]\n", "", ""]


async def test_ndjson_has_one_record_per_line(streamtop: Program) -> None:
    async with PlainManager(wire("a"), wire("b\nc")) as manager:
        ended = await streamtop("ls", "--url", manager.url, "--format", "ndjson", **TOKEN)
    assert [json.loads(line)["name"] for line in ended.out.splitlines()] == ["a", "b\nc"]


async def test_words_filter_sessions(streamtop: Program) -> None:
    async with PlainManager(wire("keynote"), wire("stage"), wire("keynote", "event")) as manager:
        ended = await streamtop("ls", "LIVE/", "key", "--url", manager.url, "--format", "json", **TOKEN)
    assert [(record["scope"], record["name"]) for record in json.loads(ended.out)] == [("live", "keynote")]
    assert "1 session of 3" in ended.err


async def test_table_shows_hostile_names_as_text(streamtop: Program) -> None:
    async with hostile_manager() as manager:
        ended = await streamtop("ls", "--url", manager.url, **TOKEN)
    assert ended.code == 0
    assert "\x1b" not in ended.out
    assert "\u202e" not in ended.out
    shown = {line.split("  ")[0] for line in ended.out.splitlines()}
    assert {"live/[red]x", "live/␛[2J", "live/..%2F..", "live/a%2Fb", "live/50%252Foff"} < shown
    assert len(ended.out.splitlines()) == len(HOSTILE) + 1


async def test_csv_cells_are_never_formulas(streamtop: Program) -> None:
    async with hostile_manager() as manager:
        ended = await streamtop("ls", "--url", manager.url, "--format", "csv", **TOKEN)
    rows = list(csv.DictReader(io.StringIO(ended.out)))
    assert sorted(row["name"] for row in rows) == sorted("'=1+1" if name == "=1+1" else name for name in HOSTILE)
    assert list(rows[0]) == list(wire())


async def test_json_escapes_terminal_control_characters(streamtop: Program) -> None:
    async with PlainManager(wire("\x1b[2J\x9b2J\u202e")) as manager:
        ended = await streamtop("ls", "--url", manager.url, "--format", "json", **TOKEN)
    assert json.loads(ended.out)[0]["name"] == "\x1b[2J\x9b2J\u202e"
    assert not {"\x1b", "\x9b", "\u202e"} & set(ended.out)


async def test_list_of_100000_records_is_printed_completely(streamtop: Program) -> None:
    body = json.dumps([wire(f"s{at}", start=at + 1) for at in range(100_000)])
    async with CannedServer(lambda request: reply(200, body)) as server:
        ended = await streamtop("ls", "--url", server.url, "--format", "ndjson", **TOKEN)
    assert len(ended.out.splitlines()) == 100_000


async def test_closed_pipe_is_no_error(streamtop: Program) -> None:
    body = json.dumps([wire(f"s{at}", start=at + 1) for at in range(20_000)])
    async with CannedServer(lambda request: reply(200, body)) as server:
        process = await asyncio.create_subprocess_exec(
            "sh",
            "-c",
            f"{sys.executable} -m tui ls --url {server.url} | head -n 1",
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=streamtop.environment | TOKEN,
        )
        out, err = await process.communicate()
    assert out.startswith(b"STREAM")
    assert b"Traceback" not in err
    assert b"Exception" not in err
