"""A used store has no differences; each change of a stored figure is found, with its table and row."""

from contextlib import closing
from pathlib import Path

from sqlalchemy import text

from streamusage.service.accounting.checks.verification import Difference, verify_store
from streamusage.service.store.engines.sqlite import connect_to_file
from streamusage.service.store.store import open_store, open_unchanged
from tests.streamusage.service.conftest import an_estate
from tests.support.service.parties.reporting import a_session, an_origin_and_an_edge
from tests.support.service.used_store import DAY, NOON, use, used_estate
from tests.support.waiting import wait_until

NOW = NOON + 100 * 3_600_000


def find_differences(store_url: str) -> list[Difference]:
    with closing(open_unchanged(store_url)) as store:
        results = list(verify_store(store, NOW, lambda _what, _done, _total: None))
    names = ["engine", "rows", "numbers", "ledger", "chain", "hours", "days", "streams", "customers", "records"]
    names.append("totals")
    assert [result.name for result in results] == names
    return [difference for result in results for difference in result.differences]


def change(store_url: str, sql: str) -> None:
    with closing(open_store(store_url, NOON)) as store, store.writing() as connection, connection.begin():
        assert connection.execute(text(sql)).rowcount


def is_meant(found: Difference, expected: tuple[str, str, str]) -> bool:
    table, key, what = expected
    return (found.table, found.key) == (table, key) and found.what.startswith(what)


async def test_changed_figures_are_found(store_url: str) -> None:
    async with used_estate(store_url) as estate:
        await use(estate)
    assert find_differences(store_url) == []
    edge, origin = (f"tz=UTC day={DAY} server={name} revision={n}" for n, name in ((1, "edge-1"), (2, "origin-1")))
    hour = f"hour={DAY}T13:00Z"
    for sql, expected in (
        (
            "UPDATE slots SET bytes_out = bytes_out + 1 WHERE server = 'origin-1' AND slot = "
            f"(SELECT min(slot) FROM slots WHERE slot >= {NOON + 3_600_000})",
            {
                ("hours", f"server=origin-1 {hour}", "differs from its slots: bytes_out"),
                ("totals", "server=origin-1 protocol=", "bytes_out is "),
            },
        ),
        (
            f"DELETE FROM hours WHERE server = 'origin-1' AND hour = {NOON + 2 * 3_600_000}",
            {
                ("hours", f"server=origin-1 hour={DAY}T14:00Z", "is missing, but has slots"),
                ("utc_days", f"server=origin-1 day={DAY}T00:00Z", "differs from its hours"),
                ("closed_days", origin, "connections is "),
                ("closed_days", origin, "bytes_in is "),
                ("closed_days", origin, "bytes_out is "),
                ("closed_days", origin, "view_time_ms is "),
                ("closed_days", origin, "connections_by_protocol is "),
            },
        ),
        (
            "DELETE FROM utc_days WHERE server = 'edge-1'",
            {("utc_days", f"server=edge-1 day={DAY}T00:00Z", "is missing, but has hours")},
        ),
        (
            "UPDATE closed_days SET closed_at = closed_at + 1 WHERE server = 'edge-1'",
            {
                ("closed_days", edge, "does not match its checksum: a closed day was changed"),
                ("chain", "number=1", "states another closed_at than the closing has"),
            },
        ),
        (
            "UPDATE chain SET revision = revision + 7 WHERE number = 2",
            {
                ("chain", "number=2", "is stored under another key than it states"),
                ("chain", "number=2", "states a closing that is missing"),
            },
        ),
        (
            "UPDATE chain SET hash = 'ff' WHERE number = 1",
            {
                ("chain", "number=1", "entry 1 does not have the hash of its content"),
                ("chain", "number=2", "entry 1 does not have the hash of its content"),
            },
        ),
        ("DELETE FROM chain WHERE number = 1", {("chain", "number=2", "follows entry 0: entries are missing")}),
        (
            "UPDATE adjustments SET at = at + 1",
            {("adjustments", f"{edge} entry=1", "does not match its checksum: it was changed")},
        ),
        (
            "UPDATE usage SET total_subscribers = total_subscribers + 1 WHERE name = 'stream1'",
            {
                ("usage", f"scope=live name=stream1 start_time={NOON}", "total_subscribers is 11, but"),
                ("usage", f"scope=live name=stream1 start_time={NOON}", "lost_subscribers is 6, but"),
            },
        ),
        ("UPDATE counters SET value = 0 WHERE name = 'change'", {("counters", "name=change", "is below change ")}),
        (
            "UPDATE totals SET view_time_ms = view_time_ms - 1 WHERE server = 'origin-1' AND protocol = ''",
            {("totals", "server=origin-1 protocol=", "view_time_ms is ")},
        ),
        (
            "DELETE FROM totals WHERE server = 'edge-1' AND protocol = 'rtmp'",
            {
                (
                    "totals",
                    "server=edge-1 protocol=rtmp",
                    "connections is 0, but its minutes, ",
                ),
                ("totals", "server=edge-1 protocol=", "late_connections is "),
            },
        ),
        ("DELETE FROM adjustments", {("adjustments", edge, "1 adjustments were made, 0 are stored")}),
        ("DELETE FROM closed_days WHERE server = 'origin-1'", {("closed_days", origin, "is missing")}),
    ):
        before = find_differences(store_url)
        change(store_url, sql)
        after = [item for item in find_differences(store_url) if item not in before]
        unexplained = [item for item in after if not any(is_meant(item, one) for one in expected)]
        missed = [one for one in expected if not any(is_meant(item, one) for item in after)]
        assert (unexplained, missed) == ([], []), sql


async def test_lost_subscribers_of_a_session_with_a_silent_server_are_verified(tmp_path: Path, store_url: str) -> None:
    async with an_estate(tmp_path, store_url=store_url) as estate:
        origin, _ = await an_origin_and_an_edge(estate)
        estate.clock.now += 65_000
        await origin.sync_up(a_session("o", active=1, highest=2, total=2))

        async def is_left_out() -> bool:
            return (await estate.records())[0]["aciveSubscribers"] == 1

        await wait_until(is_left_out, "the silent server does not count")
        ((lost,),) = {(record["lostSubscribers"],) for record in await estate.records()}
    assert (lost, find_differences(store_url)) == (2, [])
    change(store_url, "UPDATE usage SET lost_subscribers = 5")
    assert find_differences(store_url) == [], "earlier versions counted the silent server's as lost"
    change(store_url, "UPDATE usage SET lost_subscribers = 3")
    assert [found.what.split(",")[0] for found in find_differences(store_url)] == ["lost_subscribers is 3"]


async def test_damaged_page_is_found_with_its_table(tmp_path: Path) -> None:
    path = tmp_path / "usage.db"
    store_url = f"sqlite:///{path}"
    async with used_estate(store_url) as estate:
        await use(estate)
    with closing(connect_to_file(path)) as connection:
        ((page,),) = connection.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'closed_days'").fetchall()
    with path.open("r+b") as file:
        file.seek((page - 1) * 4096 + 3_000)
        file.write(b"\x55")
    found = find_differences(store_url)
    assert {item.table for item in found} >= {"closed_days"}
    reading_it = {"closed_days", "ledger", "chain", "days", "numbers", "streams", "customers"}
    assert {item.table for item in found} <= reading_it
