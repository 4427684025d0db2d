"""The client commands as a user runs them, against a plain Stream Manager on a real port."""

import asyncio
import csv
import io
import json
import os
import signal
import stat
import sys

import pytest

from streamusage.core.usage import StreamId
from tests.support.canned_answers import CannedServer, reply
from tests.support.plain_manager import PlainManager, wire
from tests.support.program import Ended, Program
from tests.support.waiting import LONGEST_WAIT_S
from tui.commands.streams import format_stream_name

TOKEN = {"STREAMTOP_TOKEN": "xyz123"}
HOSTILE = ["[red]x", "\x1b[2J", "../..", "a/b", "=1+1", "\u202ereversed", "x" * 4000, "50%2Foff", "naïve 日本"]


def hostile() -> PlainManager:
    return PlainManager(*(wire(name, start=1000 + at) for at, name in enumerate(HOSTILE)))


class TestLs:
    async def test_json_is_the_documented_records(self, streamtop: Program) -> None:
        records = [wire("a", start=3), wire("b", "live/room1", start=2)]
        async with PlainManager(*records) as manager:
            ended = await streamtop("ls", "--url", manager.url, "--format", "json", **TOKEN)
        assert ended.code == 0
        assert json.loads(ended.out) == records
        assert list(json.loads(ended.out)[0]) == list(wire())
        assert "2 sessions" in ended.err

    async def test_no_session_is_an_empty_list(self, streamtop: Program) -> None:
        async with PlainManager() as manager:
            outs = [
                (await streamtop("ls", "--url", manager.url, "--format", kind, **TOKEN)).out
                for kind in ("json", "ndjson", "table")
            ]
        assert outs == ["[]\n", "", ""]

    async def test_ndjson_is_a_record_a_line(self, streamtop: Program) -> None:
        async with PlainManager(wire("a"), wire("b\nc")) as manager:
            ended = await streamtop("ls", "--url", manager.url, "--format", "ndjson", **TOKEN)
        assert [json.loads(line)["name"] for line in ended.out.splitlines()] == ["a", "b\nc"]

    async def test_words_pick_sessions(self, streamtop: Program) -> None:
        async with PlainManager(wire("keynote"), wire("stage"), wire("keynote", "event")) as manager:
            ended = await streamtop("ls", "LIVE/", "key", "--url", manager.url, "--format", "json", **TOKEN)
        assert [(record["scope"], record["name"]) for record in json.loads(ended.out)] == [("live", "keynote")]
        assert "1 session of 3" in ended.err

    async def test_a_table_shows_hostile_names_as_text(self, streamtop: Program) -> None:
        async with hostile() as manager:
            ended = await streamtop("ls", "--url", manager.url, **TOKEN)
        assert ended.code == 0
        assert "\x1b" not in ended.out
        assert "\u202e" not in ended.out
        shown = {line.split("  ")[0] for line in ended.out.splitlines()}
        assert {"live/[red]x", "live/␛[2J", "live/..%2F..", "live/a%2Fb", "live/50%252Foff"} < shown
        assert len(ended.out.splitlines()) == len(HOSTILE) + 1

    async def test_csv_cells_are_inert(self, streamtop: Program) -> None:
        async with hostile() as manager:
            ended = await streamtop("ls", "--url", manager.url, "--format", "csv", **TOKEN)
        rows = list(csv.DictReader(io.StringIO(ended.out)))
        assert sorted(row["name"] for row in rows) == sorted("'=1+1" if name == "=1+1" else name for name in HOSTILE)
        assert list(rows[0]) == list(wire())

    async def test_json_sends_a_terminal_nothing_to_obey(self, streamtop: Program) -> None:
        async with PlainManager(wire("\x1b[2J\x9b2J\u202e")) as manager:
            ended = await streamtop("ls", "--url", manager.url, "--format", "json", **TOKEN)
        assert json.loads(ended.out)[0]["name"] == "\x1b[2J\x9b2J\u202e"
        assert not {"\x1b", "\x9b", "\u202e"} & set(ended.out)

    async def test_a_hundred_thousand_records(self, streamtop: Program) -> None:
        body = json.dumps([wire(f"s{at}", start=at + 1) for at in range(100_000)])
        async with CannedServer(lambda asked: reply(200, body)) as server:
            ended = await streamtop("ls", "--url", server.url, "--format", "ndjson", **TOKEN)
        assert len(ended.out.splitlines()) == 100_000

    async def test_a_reader_that_leaves_is_no_error(self, streamtop: Program) -> None:
        body = json.dumps([wire(f"s{at}", start=at + 1) for at in range(20_000)])
        async with CannedServer(lambda asked: reply(200, body)) as server:
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


class TestHowItEnds:
    async def test_nobody_answers(self, streamtop: Program) -> None:
        ended = await streamtop("ls", "--url", "http://127.0.0.1:9")
        assert ended.code == 3
        assert ended.out == ""
        assert "127.0.0.1:9" in ended.err

    async def test_a_wrong_token_is_refused_and_not_repeated(self, streamtop: Program) -> None:
        async with PlainManager(wire()) as manager:
            ended = await streamtop("ls", "--url", manager.url, STREAMTOP_TOKEN="wrong-secret")
        assert ended.code == 4
        assert "invalid access token" in ended.err
        assert "wrong-secret" not in ended.err

    async def test_missing_token_error_names_the_options(self, streamtop: Program) -> None:
        async with PlainManager(wire()) as manager:
            ended = await streamtop("ls", "--url", manager.url)
        assert ended.code == 4
        assert "--token-file" in ended.err

    @pytest.mark.parametrize("body", ["<!doctype html><p>hello", '[{"name": ', "{}", ""])
    async def test_what_is_no_usage_api(self, streamtop: Program, body: str) -> None:
        async with CannedServer(lambda asked: reply(200, body)) as server:
            ended = await streamtop("ls", "--url", server.url)
        assert (ended.code, ended.out) == (3, "")
        assert len(ended.err.splitlines()) == 1

    @pytest.mark.parametrize(
        "arguments",
        [
            ("gaps",),
            ("daily",),
            ("daily", "--from", "2026-11-01", "--to", "2026-11-02"),
            ("import", "-"),
        ],
    )
    async def test_a_plain_stream_manager_lacks_the_extension(
        self, streamtop: Program, arguments: tuple[str, ...]
    ) -> None:
        async with PlainManager(wire()) as manager:
            ended = await streamtop(*arguments, "--url", manager.url, stdin=json.dumps([wire()]).encode(), **TOKEN)
        assert (ended.code, ended.out) == (4, "")
        assert "documented usage API only" in ended.err

    @pytest.mark.parametrize(
        "arguments",
        [
            ("ls", "--url", "ftp://host"),
            ("ls", "--url", "localhost:5080"),
            ("ls", "--url", "http://user:secret@host"),
            ("ls", "--url", "http://host/?accessToken=secret"),
            ("ls", "--tz", "Nowhere/Town"),
            ("ls", "--format", "yaml"),
            ("ls", "--profile", "nope"),
            ("ls", "--token-file", "no/such/file"),
            ("gaps", "--from", "yesterday"),
            ("demo", "--record", "outage.tape", "--tour"),
            ("daily", "--from", "2026-13-01"),
            ("daily", "--from", "2026-11-02", "--to", "2026-11-01"),
            ("daily", "--from", "2020-01-01", "--to", "2026-11-01"),
            ("no-such-command",),
            ("--profile", "x", "ls"),
        ],
    )
    async def test_wrong_use(self, streamtop: Program, arguments: tuple[str, ...]) -> None:
        ended = await streamtop(*arguments)
        assert (ended.code, ended.out) == (2, "")
        assert "secret" not in ended.err
        assert "Traceback" not in ended.err


class TestRm:
    async def test_one_session(self, streamtop: Program) -> None:
        async with PlainManager(wire(start=1), wire(start=2)) as manager:
            ended = await streamtop("rm", "live/keynote", "--start-time", "2", "--url", manager.url, **TOKEN)
        assert ended.code == 0, ended.err
        assert manager.records == [wire(start=1)]
        assert ended.out == ""

    async def test_all_sessions_of_a_stream(self, streamtop: Program) -> None:
        other = wire("other")
        async with PlainManager(wire(start=1), other, wire(start=2)) as manager:
            ended = await streamtop("rm", "live/keynote", "--yes", "--format", "json", "--url", manager.url, **TOKEN)
        assert ended.code == 0, ended.err
        assert manager.records == [other]
        assert json.loads(ended.out) == [wire(start=1), wire(start=2)]
        assert "2 sessions of live/keynote" in ended.err

    async def test_everything(self, streamtop: Program) -> None:
        async with PlainManager(wire(), wire("other")) as manager:
            ended = await streamtop("rm", "--all", "--yes", "--url", manager.url, **TOKEN)
        assert ended.code == 0, ended.err
        assert manager.records == []
        assert len(streamtop.journal.read_text().splitlines()) == 2

    async def test_the_records_are_kept_first_and_for_the_user_alone(self, streamtop: Program) -> None:
        async with PlainManager(wire()) as manager:
            await streamtop("rm", "live/keynote", "--yes", "--url", manager.url, **TOKEN)
        kept = json.loads(streamtop.journal.read_text())
        assert wire().items() <= kept.items()
        assert kept["service"] == f"127.0.0.1:{manager.port}"
        assert stat.S_IMODE(streamtop.journal.stat().st_mode) == 0o600

    async def test_nothing_is_deleted_where_the_journal_cannot_be_written(self, streamtop: Program) -> None:
        streamtop.journal.mkdir(parents=True)
        async with PlainManager(wire()) as manager:
            ended = await streamtop("rm", "live/keynote", "--yes", "--url", manager.url, **TOKEN)
        assert ended.code == 1
        assert manager.deletes == []
        assert "nothing was deleted" in ended.err

    @pytest.mark.parametrize("arguments", [("live/keynote",), ("--all",)])
    async def test_without_a_terminal_it_does_not_guess(self, streamtop: Program, arguments: tuple[str, ...]) -> None:
        async with PlainManager(wire()) as manager:
            ended = await streamtop("rm", *arguments, "--url", manager.url, stdin=b"y\n", **TOKEN)
        assert ended.code == 2
        assert manager.requests == []
        assert "--yes" in ended.err

    @pytest.mark.parametrize(
        "arguments",
        [
            (),
            ("",),
            ("/",),
            ("live/",),
            ("/keynote",),
            ("keynote",),
            ("live//keynote",),
            ("live/keynote", "--start-time", ""),
            ("live/keynote", "--start-time", "0"),
            ("live/keynote", "--start-time", "-5"),
            ("live/keynote", "--all"),
            ("--all", "--start-time", "5"),
        ],
    )
    async def test_what_names_no_session_is_never_sent(self, streamtop: Program, arguments: tuple[str, ...]) -> None:
        async with PlainManager(wire()) as manager:
            ended = await streamtop("rm", *arguments, "--yes", "--url", manager.url, **TOKEN)
        assert (ended.code, manager.requests) == (2, [])

    @pytest.mark.parametrize(("typed", "left"), [(b"y\n", 1), (b"n\n", 3), (b"\n", 3), (b"\x04", 3)])
    async def test_deleting_a_stream_needs_confirmation(self, streamtop: Program, typed: bytes, left: int) -> None:
        async with PlainManager(wire(start=1), wire("other"), wire(start=2)) as manager:
            ended = await streamtop.typed_into(typed, "rm", "live/keynote", "--url", manager.url, **TOKEN)
        assert len(manager.records) == left
        assert (ended.code == 0) == (left == 1)
        assert "Delete 2 sessions of live/keynote" in ended.err
        assert ended.out == ""

    @pytest.mark.parametrize("typed", ["yes", "", "127.0.0.1"])
    async def test_deleting_everything_needs_the_host_typed(self, streamtop: Program, typed: str) -> None:
        async with PlainManager(wire(), wire("other")) as manager:
            host = f"127.0.0.1:{manager.port}"
            wrong = await streamtop.typed_into(f"{typed}\n".encode(), "rm", "--all", "--url", manager.url, **TOKEN)
            assert (wrong.code, len(manager.records)) == (1, 2)
            right = await streamtop.typed_into(f"{host}\n".encode(), "rm", "--all", "--url", manager.url, **TOKEN)
            assert (right.code, manager.records) == (0, [])

    async def test_ctrl_c_at_the_question_deletes_nothing(self, streamtop: Program) -> None:
        async with PlainManager(wire()) as manager:
            ours, its = os.openpty()
            process = await streamtop.start("rm", "live/keynote", "--url", manager.url, stdin=its, **TOKEN)
            assert process.stderr is not None
            asked = await asyncio.wait_for(process.stderr.readuntil(b"[y/N]"), LONGEST_WAIT_S)
            await asyncio.sleep(0.2)
            process.send_signal(signal.SIGINT)
            _, err = await asyncio.wait_for(process.communicate(), LONGEST_WAIT_S)
            os.close(ours)
            os.close(its)
        assert (process.returncode, manager.deletes) == (130, [])
        assert b"Traceback" not in asked + err

    async def test_a_session_that_begins_meanwhile_stays(self, streamtop: Program) -> None:
        async with PlainManager(wire(start=1)) as manager:
            ours, its = os.openpty()
            process = await streamtop.start("rm", "live/keynote", "--url", manager.url, stdin=its, **TOKEN)
            assert process.stderr is not None
            await asyncio.wait_for(process.stderr.readuntil(b"[y/N]"), LONGEST_WAIT_S)
            manager.records.append(wire(start=2))
            os.write(ours, b"y\n")
            await asyncio.wait_for(process.communicate(), LONGEST_WAIT_S)
            os.close(ours)
            os.close(its)
        assert (process.returncode, manager.records) == (0, [wire(start=2)])

    @pytest.mark.parametrize("name", HOSTILE)
    async def test_a_hostile_name_deletes_itself_and_nothing_else(self, streamtop: Program, name: str) -> None:
        async with hostile() as manager:
            ended = await streamtop(
                "rm", format_stream_name(StreamId("live", name)), "--yes", "--url", manager.url, **TOKEN
            )
        assert ended.code == 0, ended.err
        assert sorted(record["name"] for record in manager.records) == sorted(set(HOSTILE) - {name})
        assert "\x1b" not in ended.err

    @pytest.mark.parametrize("start", [(), ("--start-time", "77")])
    async def test_what_is_not_there(self, streamtop: Program, start: tuple[str, ...]) -> None:
        async with PlainManager(wire("other")) as manager:
            ended = await streamtop("rm", "live/keynote", *start, "--yes", "--url", manager.url, **TOKEN)
        assert (ended.code, manager.deletes) == (5, [])
        assert not streamtop.journal.exists()

    async def test_a_read_only_profile_deletes_nothing(self, streamtop: Program) -> None:
        async with PlainManager(wire()) as manager:
            streamtop.configure(f'[profiles.p]\nurl = "{manager.url}"\nread_only = true\n')
            ended = await streamtop("rm", "--all", "--yes", "--profile", "p", **TOKEN)
        assert (ended.code, manager.requests) == (4, [])


class TestImport:
    async def imported(self, streamtop: Program, content: str) -> Ended:
        async with PlainManager() as manager:
            ended = await streamtop("import", "-", "--url", manager.url, stdin=content.encode(), **TOKEN)
        assert manager.requests == [], "a bad record, yet something was sent"
        return ended

    async def test_bad_records_are_named_and_nothing_is_sent(self, streamtop: Program) -> None:
        lacking = wire()
        del lacking["duration"]
        content = [wire(), lacking, wire(""), wire(totalSubscribers=-1), wire(name=5)]
        ended = await self.imported(streamtop, json.dumps(content))
        assert ended.code == 2
        assert "4 invalid records" in ended.err
        for position, what in ((2, "duration"), (3, "name"), (4, "total_subscribers"), (5, "name")):
            assert any(f"record {position}: " in line and what in line for line in ended.err.splitlines())

    async def test_lines_are_named_too(self, streamtop: Program) -> None:
        ended = await self.imported(streamtop, f"{json.dumps(wire())}\n\n{{oops\n")
        assert ended.code == 2
        assert "line 3: " in ended.err

    @pytest.mark.parametrize("content", ['[{"name": "x"', "[1, 2]", "hello", "<html>"])
    async def test_what_is_no_list_of_records(self, streamtop: Program, content: str) -> None:
        assert (await self.imported(streamtop, content)).code == 2
