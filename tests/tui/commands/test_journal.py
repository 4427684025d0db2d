"""`streamtop journal`: lists and restores deleted records."""

import json
from pathlib import Path

from tests.support.console.records import TOKEN, recent, record, service_with
from tests.support.plain_manager import PlainManager, wire
from tests.support.program import Program


async def test_deleted_record_is_listed_in_the_journal(streamtop: Program) -> None:
    async with PlainManager(wire("keynote"), wire("other")) as manager:
        options = ("--url", manager.url, "--token-file", str(streamtop.secret(manager.token)))
        assert (await streamtop("rm", "--where", "name=keynote age>1h", "--yes", *options)).code == 0
        assert [record["name"] for record in manager.records] == ["other"]
    listed = await streamtop("journal", "keynote", "--format", "json")
    assert listed.code == 0
    assert [record["name"] for record in json.loads(listed.out)] == ["keynote"]
    assert json.loads((await streamtop("journal", "nothing", "--format", "json")).out) == []


async def test_restore_imports_deleted_records_into_the_service(streamtop: Program, tmp_path: Path) -> None:
    records = [record("keynote", recent(90)), record("keynote", recent(60)), record("other", recent(30))]
    async with service_with(tmp_path, records) as client:
        options = ("--url", client.base_url, "--token-file", str(streamtop.secret(TOKEN)))
        assert (await streamtop("rm", "--all", "--yes", *options)).code == 0
        assert await client.usage() == []
        streamtop.configure(f'[profiles.safe]\nurl = "{client.base_url}"\nread_only = true\n')
        refused = await streamtop("journal", "keynote", "--restore", "--profile", "safe", *options[2:])
        assert (refused.code, await client.usage()) == (4, [])
        restored = await streamtop("journal", "keynote", "--restore", *options)
        assert restored.code == 0, restored.err
        assert "restored 2 records" in restored.err
        assert sorted(await client.usage(), key=lambda record: record.start_time) == records[:2], "with all figures"
        again = await streamtop("journal", "--restore", *options)
        assert "restored 1 record " in again.err
        assert "2 were there already" in again.err
        assert len(await client.usage()) == 3
        assert (await streamtop("journal", "nothing-like-it", "--restore", *options)).code == 5
        # A restored record can be deleted again.
        assert (await streamtop("rm", "live/keynote", "--yes", *options)).code == 0
        assert [record.name for record in await client.usage()] == ["other"]
    listed = await streamtop("journal", "--format", "json")
    assert len(json.loads(listed.out)) == 5, "every delete is its own line"


async def test_restore_is_refused_for_a_plain_stream_manager(streamtop: Program) -> None:
    async with PlainManager(wire("keynote")) as manager:
        options = ("--url", manager.url, "--token-file", str(streamtop.secret(manager.token)))
        assert (await streamtop("rm", "live/keynote", "--yes", *options)).code == 0
        ended = await streamtop("journal", "--restore", *options)
        assert ended.code == 4
        assert "documented usage API only" in ended.err
        assert manager.token not in ended.err


async def test_journal_is_filtered_by_service_and_refuses_state(streamtop: Program) -> None:
    async with PlainManager(wire("keynote")) as manager, PlainManager(wire("other")) as second:
        for one in (manager, second):
            options = ("--url", one.url, "--token-file", str(streamtop.secret(one.token)))
            assert (await streamtop("rm", "--all", "--yes", *options)).code == 0
    listed = await streamtop("journal", f"service=127.0.0.1:{second.port}", "--format", "json")
    assert [record["name"] for record in json.loads(listed.out)] == ["other"]
    for field in ("state=ended", "data=live"):
        refused = await streamtop("journal", field)
        assert (refused.code, refused.out) == (2, "")
        assert "deleted records have neither state nor data" in refused.err
