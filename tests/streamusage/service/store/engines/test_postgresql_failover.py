"""Failovers of PostgreSQL: what was lost with the primary is reported again, and no console keeps outdated rows."""

import asyncio
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.streamusage.service.conftest import Estate, a_record, an_estate
from tests.support.postgresql import PASSWORD, Cluster, Standby, cluster
from tests.support.waiting import wait_until

pytestmark = pytest.mark.postgresql


@pytest.fixture
def primary(monkeypatch: pytest.MonkeyPatch) -> Iterator[Cluster]:
    """A server of this test alone."""
    monkeypatch.setenv("PGPASSWORD", PASSWORD)
    with cluster(has_lasting_commits=True) as running:
        yield running


@pytest.fixture
def standby(primary: Cluster) -> Iterator[Standby]:
    with primary.standby() as running:
        yield running


def both_hosts(primary: Cluster, standby: Standby, database: str) -> str:
    """Return libpq's URL of a pair: whichever of both is the primary."""
    hosts = f"127.0.0.1:{primary.port},127.0.0.1:{standby.port}"
    return f"postgresql://postgres@{hosts}/{database}?target_session_attrs=read-write"


async def write(estate: Estate, *names: str) -> None:
    """Import records, again and again until the store accepts them."""

    async def is_kept() -> bool:
        answer = await estate.import_records(*map(a_record, names))
        assert answer.status_code in (200, 503), answer.text
        return answer.status_code == 200

    await wait_until(is_kept, f"{names} kept")


async def changes(estate: Estate, cursor: str = "") -> dict[str, Any]:
    answer = await estate.request("GET", f"/api/v1/changes{f'?cursor={cursor}' if cursor else ''}")
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def names_in(page: dict[str, Any]) -> list[str]:
    return sorted(record["name"] for record in page["records"])


async def test_cursor_of_lost_changes_is_refused_after_a_failover(
    primary: Cluster, standby: Standby, tmp_path: Path
) -> None:
    with primary.database() as url:
        async with an_estate(tmp_path, store_url=both_hosts(primary, standby, url.rpartition("/")[2])) as estate:
            await write(estate, "a", "b")
            kept = (await changes(estate))["cursor"]
            await asyncio.to_thread(standby.wait_for, primary.lsn())
            await asyncio.to_thread(standby.cut_off)
            await write(estate, "lost-1", "lost-2")
            lost = (await changes(estate, kept))["cursor"]
            await asyncio.to_thread(primary.kill)
            await asyncio.to_thread(standby.promote)
            await write(estate, "c", "d")

            page = await changes(estate, lost)
            assert page["reset"], "the numbers of the lost changes are those of other ones now"
            assert names_in(page) == ["a", "b", "c", "d"]
            page = await changes(estate, kept)
            assert not page["reset"], "everything that this console has seen is still there"
            assert names_in(page) == ["c", "d"]


async def test_failover_is_logged_in_three_lines(
    primary: Cluster, standby: Standby, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with primary.database() as url:
        async with an_estate(tmp_path, store_url=both_hosts(primary, standby, url.rpartition("/")[2])) as estate:
            await write(estate, "a")
            await asyncio.to_thread(standby.wait_for, primary.lsn())
            caplog.clear()
            await asyncio.to_thread(primary.kill)
            for _ in range(5):
                answer = await estate.import_records(a_record("b"))
                assert answer.status_code == 503
                assert f"127.0.0.1:{primary.port}: " in answer.json()["errorMessage"]
                assert (await estate.usage()).status_code == 503
            ready = await estate.request("GET", "/readyz")
            assert ready.status_code == 503
            await asyncio.to_thread(standby.promote)
            await write(estate, "b")

            async def is_logged() -> bool:
                await write(estate, "b")
                assert (await estate.usage()).status_code == 200
                return "is reached again" in caplog.text

            await wait_until(is_logged, "the line of its end")
            lines = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
            assert len(lines) == 3, lines
            for line, event in zip(
                lines, ("is not reached: ", "continues another history", "is reached again"), strict=True
            ):
                assert event in line
                assert "\n" not in line


async def test_commit_that_no_standby_confirmed_is_reported_as_unknown(
    primary: Cluster, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with primary.database() as url:
        async with an_estate(tmp_path, store_url=url) as estate:
            await write(estate, "a")
            primary.configure(synchronous_standby_names="nobody")
            waiting = asyncio.create_task(estate.import_records(a_record("b")))
            await wait_until(lambda: primary.cancel_commits(), "a commit that waits")
            answer = await waiting
            assert answer.status_code == 503
            assert "no standby confirmed it" in answer.json()["errorMessage"]
            assert "was not confirmed" in caplog.text
            primary.configure(synchronous_standby_names="")
            assert (await estate.usage()).status_code == 200


async def test_start_warns_of_settings_that_lose_commits(
    primary: Cluster, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with primary.database() as url:
        async with an_estate(tmp_path, store_url=url):
            assert "synchronous_standby_names is empty" in caplog.text
            assert "synchronous_commit" not in caplog.text
            caplog.clear()
        primary.configure(synchronous_commit="local")
        async with an_estate(tmp_path, store_url=url):
            assert "synchronous_commit is local" in caplog.text


async def test_standby_answers_only_what_is_not_older_than_what_was_seen(
    primary: Cluster, standby: Standby, tmp_path: Path
) -> None:
    with primary.database() as url:
        hosts = f"127.0.0.1:{primary.port},127.0.0.1:{standby.port}"
        store_url = f"postgresql://postgres@{hosts}/{url.rpartition('/')[2]}?target_session_attrs=prefer-standby"
        async with (
            an_estate(tmp_path, store_url=store_url) as estate,
            an_estate(tmp_path, store_url=store_url) as other,
        ):
            await write(estate, "a")
            await asyncio.to_thread(standby.wait_for, primary.lsn())
            first = await changes(estate)
            assert names_in(first) == ["a"]
            assert standby.is_asked()
            await asyncio.to_thread(standby.pause_replay)
            await write(estate, "b")
            assert names_in(await changes(estate)) == ["a", "b"], "its own write"
            seen = await changes(estate, first["cursor"])
            assert names_in(seen) == ["b"]
            page = await changes(other, seen["cursor"])
            assert (names_in(page), page["reset"]) == ([], False), "what a console has seen of another process"
            assert names_in(await changes(other, first["cursor"])) == ["b"], "what this process has read since"


async def test_standby_answers_while_there_is_no_primary(primary: Cluster, standby: Standby, tmp_path: Path) -> None:
    with primary.database() as url:
        hosts = f"127.0.0.1:{primary.port},127.0.0.1:{standby.port}"
        store_url = f"postgresql://postgres@{hosts}/{url.rpartition('/')[2]}?target_session_attrs=prefer-standby"
        async with an_estate(tmp_path, store_url=store_url) as estate:
            await write(estate, "a")
            cursor = (await changes(estate))["cursor"]
            await asyncio.to_thread(standby.wait_for, primary.lsn())
            await asyncio.to_thread(primary.kill)
            page = await changes(estate, cursor)
            assert (names_in(page), page["reset"]) == ([], False)
            assert names_in(await changes(estate)) == ["a"]
            assert (await estate.request("GET", "/readyz")).status_code == 503


async def test_primary_that_hangs_is_left_when_another_one_has_taken_over(
    primary: Cluster, standby: Standby, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with primary.database() as url:
        async with an_estate(tmp_path, store_url=both_hosts(primary, standby, url.rpartition("/")[2])) as estate:
            await write(estate, "a")
            await changes(estate)
            await asyncio.to_thread(standby.wait_for, primary.lsn())
            with primary.paused():
                reads = [asyncio.create_task(estate.usage()) for _ in range(50)]  # more than there are threads
                written = asyncio.create_task(write(estate, "b"))
                await asyncio.to_thread(standby.promote)
                await written
                assert {answer.status_code for answer in await asyncio.gather(*reads)} <= {200, 503}
                assert names_in(await changes(estate)) == ["a", "b"]
            assert caplog.text.count("another server has taken over from the one in use") == 1
            await write(estate, "c")
            assert names_in(await changes(estate)) == ["a", "b", "c"], "the former primary is back, and not used"


async def test_former_primary_that_is_back_is_neither_read_nor_written(
    primary: Cluster, standby: Standby, tmp_path: Path
) -> None:
    """It is the first host of the URL, and accepts connections and writes as before."""
    with primary.database() as url:
        async with an_estate(tmp_path, store_url=both_hosts(primary, standby, url.rpartition("/")[2])) as estate:
            await write(estate, "a")
            await asyncio.to_thread(standby.wait_for, primary.lsn())
            with primary.paused():
                await asyncio.to_thread(standby.promote)
                await write(estate, "b")
            await asyncio.to_thread(standby.end_sessions)
            await write(estate, "c")
            for page in await asyncio.gather(*(changes(estate) for _ in range(20))):
                assert names_in(page) == ["a", "b", "c"]
            await asyncio.to_thread(primary.kill)
            assert names_in(await changes(estate)) == ["a", "b", "c"]


async def test_primary_that_was_replaced_is_left_although_it_works(
    primary: Cluster,
    standby: Standby,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr("streamusage.service.store.store.SEARCH_SECONDS", 0.5)
    with primary.database() as url:
        async with an_estate(tmp_path, store_url=both_hosts(primary, standby, url.rpartition("/")[2])) as estate:
            await write(estate, "a")
            await asyncio.to_thread(standby.wait_for, primary.lsn())
            await asyncio.to_thread(standby.promote)
            await wait_until(lambda: "another server has taken over from the one in use" in caplog.text, "it is left")
            await write(estate, "b")
            await asyncio.to_thread(primary.kill)
            assert names_in(await changes(estate)) == ["a", "b"]


async def test_reader_who_has_seen_the_new_primary_gets_nothing_from_the_former_one(
    primary: Cluster, standby: Standby, tmp_path: Path
) -> None:
    with primary.database() as url:
        store_url = both_hosts(primary, standby, url.rpartition("/")[2])
        async with an_estate(tmp_path, store_url=store_url) as late:
            await write(late, "a")
            await asyncio.gather(*(changes(late) for _ in range(16)))  # connections that stay with the former primary
            await asyncio.to_thread(standby.wait_for, primary.lsn())
            await asyncio.to_thread(standby.promote)
            async with an_estate(tmp_path, store_url=f"{url.replace(str(primary.port), str(standby.port))}") as early:
                await write(early, "b")
                cursor = (await changes(early))["cursor"]
                answer = await late.request("GET", f"/api/v1/changes?cursor={cursor}")
                assert answer.status_code == 503
                assert "another server has taken over" in answer.json()["errorMessage"]
                page = await changes(late, cursor)
                assert (names_in(page), page["reset"]) == ([], False)
                assert names_in(await changes(late)) == ["a", "b"]


async def test_commit_that_waits_at_a_former_primary_ends(primary: Cluster, standby: Standby, tmp_path: Path) -> None:
    """With quorum commit it would wait until somebody stops that server."""
    with primary.database() as url:
        primary.configure(synchronous_standby_names="*")
        async with an_estate(tmp_path, store_url=both_hosts(primary, standby, url.rpartition("/")[2])) as estate:
            await write(estate, "a")
            await asyncio.to_thread(standby.wait_for, primary.lsn())
            await asyncio.to_thread(standby.promote)
            await write(estate, "b")
            assert names_in(await changes(estate)) == ["a", "b"]
        await asyncio.to_thread(primary.kill)  # its database cannot be emptied


async def test_user_who_may_not_see_the_cluster_is_served_and_warned(
    primary: Cluster, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with primary.database() as url, primary.plain_user(url) as plain_url:
        async with an_estate(tmp_path, store_url=plain_url) as estate:
            await write(estate, "a")
            assert names_in(await changes(estate)) == ["a"]
            assert "may not execute pg_control_system()" in caplog.text
