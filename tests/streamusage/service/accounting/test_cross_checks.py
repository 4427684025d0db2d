"""Hours of a real service are compared: planted disagreements are found and quantified, honest estates have none."""

import logging
from collections.abc import Callable
from contextlib import closing
from functools import partial
from random import Random
from typing import Any

import msgspec
import pytest
from sqlalchemy import Connection, delete, insert, update

from streamusage.api.disagreements import Disagreement, Disagreements
from streamusage.api.report import SampleRow, SlotRow, StreamSlotRow
from streamusage.core.coverage import Interval
from streamusage.core.reasons import NGINX_NO_LOG, counter_disagrees
from streamusage.service.accounting.cross_checks import ComparedHour, compare_next, is_check_due, save_compared
from streamusage.service.accounting.disagreements import (
    ESTATE,
    count_open,
    load_disagreements,
    load_marks,
    mark_hours,
)
from streamusage.service.accounting.hours import find_unsummed
from streamusage.service.rules.cross_checks import Threshold
from streamusage.service.store.schema import hours, stream_hours
from streamusage.service.store.schema import servers as stored_servers
from streamusage.service.store.sql import AnyText
from streamusage.service.store.store import open_store
from tests.streamusage.service.conftest import Estate
from tests.support.service.honest_estate import HonestServer, honest_estate
from tests.support.service.parties.reporting import ReportingAgent
from tests.support.service.used_store import NOON, used_estate
from tests.support.waiting import wait_until

MINUTE = 60_000
HOUR = 60 * MINUTE
EVER = Interval(0, 2**53)


def steady_estate(hours: int = 2, *, edges: int = 1, viewers: int = 10) -> list[HonestServer]:
    """Return an origin that feeds each edge one stream, with viewers who stay at the edges."""
    servers = [
        HonestServer("origin-1", "origin", 1),
        *(HonestServer(f"edge-{n}", "edge", 1) for n in range(1, edges + 1)),
    ]
    for slot in range(NOON, NOON + hours * HOUR, MINUTE):
        pulled = 6_000_000
        at_origin = servers[0].at("s", slot)
        at_origin.bytes_in, at_origin.bytes_out = pulled, pulled * edges
        for edge in servers[1:]:
            figures = edge.at("s", slot)
            figures.bytes_in, figures.bytes_out = pulled, pulled * viewers
            figures.active, figures.view_time_ms = viewers, viewers * MINUTE
    return servers


async def report_hours(
    estate: Estate, servers: list[HonestServer], hours: int = 2, reasons: dict[str, str] | None = None
) -> dict[str, ReportingAgent]:
    """Report every minute of whole hours in time, and a minute more."""
    agents = {}
    for server in servers:
        agent = agents[server.name] = ReportingAgent(estate, server.name, server.role, life=f"{server.name}.1")
        agent.watermark = NOON
        await agent.begin()
    for hour in range(NOON, NOON + hours * HOUR, HOUR):
        estate.clock.now = hour + HOUR + 10_000
        for server in servers:
            rows = [row for slot in range(hour, hour + HOUR, MINUTE) for row in server.rows(slot)]
            reason = (reasons or {}).get(server.name, "")
            await agents[server.name].sync_up(*rows, state="partial" if reason else "counted", reason=reason)
    await compared(estate)
    return agents


async def compared(estate: Estate) -> None:
    async def is_done() -> bool:
        return not await estate.running.service.read(lambda one: bool(find_unsummed(one)) or is_check_due(one))

    await wait_until(is_done, "hours are compared", every_seconds=0.01)


async def found(estate: Estate) -> list[Disagreement]:
    return await estate.running.service.read(lambda connection: load_disagreements(connection, EVER, None))


async def open_ones(estate: Estate) -> dict[str, int]:
    return await estate.running.service.read(count_open)


def lines_of(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Return the lines about disagreements. They are logged after the commit."""
    return [record.getMessage() for record in caplog.records if "disagreement" in record.getMessage()]


def in_first_hour(server: HonestServer, change: Callable[[Any], None]) -> None:
    for (_, slot), figures in server.minutes.items():
        if slot < NOON + HOUR:
            change(figures)


def lose_a_tenth(figures: Any) -> None:
    figures.bytes_in = figures.bytes_in * 9 // 10


async def test_a_steady_estate_has_no_disagreement(store_url: str) -> None:
    async with used_estate(store_url) as estate:
        await report_hours(estate, steady_estate(edges=2))
        assert await found(estate) == []


async def test_what_an_edge_does_not_have_of_what_the_origin_sent_is_found(store_url: str) -> None:
    servers = steady_estate(edges=2)
    in_first_hour(servers[1], lose_a_tenth)
    async with used_estate(store_url) as estate:
        await report_hours(estate, servers)
        (one,) = await found(estate)
        assert (one.kind, one.hour, one.server, one.scope, one.name) == ("origin-edges", NOON, "origin-1", "live", "s")
        assert (one.first, one.second) == (2 * 60 * 6_000_000, 60 * 6_000_000 + 60 * 5_400_000)
        assert one.edges == ("edge-1", "edge-2")
        assert await open_ones(estate) == {}


async def test_doubled_counter_of_an_edge_is_found(store_url: str) -> None:
    def double(figures: Any) -> None:
        figures.bytes_in *= 2

    servers = steady_estate()
    in_first_hour(servers[1], double)
    async with used_estate(store_url) as estate:
        await report_hours(estate, servers)
        (one,) = await found(estate)
        assert (one.kind, one.first, one.second) == ("origin-edges", 60 * 6_000_000, 120 * 6_000_000)


async def test_doubled_view_time_is_found_on_its_server(store_url: str) -> None:
    def double(figures: Any) -> None:
        figures.view_time_ms *= 2

    servers = steady_estate()
    in_first_hour(servers[1], double)
    async with used_estate(store_url) as estate:
        await report_hours(estate, servers)
        (one,) = await found(estate)
        assert (one.kind, one.server, one.figure) == ("sessions-slots", "edge-1", "view_time_ms")
        assert (one.first, one.second) == (58 * 10 * MINUTE, 58 * 20 * MINUTE)


async def test_lost_log_of_an_edge_is_found_and_its_bytes_are_compared_still(store_url: str) -> None:
    servers = steady_estate()
    in_first_hour(servers[0], lambda figures: setattr(figures, "bytes_out", figures.bytes_out * 2))
    async with used_estate(store_url) as estate:
        await report_hours(estate, servers, reasons={"edge-1": counter_disagrees(1_234, 17)})
        (first, second, relay) = sorted(await found(estate), key=lambda one: (one.kind, one.hour))
        assert {one.kind for one in (first, second)} == {"counters-log"}
        assert (second.server, second.first, second.second, second.figure) == ("edge-1", 1_234, 17, "viewers")
        assert (relay.kind, relay.first, relay.second) == ("origin-edges", 120 * 6_000_000, 60 * 6_000_000)
        assert await open_ones(estate) == {"counters-log": 1}


async def test_an_edge_whose_bytes_are_not_known_ends_comparisons_of_origins(store_url: str) -> None:
    servers = steady_estate(edges=2)
    in_first_hour(servers[0], lambda figures: setattr(figures, "bytes_out", figures.bytes_out * 2))
    async with used_estate(store_url) as estate:
        await report_hours(estate, servers, reasons={"edge-2": "the media server restarted"})
        assert await found(estate) == []


async def test_origins_and_edges_are_compared_once_every_server_is_accounted_for(store_url: str) -> None:
    *present, late = steady_estate(edges=2)
    in_first_hour(late, lambda figures: setattr(figures, "bytes_in", 0))
    async with used_estate(store_url) as estate:
        absent = ReportingAgent(estate, late.name, "edge", life="l.1")
        absent.watermark = NOON - 10_000
        await absent.sync_up()
        await report_hours(estate, present)
        assert await found(estate) == []
        path = f"/api/v1/disagreements?from={NOON}&to={NOON + HOUR}"
        assert (await estate.request("GET", path)).json()["waiting_from"] == NOON
        await absent.sync_up(*(row for slot in range(NOON, NOON + 2 * HOUR, MINUTE) for row in late.rows(slot)))
        await compared(estate)
        assert [(one.hour, one.first, one.second) for one in await found(estate)] == [
            (NOON, 120 * 6_000_000, 60 * 6_000_000)
        ]


async def test_a_removed_server_that_owes_an_hour_leaves_it_without_a_comparison(store_url: str) -> None:
    *present, gone = steady_estate(edges=2)
    async with used_estate(store_url) as estate:
        absent = ReportingAgent(estate, gone.name, "edge", life="l.1")
        absent.watermark = NOON - 10_000
        await absent.sync_up()
        await report_hours(estate, present)
        answer = await estate.request("DELETE", f"/api/v1/servers/{gone.name}?force=true")
        assert answer.status_code == 200
        await compared(estate)
        assert await found(estate) == []


async def test_hour_that_is_folded_for_a_server_keeps_what_was_found_in_it(store_url: str) -> None:
    servers_of_hour = steady_estate(edges=2)
    in_first_hour(servers_of_hour[1], lose_a_tenth)

    def fold(connection: Connection) -> None:
        connection.execute(
            update(stored_servers).where(stored_servers.c.server == "edge-2").values(hours_kept_from=NOON + HOUR)
        )
        for table in (hours, stream_hours):
            connection.execute(delete(table).where(table.c.server == "edge-2", table.c.hour == NOON))

    async with used_estate(store_url) as estate:
        agents = await report_hours(estate, servers_of_hour)
        before = await found(estate)
        assert len(before) == 1
        await estate.running.service.write(fold)
        await agents["origin-1"].sync_up(*servers_of_hour[0].rows(NOON))
        await compared(estate)
        assert await found(estate) == before


async def test_a_late_report_ends_a_disagreement(store_url: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "streamusage.service.jobs")
    servers = steady_estate()
    missing = {}
    for slot in range(NOON + HOUR, NOON + HOUR + 30 * MINUTE, MINUTE):
        missing[slot] = servers[1].minutes.pop(("s", slot))
    async with used_estate(store_url) as estate:
        agents = await report_hours(estate, servers)
        (one,) = await found(estate)
        assert (one.hour, one.first, one.second) == (NOON + HOUR, 60 * 6_000_000, 30 * 6_000_000)
        assert await open_ones(estate) == {"origin-edges": 1}
        servers[1].minutes |= {("s", slot): figures for slot, figures in missing.items()}
        rows = [row for slot in sorted(missing) for row in servers[1].rows(slot)]
        estate.clock.now += 10_000
        await agents["edge-1"].sync_up(*rows)
        await compared(estate)
        assert await found(estate) == []
        assert await open_ones(estate) == {}
        await wait_until(lambda: len(lines_of(caplog)) > 1, "what was stored is logged")
    lines = lines_of(caplog)
    assert len(lines) == 2
    assert lines[0].startswith("disagreement began: hour 2026-11-20 13:00 UTC, origin-1 live/s: the origin sent")
    assert "360,000,000 bytes, edges received (edge-1) 180,000,000 bytes" in lines[0]
    assert lines[1].startswith("disagreement ended, later reports explain it: hour 2026-11-20 13:00 UTC")


async def test_a_disagreement_that_lasts_is_logged_at_its_begin_and_its_end(
    store_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "streamusage.service.jobs")
    servers = steady_estate(4)
    for (_, slot), figures in servers[1].minutes.items():
        figures.bytes_in *= 1 + (NOON + HOUR <= slot < NOON + 3 * HOUR)
    async with used_estate(store_url) as estate:
        await report_hours(estate, servers, 3)
        assert await open_ones(estate) == {"origin-edges": 1}
        agents = {}
        for server in servers:
            agent = agents[server.name] = ReportingAgent(estate, server.name, server.role, life=f"{server.name}.2")
            agent.watermark = NOON + 3 * HOUR + 10_000
        estate.clock.now = NOON + 4 * HOUR + 10_000
        for server in servers:
            rows = [row for slot in range(NOON + 3 * HOUR, NOON + 4 * HOUR, MINUTE) for row in server.rows(slot)]
            await agents[server.name].sync_up(*rows)
        await compared(estate)
        assert [one.hour for one in await found(estate)] == [NOON + HOUR, NOON + 2 * HOUR]
        assert await open_ones(estate) == {}
        await wait_until(lambda: len(lines_of(caplog)) > 1, "what was stored is logged")
    assert [line.split(":")[0] for line in lines_of(caplog)] == ["disagreement began", "disagreement ended"]


@pytest.mark.parametrize("unread", [NOON, NOON + HOUR - MINUTE])
async def test_hours_without_samples_at_their_ends_are_not_compared(store_url: str, unread: int) -> None:
    servers = steady_estate()
    in_first_hour(servers[1], lambda figures: setattr(figures, "bytes_in", figures.bytes_in // 2))
    async with used_estate(store_url) as estate:
        await report_hour(
            estate, servers, lambda server, row: not (server.role == "edge" and is_sample(row) and row.slot == unread)
        )
        assert await found(estate) == []


def is_sample(row: Any) -> bool:
    return isinstance(row, SampleRow)


async def report_hour(
    estate: Estate, servers: list[HonestServer], is_reported: Callable[[HonestServer, Any], bool]
) -> None:
    """Report those rows of the first hour."""
    for server in servers:
        agent = ReportingAgent(estate, server.name, server.role, life=f"{server.name}.1")
        agent.watermark = NOON
        await agent.begin()
        rows = [row for slot in range(NOON, NOON + HOUR, MINUTE) for row in server.rows(slot)]
        estate.clock.now = NOON + HOUR + 10_000
        await agent.sync_up(*(row for row in rows if is_reported(server, row)))
    await compared(estate)


async def test_nothing_is_compared_if_cross_checks_are_off(store_url: str) -> None:
    servers = steady_estate()
    in_first_hour(servers[0], lambda figures: setattr(figures, "bytes_out", figures.bytes_out * 2))
    async with used_estate(store_url, cross_check=Threshold(0)) as estate:
        await report_hours(estate, servers)
        assert await found(estate) == []


@pytest.mark.parametrize("role", ["edge", "origin"])
async def test_bytes_that_are_not_by_stream_may_be_those_that_are_missing(store_url: str, role: str) -> None:
    early = NOON + HOUR // 2
    async with used_estate(store_url) as estate:
        await report_hour(
            estate,
            steady_estate(1),
            lambda server, row: server.role != role or not isinstance(row, StreamSlotRow) or row.slot >= early,
        )
        assert await found(estate) == []


@pytest.mark.parametrize("seed", range(4))
async def test_random_honest_estates_have_no_disagreement(store_url: str, seed: int) -> None:
    servers = honest_estate(Random(seed), NOON, 2, edges=1 + seed % 2, streams=3)
    async with used_estate(store_url) as estate:
        await report_hours(estate, servers)
        assert await found(estate) == []


async def test_report_of_the_present_hour_marks_nothing(store_url: str) -> None:
    async with used_estate(store_url) as estate:
        agent = ReportingAgent(estate, "edge-1", "edge", life="e.1")
        agent.watermark = NOON
        estate.clock.now = NOON + 10_000
        await agent.sync_up(SlotRow(slot=NOON, revision=0, bytes_in=5), state="partial", reason=NGINX_NO_LOG)
        listed = (await estate.request("GET", f"/api/v1/disagreements?from={NOON}&to={NOON + HOUR}")).json()
        assert (listed["disagreements"], listed["waiting_from"]) == ([], None)


async def test_api_lists_disagreements_of_hours_and_servers(store_url: str) -> None:
    servers = steady_estate()
    in_first_hour(servers[1], lambda figures: setattr(figures, "bytes_in", figures.bytes_in // 2))
    async with used_estate(store_url) as estate:
        await report_hours(estate, servers)

        async def listed(from_ms: int, to_ms: int, more: str = "") -> Disagreements:
            path = f"/api/v1/disagreements?from={from_ms}&to={to_ms}{more}"
            answer = await estate.request("GET", path, "viewer-token")
            assert answer.status_code == 200, answer.text
            return msgspec.json.decode(answer.content, type=Disagreements)

        everything = await listed(NOON, NOON + HOUR)
        assert (everything.threshold_percent, everything.waiting_from) == (2.0, None)
        assert [(one.first, one.second) for one in everything.disagreements] == [(60 * 6_000_000, 60 * 3_000_000)]
        assert (await listed(NOON + HOUR - 1, NOON + HOUR)).disagreements == everything.disagreements
        assert (await listed(NOON + HOUR, NOON + 2 * HOUR)).disagreements == []
        for name, expected in (("edge-1", 1), ("origin-1", 1), ("edge-2", 0)):
            assert len((await listed(NOON, NOON + HOUR, f"&server={name}")).disagreements) == expected
        assert (await estate.request("GET", f"/api/v1/disagreements?from={NOON}")).status_code == 400


async def test_metric_counts_disagreements_that_last(store_url: str) -> None:
    servers = steady_estate(1)
    in_first_hour(servers[1], lambda figures: setattr(figures, "bytes_in", figures.bytes_in // 2))
    async with used_estate(store_url) as estate:
        await report_hours(estate, servers, 1)
        text = (await estate.request("GET", "/metrics", "viewer-token")).text
        assert 'streamtop_disagreements_open{kind="origin-edges"} 1.0' in text
        assert 'streamtop_disagreements_open{kind="counters-log"} 0.0' in text


async def test_days_of_all_servers_concerned_have_their_disagreements(store_url: str) -> None:
    servers = steady_estate()
    in_first_hour(servers[1], lambda figures: setattr(figures, "bytes_in", figures.bytes_in // 2))
    async with used_estate(store_url) as estate:
        await report_hours(estate, servers)
        for tz, day in (("UTC", "2026-11-20"), ("Pacific/Kiritimati", "2026-11-21")):
            answer = await estate.request("GET", f"/api/v1/daily?from=2026-11-20&to=2026-11-21&tz={tz}")
            marked = {
                (row["server"], row["day"]): [one["first"] for one in row["disagreements"]]
                for row in answer.json()["days"]
                if "disagreements" in row
            }
            assert marked == {("origin-1", day): [60 * 6_000_000], ("edge-1", day): [60 * 6_000_000]}
        answer = await estate.request("GET", "/api/v1/daily?from=2026-11-20&to=2026-11-20&tz=UTC&server=edge-1")
        assert len(answer.json()["days"][0]["disagreements"]) == 1


@pytest.mark.parametrize(("reason", "kinds"), [("", ["sessions-slots"]), (NGINX_NO_LOG, [])])
async def test_view_time_of_an_hour_that_is_not_complete_is_not_compared(
    store_url: str, reason: str, kinds: list[str]
) -> None:
    servers = steady_estate(1)
    in_first_hour(servers[1], lambda figures: setattr(figures, "view_time_ms", figures.view_time_ms // 2))
    async with used_estate(store_url) as estate:
        await report_hours(estate, servers, 1, {"edge-1": reason})
        assert [one.kind for one in await found(estate)] == kinds


@pytest.mark.parametrize(("word", "count"), [("measured", 1), ("apportioned", 0)])
async def test_bytes_that_are_not_measured_are_not_compared(store_url: str, word: str, count: int) -> None:
    servers = steady_estate(1)
    in_first_hour(servers[1], lambda figures: setattr(figures, "bytes_in", figures.bytes_in // 2))
    async with used_estate(store_url) as estate:
        for server in servers:
            agent = ReportingAgent(estate, server.name, server.role, life=f"{server.name}.1")
            agent.watermark = NOON
            await agent.begin()
            estate.clock.now = NOON + HOUR + 10_000
            rows = [row for slot in range(NOON, NOON + HOUR, MINUTE) for row in server.rows(slot)]
            await agent.sync_up(
                *(
                    msgspec.structs.replace(row, traffic=word) if isinstance(row, StreamSlotRow) else row  # type: ignore[arg-type]
                    for row in rows
                )
            )
        await compared(estate)
        assert len(await found(estate)) == count


@pytest.mark.parametrize(("removed_at", "count"), [(NOON, 1), (NOON + 1, 0)])
async def test_a_server_that_was_removed_before_an_hour_does_not_matter(
    store_url: str, removed_at: int, count: int
) -> None:
    *present, gone = steady_estate(1, edges=2)
    async with used_estate(store_url, NOON - 10 * MINUTE) as estate:
        agent = ReportingAgent(estate, gone.name, "edge", life="l.1")
        agent.watermark = NOON - 10 * MINUTE
        estate.clock.now = NOON - 5 * MINUTE
        await agent.sync_up()
        estate.clock.now = removed_at
        assert (await estate.request("DELETE", f"/api/v1/servers/{gone.name}")).status_code == 200
        await report_hours(estate, present, 1)
        assert len(await found(estate)) == count


async def test_a_server_that_began_after_an_hour_does_not_matter(store_url: str) -> None:
    *present, new = steady_estate(1, edges=2)
    async with used_estate(store_url) as estate:
        agents = await report_hours(estate, present, 1)
        assert len(await found(estate)) == 1
        estate.clock.now += 10_000
        began = ReportingAgent(estate, new.name, "edge", life="l.1")
        began.watermark = estate.clock.now - 10_000
        await began.sync_up()
        changed = SlotRow(slot=NOON, revision=0, bytes_in=6_000_000, bytes_out=60_000_000, view_time_ms=600_000)
        await agents["edge-1"].sync_up(changed)
        await compared(estate)
        assert len(await found(estate)) == 1


async def test_an_earlier_hour_that_a_late_report_changes_does_not_last(store_url: str) -> None:
    async with used_estate(store_url) as estate:
        agents = await report_hours(estate, steady_estate())
        server = HonestServer("edge-1", "edge", 1)
        for slot in range(NOON, NOON + HOUR, MINUTE):
            figures = server.at("s", slot)
            figures.bytes_in, figures.bytes_out = 12_000_000, 60_000_000
            figures.active, figures.view_time_ms = 10, 10 * MINUTE
        estate.clock.now += 10_000
        await agents["edge-1"].sync_up(*(row for slot in range(NOON, NOON + HOUR, MINUTE) for row in server.rows(slot)))
        await compared(estate)
        assert [one.hour for one in await found(estate)] == [NOON]
        assert await open_ones(estate) == {}


async def test_disagreements_of_removed_servers_do_not_last(store_url: str) -> None:
    servers = steady_estate(1)
    async with used_estate(store_url) as estate:
        await report_hours(estate, servers, 1, {"edge-1": counter_disagrees(40, 2)})
        assert await open_ones(estate) == {"counters-log": 1}
        await estate.request("DELETE", "/api/v1/servers/edge-1?force=true")
        assert await open_ones(estate) == {}


def test_hour_that_a_report_changes_while_it_is_compared_is_compared_again(store_url: str) -> None:
    with closing(open_store(store_url, NOON)) as store:

        def change(work: Callable[[Connection], Any]) -> Any:
            with store.writing() as connection, connection.begin():
                return work(connection)

        def marks(connection: Connection) -> set[str]:
            return set(load_marks(connection, NOON))

        def report(connection: Connection) -> None:
            mark_hours(connection, "edge-1", [NOON], (), NOON + HOUR)

        def compare() -> ComparedHour | None:
            with store.reading() as connection:
                return compare_next(connection, Threshold(), NOON + HOUR)

        columns = [column for column in stored_servers.c if not column.nullable]
        values: dict[str, object] = {column.name: "" if isinstance(column.type, AnyText) else 0 for column in columns}
        values |= {"server": "edge-1", "role": "edge", "epoch": 1, "since": NOON, "watermark": NOON + HOUR}
        change(
            lambda connection: connection.execute(insert(stored_servers).values(values | {"summed_to": NOON + HOUR}))
        )
        change(report)
        for waiting in ({"edge-1"}, {ESTATE, "edge-1"}):
            found = compare()
            change(report)
            assert change(partial(save_compared, compared=found, now_ms=NOON + HOUR)) == []
            assert change(marks) == waiting
            assert change(partial(save_compared, compared=compare(), now_ms=NOON + HOUR)) == []
            assert change(marks) == {ESTATE}
        assert change(partial(save_compared, compared=compare(), now_ms=NOON + HOUR)) == []
        assert (change(marks), compare()) == (set(), None)
