"""`streamtop ls` against a plain Stream Manager and a real service."""

import asyncio
import csv
import io
import json
import re
import signal
import sys
from datetime import UTC, datetime

import pytest

from tests.streamusage.service.conftest import Estate
from tests.support.canned_answers import CannedServer, reply
from tests.support.commands.hostile import HOSTILE, TOKEN, hostile_manager
from tests.support.commands.run_command import run_command
from tests.support.commands.service_process import ServiceProcess
from tests.support.plain_manager import PlainManager, wire
from tests.support.program import Program
from tests.support.waiting import LONGEST_WAIT_S, wait_until


async def test_json_has_the_documented_records(streamtop: Program) -> None:
    records = [wire("a", start=3), wire("b", "live/room1", start=2)]
    async with PlainManager(*records) as manager:
        ended = await streamtop("ls", "--url", manager.url, "--format", "json", **TOKEN)
    assert ended.code == 0
    listed = json.loads(ended.out)
    assert list(listed[0]) == [*wire(), "startTime_iso", "endTime_iso", "updated_iso"]
    assert [{name: record[name] for name in wire()} for record in listed] == records
    assert listed[0]["startTime_iso"] == "1970-01-01T00:00:00.003Z"
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
    assert list(rows[0]) == [
        *(*wire(), "live", "provenance", "lowerBound"),
        *("startTime_iso", "endTime_iso", "updated_iso"),
    ]


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


@pytest.mark.parametrize("kind", ["json", "ndjson", "csv"])
async def test_machine_formats_have_state_and_provenance(estate: Estate, streamtop: Program, kind: str) -> None:
    estate.clock.now += 60_000

    async def is_missing() -> bool:
        record = (await estate.request("GET", "/api/v1/changes")).json()["records"][0]
        return bool(record["provenance"] == "missing" and record["unseenSubscribers"] == record["aciveSubscribers"] > 0)

    await wait_until(is_missing, "the servers owe time")
    out = (await run_command(estate, streamtop, "ls", "--format", kind, token="viewer-token")).out
    if kind == "csv":
        rows = {row["name"]: row for row in csv.DictReader(io.StringIO(out))}
        start = int(rows["stream1"]["startTime"])
        assert (
            rows["stream1"]["startTime_iso"] == f"{datetime.fromtimestamp(start // 1000, UTC):%Y-%m-%dT%H:%M:%S}.000Z"
        )
        known: list[object] = ["true", "missing", "true"]
    else:
        listed = json.loads(out) if kind == "json" else map(json.loads, out.splitlines())
        rows = {row["name"]: row for row in listed}
        known = [True, "missing", True]
    assert [rows["stream1"][name] for name in ("live", "provenance", "lowerBound")] == known
    assert int(rows["stream1"]["aciveSubscribers"]) == 0, "nobody is seen"
    assert "unseenSubscribers" not in rows["stream1"]


async def test_imported_records_are_no_lower_bounds_and_are_imported_again(service: ServiceProcess) -> None:
    await service("import", "-", stdin=json.dumps([wire("keynote", start=3000)]).encode())
    listed = (await service("ls", "--format", "json")).out
    (record,) = json.loads(listed)
    assert {name: record.pop(name) for name in ("live", "provenance", "lowerBound")} == {
        "live": False, "provenance": "imported", "lowerBound": False,
    }  # fmt: skip
    assert {name: value for name, value in record.items() if not name.endswith("_iso")} == wire("keynote", start=3000)
    assert (await service("import", "-", stdin=listed.encode())).out == "0 imported, 1 kept as they were\n"


async def test_table_of_a_real_service_is_filtered(service: ServiceProcess) -> None:
    records = [wire("keynote", start=3000), wire("keynote", start=2000), wire("a/b", "live/room1", start=1000)]
    await service("import", "-", stdin=json.dumps(records).encode())
    table = await service("ls", "room1")
    assert "live/room1/a%2Fb" in table.out
    assert "ended" in table.out
    assert "1 session of 3" in table.err


async def test_admin_token_of_a_first_start_is_accepted(streamtop: Program) -> None:
    process = await streamtop.start("serve", "--listen", "127.0.0.1:0", stdin=-3)
    assert process.stderr is not None
    first_lines = (await asyncio.wait_for(process.stderr.readuntil(b", store"), LONGEST_WAIT_S)).decode()
    url, token_file = (
        re.findall(r"http://\S+(?=,)", first_lines)[0],
        re.findall(r"admin token in (.+);", first_lines)[0],
    )
    ended = await streamtop("ls", "--url", url, "--token-file", token_file)
    process.send_signal(signal.SIGTERM)
    await asyncio.wait_for(process.communicate(), LONGEST_WAIT_S)
    assert (ended.code, ended.err) == (0, f"0 sessions at {url.removeprefix('http://')}\n")


async def test_invalid_filter_is_underlined_at_the_error(streamtop: Program) -> None:
    ended = await streamtop("ls", "activ>3")
    assert ended.code == 2
    assert "\n  activ>3\n  ^^^^^^^\n" in ended.err
    assert (await streamtop("rm", "--where", "activ>3", "--yes")).code == 2


@pytest.mark.parametrize("command", [("ls",), ("rm", "--yes", "--where"), ("--plain", "--filter")])
async def test_filter_by_service_is_refused_with_the_reason(streamtop: Program, command: tuple[str, ...]) -> None:
    async with PlainManager(wire()) as manager:
        ended = await streamtop(*command, "keynote service=eu", "--url", manager.url, **TOKEN)
    assert (ended.code, manager.requests) == (2, [])
    assert "service is unknown here: only a console of several services (--profile a,b) has it" in ended.err
    assert "\n  keynote service=eu\n          ^^^^^^^^^^\n" in ended.err


@pytest.mark.parametrize("compared", ["state=ended", "state!=live", "data=backfilled", "not provenance=live"])
@pytest.mark.parametrize("command", [("ls",), ("rm", "--yes", "--where")])
async def test_state_and_data_of_a_plain_stream_manager_are_refused(
    streamtop: Program, command: tuple[str, ...], compared: str
) -> None:
    async with PlainManager(wire()) as manager:
        ended = await streamtop(*command, compared, "--url", manager.url, **TOKEN)
        assert (ended.code, manager.deletes, ended.out) == (2, [], "")
        assert "plain Stream Manager have neither state nor data; leave it out" in ended.err
