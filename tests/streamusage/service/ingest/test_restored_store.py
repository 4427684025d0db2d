"""A store that was restored from an older copy: nothing stays open in it that has ended meanwhile."""

import shutil
from pathlib import Path

import msgspec
from sqlalchemy import select

from streamusage.api.report import OpenPublish
from streamusage.service.store.engines.sqlite import sqlite_url
from streamusage.service.store.schema import server_sessions, viewers
from streamusage.service.store.store import open_store
from tests.streamusage.service.conftest import NOW, Estate
from tests.support.service.parties.reporting import ReportingAgent, a_session
from tests.support.service.wrong_clock import CountedServer

MINUTE = 60_000


def open_at_service(counted: CountedServer) -> tuple[set[str], set[str]]:
    """Return the viewers and the publishes that the service has as open."""
    store = open_store(counted.url, counted.now)
    with store.reading() as connection:
        found = (
            set(connection.execute(select(viewers.c.viewer_id)).scalars()),
            set(connection.execute(select(server_sessions.c.publish_id).where(server_sessions.c.live != 0)).scalars()),
        )
    store.close()
    return found


def test_viewers_who_left_after_the_copy_are_closed_again(tmp_path: Path) -> None:
    counted = CountedServer(tmp_path, sqlite_url(tmp_path / "usage.db"), NOW - 10 * MINUTE)
    store = open_store(counted.url, counted.now)
    counted.ledger.record(counted.reading(None))
    counted.sync(store)
    counted.count(store, 12)
    store.close()
    shutil.copy(tmp_path / "usage.db", tmp_path / "older.db")
    before = open_at_service(counted)
    assert all(before), "a viewer and a publish are open in the copy"

    store = open_store(counted.url, counted.now)
    for number in list(counted.media.open):
        counted.media.disconnect(counted.now, number)
    counted.count(store, 3)
    store.close()
    assert not before[0] & open_at_service(counted)[0]

    shutil.copy(tmp_path / "older.db", tmp_path / "usage.db")
    store = open_store(counted.url, counted.now)
    counted.count(store, 2)
    store.close()
    left, live = open_at_service(counted)
    assert not left & before[0], "they left before the copy was restored"
    assert live == {publish.publish_id for publish in counted.ledger.head.baseline.publishes}  # type: ignore[union-attr]
    journal = counted.ledger
    journal.reload()
    assert left == set(journal._viewers)


async def test_publish_whose_end_the_journal_has_forgotten_ends(estate: Estate) -> None:
    """The copy is older than the week for which a journal keeps acknowledged rows."""
    agent = ReportingAgent(estate)
    estate.clock.now += 10_000
    await agent.sync_up(
        a_session("p1", end_time=estate.clock.now), a_session("p2", end_time=estate.clock.now, name="b")
    )
    estate.clock.now += 10_000
    report = agent.report()
    still = OpenPublish(publish_id="p2", scope="live", name="b", start_time=NOW, highest=0)
    baseline = msgspec.structs.replace(report.baseline, publishes=(still,))
    listing = msgspec.structs.replace(report, baseline=baseline, lists_viewers=True)
    assert (await agent.send(listing)).status_code == 200
    live = await estate.running.service.read(
        lambda connection: (
            connection.execute(select(server_sessions.c.publish_id).where(server_sessions.c.live != 0)).scalars().all()
        )
    )
    assert live == ["p2"]
