"""journal, config, --plain and replay as a user runs them."""

import asyncio
import json
from pathlib import Path

from tests.support.console.records import TOKEN, recent, record, service_with
from tests.support.plain_manager import PlainManager, wire
from tests.support.program import Program
from tests.support.waiting import LONGEST_WAIT_S


async def test_a_deleted_record_is_found_in_the_journal(streamtop: Program) -> None:
    async with PlainManager(wire("keynote"), wire("other")) as manager:
        options = ("--url", manager.url, "--token-file", str(streamtop.secret(manager.token)))
        assert (await streamtop("rm", "--where", "name=keynote age>1h", "--yes", *options)).code == 0
        assert [record["name"] for record in manager.records] == ["other"]
    listed = await streamtop("journal", "keynote", "--format", "json")
    assert listed.code == 0
    assert [record["name"] for record in json.loads(listed.out)] == ["keynote"]
    assert json.loads((await streamtop("journal", "nothing", "--format", "json")).out) == []


async def test_a_filter_that_cannot_be_read_is_pointed_at(streamtop: Program) -> None:
    ended = await streamtop("ls", "activ>3")
    assert ended.code == 2
    assert "\n  activ>3\n  ^^^^^^^\n" in ended.err
    assert (await streamtop("rm", "--where", "activ>3", "--yes")).code == 2


async def test_config_prints_values_and_sources_without_tokens(streamtop: Program) -> None:
    profile = '[profiles.prod]\nurl = "http://sm:5080"\ntoken_env = "T"\ntheme = "light"\n'
    alerts = '[profiles.prod.alerts]\nafter = "5m"\ncommand = ["page-me", "now or never"]\n'
    streamtop.configure(profile + alerts + '[keys]\ngaps = "w"\n')
    ended = await streamtop("config", "--profile", "prod", "--format", "json", T="s3cret-token")
    assert ended.code == 0, ended.err
    told = {row["setting"]: row for row in json.loads(ended.out)}
    assert (told["url"]["value"], told["url"]["source"]) == ("http://sm:5080", "profile prod")
    assert (told["token"]["value"], told["token"]["source"]) == ("given", "profile prod")
    assert told["theme"]["value"] == "light"
    assert told["theme"]["source"].endswith("[profiles.prod]")
    assert told["poll_interval"]["source"] == "default"
    assert told["read_only"]["meaning"]
    assert told["keys.gaps"]["value"] == "w"
    assert (told["alerts.after"]["value"], told["alerts.command"]["value"]) == ("300.0", "page-me 'now or never'")
    assert told["alerts.after"]["source"].endswith("[profiles.prod.alerts]")
    assert told["alerts.bell"]["source"] == "default"
    assert all(told[f"alerts.{part}"]["meaning"] for part in ("after", "bell", "notify", "command"))
    assert "s3cret-token" not in ended.out + ended.err


async def test_line_mode_prints_and_records_changes(streamtop: Program) -> None:
    async with PlainManager(wire("keynote")) as manager:
        options = ("--url", manager.url, "--token-file", str(streamtop.secret(manager.token)))
        tape = streamtop.home / "tape"
        process = await streamtop.start("--plain", "--record", str(tape), *options, stdin=asyncio.subprocess.DEVNULL)
        try:
            assert process.stdout is not None
            first = await asyncio.wait_for(process.stdout.readline(), LONGEST_WAIT_S)
            assert b"0 on air of 1 sessions" in first
        finally:
            process.terminate()
            await asyncio.wait_for(process.wait(), LONGEST_WAIT_S)
    (line,) = tape.read_text().splitlines()[:1]
    assert json.loads(line)["changed"][0]["name"] == "keynote"
    assert manager.token not in tape.read_text()
    assert "needs a terminal" in (await streamtop("replay", str(tape), TERM="xterm")).err
    assert (await streamtop("replay", str(streamtop.home / "none"))).code == 1


async def test_what_was_deleted_goes_back_into_the_real_service(streamtop: Program, tmp_path: Path) -> None:
    records = [record("keynote", recent(90)), record("keynote", recent(60)), record("other", recent(30))]
    async with service_with(tmp_path, records) as client:
        options = ("--url", client.base_url, "--token-file", str(streamtop.secret(TOKEN)))
        assert (await streamtop("rm", "--all", "--yes", *options)).code == 0
        assert await client.usage() == []
        streamtop.configure(f'[profiles.safe]\nurl = "{client.base_url}"\nread_only = true\n')
        refused = await streamtop("journal", "keynote", "--restore", "--profile", "safe", *options[2:])
        assert (refused.code, await client.usage()) == (4, [])
        told = await streamtop("journal", "keynote", "--restore", *options)
        assert told.code == 0, told.err
        assert "restored 2 records" in told.err
        assert sorted(await client.usage(), key=lambda one: one.start_time) == records[:2], "figure for figure"
        again = await streamtop("journal", "--restore", *options)
        assert "restored 1 record " in again.err
        assert "2 were there already" in again.err
        assert len(await client.usage()) == 3
        assert (await streamtop("journal", "nothing-like-it", "--restore", *options)).code == 5
        # What was put back is a record like any other.
        assert (await streamtop("rm", "live/keynote", "--yes", *options)).code == 0
        assert [one.name for one in await client.usage()] == ["other"]
    listed = await streamtop("journal", "--format", "json")
    assert len(json.loads(listed.out)) == 5, "every delete is its own line"


async def test_a_plain_stream_manager_takes_nothing_back(streamtop: Program) -> None:
    async with PlainManager(wire("keynote")) as manager:
        options = ("--url", manager.url, "--token-file", str(streamtop.secret(manager.token)))
        assert (await streamtop("rm", "live/keynote", "--yes", *options)).code == 0
        ended = await streamtop("journal", "--restore", *options)
        assert ended.code == 4
        assert "documented usage API only" in ended.err
        assert manager.token not in ended.err
