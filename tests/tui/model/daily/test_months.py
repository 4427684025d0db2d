"""The rows of a month and of a day, and their sums."""

from datetime import date
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from streamusage.core.coverage import Provenance
from streamusage.core.days import day_interval
from tests.support.console.daily_statistics import MONTH, NOVEMBER, a_day, a_sum
from tests.support.console.scripted_outage import (
    LOST_END,
    OUTAGE_END,
    OUTAGE_START,
    SERVERS,
    START,
    ZONES,
    end_outage,
    expected_spans,
    run_outage,
)
from tests.support.console.scripted_service import MINUTE, scripted_service
from tui.model.daily.months import last_of, month_of, months_away, of_server, rows_of


def test_month_lists_its_days_in_order_and_its_sum() -> None:
    assert [day.day for day, _ in MONTH.days] == [1, 2, 3, 4, 5]
    both = MONTH.days[2][1]
    assert (both.connections, both.bytes_out, both.state) == (4, 1_000_000, "provisional")
    assert (both.complete(), both.recovered(), both.average_view_time_ms) == ("50.0 %", "25.0 %", 100)
    assert MONTH.total is not None
    assert (MONTH.total.name, MONTH.total.bytes_out) == ("month", 2_900_000)


def test_day_rows_have_roles_if_several_and_every_server() -> None:
    roles = [a_sum("2026-11-20", 1, "edge"), a_sum("2026-11-20", 2, "origin")]
    servers = [a_day(), a_day(server="origin-1")]
    names = [row.name for row in rows_of(date(2026, 11, 20), roles, servers).rows]
    assert names == ["all edge", "all origin", "edge-1", "origin-1"]
    assert [row.name for row in rows_of(date(2026, 11, 20), roles[:1], servers).rows] == ["edge-1", "origin-1"]


def test_months_away_crosses_years() -> None:
    assert last_of(date(2028, 2, 3)) == date(2028, 2, 29)
    assert months_away(NOVEMBER, -11) == date(2025, 12, 1)
    assert months_away(NOVEMBER, 2) == date(2027, 1, 1)


@pytest.mark.parametrize("name", ZONES)
async def test_days_sum_up_to_the_month_in_five_zones(tmp_path: Path, name: str) -> None:
    tz = ZoneInfo(name)
    async with scripted_service(tmp_path, START, *SERVERS) as (service, client):
        await service.report_for(20, *SERVERS)
        await run_outage(service, 90)
        await end_outage(service)
        first, last = date(2026, 11, 1), date(2026, 11, 30)
        by_day = await client.daily_sums(first, last, name, by="day", group="all")
        month = month_of(first, by_day, await client.daily_sums(first, last, name, by="month", group="all"))
        days = (await client.daily(first, last, name)).days
        seen = 0
        for day, figures in month.days:
            interval = day_interval(day, tz)
            inside = [slot for slot in range(START, OUTAGE_END, MINUTE) if interval.from_ms <= slot < interval.to_ms]
            late = [slot for slot in inside if slot >= OUTAGE_START]
            servers = [of_server(statistics) for statistics in days if statistics.day == day.isoformat()]
            assert figures.bytes_out == sum(server.bytes_out for server in servers)
            for server in servers:
                slots, filled = {
                    "live-1": (inside, []),
                    "back-1": (inside, late),
                    "part-1": (inside, late),
                    "lost-1": (
                        [slot for slot in inside if not OUTAGE_START <= slot < LOST_END],
                        late,
                    ),
                    "owes-1": ([slot for slot in inside if slot < OUTAGE_START], []),
                    "held-1": ([slot for slot in inside if slot < OUTAGE_START], []),
                }[server.name]
                if server.name == "lost-1":
                    filled = [slot for slot in late if slot >= LOST_END]
                assert server.bytes_out == 60_000 * len(slots)
                assert server.connections_by_protocol == ({"rtmp": 3 * len(slots), "hls": len(slots)} if slots else {})
                assert server.view_time_ms == 60_000 * len(slots)
                assert server.backfilled.bytes_out == 60_000 * len(filled)
                states: dict[Provenance, int] = {}
                for from_ms, to_ms, state in expected_spans(server.name, OUTAGE_END):
                    length = min(to_ms, interval.to_ms) - max(from_ms, interval.from_ms)
                    states[state] = states.get(state, 0) + max(0, length)
                assert {state: getattr(server.coverage, f"{state.value}_ms") for state in Provenance} == {
                    state: states.get(state, 0) for state in Provenance
                }
            seen += figures.bytes_out
        assert month.total is not None
        assert month.total.bytes_out == seen
