"""`streamtop journal`: lists and restores deleted records."""

import json
from pathlib import Path

from tests.support.console.records import TOKEN, recent, record, service_with
from tests.support.plain_manager import PlainManager, wire
from tests.support.program import Program


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
