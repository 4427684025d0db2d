"""Figures of days, exports and gaps equal the truth during an outage, during recovery and afterwards."""

import csv
import hashlib
import io
import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import msgspec

from streamusage.api.daily import DailyFigures, DailyStatistics
from streamusage.client.usage_client import UsageClient
from streamusage.core.coverage import Interval
from streamusage.core.days import day_interval, zone
from streamusage.core.figures import SUM_NAMES
from streamusage.evidence.chain import find_break, signed_figures
from streamusage.evidence.statement import Statement, find_contradictions, parse
from tests.support.program import Program
from tests.support.service.truth import MINUTE, ZONES, Estate, Figures, Server, scripted_estate
from tests.support.waiting import LONGEST_WAIT_S

FORMS = ("json", "csv", "text", "html", "v1")
EDGE_1, EDGE_2, EDGE_3 = "edge-1", "edge-2", "edge-3"
FIRST, LAST = date(2026, 10, 24), date(2026, 10, 26)
"""Berlin's 25th has 25 hours."""


def at(day: int, hour: int, minute: int = 0) -> int:
    return int(datetime(2026, 10, day, hour, minute, tzinfo=UTC).timestamp() * 1000)


class Checks:
    """Compares the answers of the service with the truth."""

    def __init__(self, estate: Estate, client: UsageClient) -> None:
        self.estate, self.client = estate, client
        self.closed_by_operator: dict[tuple[str, str, str], int] = {}
        """The server's watermark at the closing, by (zone, day, server), for each day that an operator closed."""

    async def days(self) -> dict[tuple[str, str, str], DailyStatistics]:
        """Check every day of every server in five zones. Return the days."""
        found = {}
        for name in ZONES:
            answer = await self.client.daily(FIRST, LAST, name)
            assert answer.account_zones == list(ZONES)
            for row in answer.days:
                found[name, row.day, row.server] = row
        for name in ZONES:
            for day in (FIRST, FIRST + timedelta(days=1), LAST):
                for server in self.estate.servers.values():
                    self._check(name, day, server, found.get((name, day.isoformat(), server.name)))
        return found

    def _check(self, name: str, day: date, server: Server, row: DailyStatistics | None) -> None:
        now = self.estate.clock.now
        interval = day_interval(day, zone(name))
        if server.first_reading >= interval.to_ms or interval.from_ms > now:
            assert row is None
            return
        assert row is not None, f"{name} {day} {server.name} is missing in the answer"
        key = (name, row.day, server.name)
        known_to = min(interval.to_ms, self.closed_by_operator.get(key, server.watermark))
        self._check_figures(row, server, interval, known_to)
        ends = [item.watermark for item in self.estate.servers.values()]
        if key in self.closed_by_operator:
            has_late_figures = min(interval.to_ms, server.watermark) > known_to
            assert row.state == ("adjusted" if has_late_figures else "final")
            assert row.closed is not None
            assert (row.closed.rule, row.closed.by, row.closed.watermark) == ("operator", "boss", known_to)
            if has_late_figures:
                self._check_adjustment(row, server, interval, known_to)
        else:
            waits = [item.name for item in self.estate.servers.values() if item.watermark < interval.to_ms]
            closed = {other[2] for other in self.closed_by_operator if other[:2] == key[:2]}
            final = set(waits) <= closed
            assert row.state == ("final" if final else "provisional"), (key, ends)
            assert (row.closed is not None) == final
            assert row.adjustment is None
            assert row.waiting_for == ([] if final else waits)

    def _check_figures(self, row: Any, server: Server, interval: Interval, known_to: int) -> None:
        """Check that the figures equal the truth of the time that was reported up to `known_to`."""
        what = f"{server.name} {interval}"
        known = Interval(interval.from_ms, max(interval.from_ms, known_to))
        truth = server.figures(Interval(max(known.from_ms, server.first_reading), known.to_ms))
        total = sum(truth.connections.values())
        assert row.connections_by_protocol == truth.connections, what
        assert (row.connections, row.bytes_in, row.bytes_out) == (total, truth.bytes_in, truth.bytes_out), what
        assert row.view_time_ms == truth.view_time_ms, what
        assert row.average_view_time_ms == (truth.view_time_ms // total if total else None), what
        assert (row.peak_in_bps, row.peak_in_at) == (truth.peak_in or (0, None)), what
        assert (row.peak_out_bps, row.peak_out_at) == (truth.peak_out or (0, None)), what

    def _check_coverage(self, row: Any, spans: list[tuple[int, int, str]], interval: Interval) -> None:
        for state in ("live", "backfilled", "partial", "missing", "lost", "held"):
            length = sum(Interval(one, two).clip(*interval).length_ms for one, two, of in spans if of == state)
            assert getattr(row.coverage, f"{state}_ms") == length, (state, interval)

    def _check_adjustment(self, row: DailyStatistics, server: Server, interval: Interval, known_to: int) -> None:
        assert row.adjustment is not None
        later = server.figures(Interval(known_to, min(interval.to_ms, server.watermark)))
        moved = row.adjustment
        assert moved.connections_by_protocol == later.connections
        assert (moved.bytes_in, moved.bytes_out) == (later.bytes_in, later.bytes_out)
        assert moved.view_time_ms == later.view_time_ms
        self._check_figures(moved.figures, server, interval, min(interval.to_ms, server.watermark))
        self._check_coverage(moved.figures, server.spans(self.estate.clock.now), interval)

    async def check_open_days(self, held: tuple[str, int, int] | None = None) -> None:
        """Check coverage, percentile and backfilled part of the days that no operator closed early."""
        now = self.estate.clock.now
        for (name, day, server_name), row in (await self.days()).items():
            if (name, day, server_name) in self.closed_by_operator:
                continue
            server = self.estate.servers[server_name]
            interval = day_interval(date.fromisoformat(day), zone(name))
            spans = _held(server.spans(now), held if held and held[0] == server_name else None)
            self._check_coverage(row, spans, interval)
            assert row.percentile_95 is not None
            sampled = row.percentile_95
            assert (sampled.in_bps, sampled.out_bps, sampled.samples, sampled.expected_samples) == server.percentile(
                interval, now
            ), (name, day, server_name)
            late_bytes = late_view = late_connections = 0
            for one, two, state in spans:
                if state == "backfilled":
                    part = server.figures(Interval(one, two).clip(*interval))
                    late_bytes += part.bytes_out
                    late_view += part.view_time_ms
                    late_connections += sum(part.connections.values())
            backfilled = row.backfilled
            assert (backfilled.bytes_out, backfilled.view_time_ms, backfilled.connections) == (
                late_bytes,
                late_view,
                late_connections,
            ), (name, day, server_name)

    async def check_gaps(self, held: tuple[str, int, int] | None = None) -> None:
        """Check the gaps and their deltas."""
        now = self.estate.clock.now
        coverage = await self.client.coverage(at(24, 0), now)
        for answered in coverage.servers:
            server = self.estate.servers[answered.server]
            spans = _held(server.spans(now), held if held and held[0] == answered.server else None)
            assert [(span.from_ms, span.to_ms, span.state.value) for span in answered.spans] == spans
            for span in answered.spans:
                if span.state == "backfilled":
                    assert span.delta is not None
                    truth = server.figures(Interval(span.from_ms, span.to_ms))
                    assert span.delta.connections_by_protocol == truth.connections
                    assert (span.delta.bytes_in, span.delta.bytes_out) == (truth.bytes_in, truth.bytes_out)
                    assert span.delta.view_time_ms == truth.view_time_ms
                    assert truth.peak_out is not None
                    assert span.delta.peak_out_bps == truth.peak_out[0]

    async def check_all(self, held: tuple[str, int, int] | None = None) -> None:
        await self.check_open_days(held)
        await self.check_gaps(held)


def _held(spans: list[tuple[int, int, str]], held: tuple[str, int, int] | None) -> list[tuple[int, int, str]]:
    """Return the spans with the missing time of the held report marked as held."""
    if held is None:
        return spans
    _, from_ms, to_ms = held
    reported = [piece for piece in spans if piece[2] != "missing"]
    return [*reported, (from_ms, to_ms, "held"), *((to_ms, end, "missing") for _, end, _ in spans[-1:] if end > to_ms)]


async def test_figures_of_a_scripted_estate_equal_the_truth(tmp_path: Path, streamtop: Program) -> None:
    async with (
        scripted_estate(tmp_path, (EDGE_1, EDGE_2, EDGE_3), at(24, 16)) as estate,
        UsageClient(estate.running.url, "admin-token", clock=estate.clock) as client,
    ):
        edge_1, edge_2, edge_3 = estate.servers.values()
        checks = Checks(estate, client)
        edge_2.media.keeps_log = False  # units between its readings are lost

        async def cli(*words: str) -> Any:
            command, *more = words
            return await streamtop(command, "--url", estate.running.url, *more, STREAMTOP_TOKEN="admin-token")

        await estate.live_until(at(24, 17, 30))
        await checks.check_all()

        await _cut(edge_1)  # until noon of the next day, so that all five zones pass midnight
        await estate.live_until(at(24, 18, 59))
        edge_2.quiet = True
        await estate.live_until(at(24, 19))
        await _journal_destroyed_and_restart(estate, edge_2)
        await checks.check_all()

        await _cut(edge_3)
        await estate.live_until(at(24, 20, 30))
        async with httpx.AsyncClient(base_url=estate.running.url, timeout=LONGEST_WAIT_S) as http:
            reply = await http.post(
                f"/api/v1/agents/{EDGE_3}/reports",
                headers={"Authorization": f"Bearer {EDGE_3}-token"},
                json={"of": "a form that this service does not know"},
            )
        assert reply.status_code == 422
        held = (EDGE_3, edge_3.watermark, at(24, 20, 30))
        await checks.check_all(held)
        await estate.live_until(at(24, 20, 45))
        await checks.check_all(held)
        ended = await cli("gaps", "--from", "24h", "--fail-on", "held", "--max-age", "10m")
        assert ended.code == 1, ended.err
        assert "edge-3" in ended.err
        await _heal(edge_3)
        await estate.live_until(at(24, 22, 30))
        await checks.check_all()

        await _cut(edge_3)  # the outage of edge-3 lasts until the end of the script
        await estate.live_until(at(25, 2))
        await checks.check_all()
        assert (await cli("gaps", "--from", "24h", "--fail-on", "missing", "--max-age", "4h")).code == 1
        assert (await cli("gaps", "--from", "24h", "--fail-on", "missing", "--max-age", "9h")).code == 0
        refused = await cli("daily", "--from", "2026-10-24", "--to", "2026-10-24", "--final-only")
        assert (refused.code, refused.out) == (4, "")
        assert "2026-10-24 of edge-2: edge-1 and edge-3 still owe figures of it" in refused.err

        await estate.live_until(at(25, 12))
        await _heal(edge_1)
        await estate.live_until(at(25, 12, 5))
        await checks.check_all()

        export = ("daily", "export", "--from", "2026-10-24", "--to", "2026-10-24")
        refused = await cli(*export[:1], "--final-only", *export[2:])
        assert refused.code == 4
        ended = await streamtop(
            "daily", "close", "--day", "2026-10-24", "--server", EDGE_3, "--yes", "--url", estate.running.url,
            STREAMTOP_TOKEN="admin-token",
        )  # fmt: skip
        assert ended.code == 0, ended.err
        checks.closed_by_operator["UTC", "2026-10-24", EDGE_3] = edge_3.watermark
        await estate.settle()
        await checks.check_all()

        async def signed(*more: str) -> bytes:
            ended = await streamtop(*export, *more, "--url", estate.running.url, STREAMTOP_TOKEN="admin-token")
            assert ended.code == 0, ended.err
            return ended.out.encode()

        before = {form: await signed("--format", form) for form in FORMS}
        csv_before = await cli("daily", *export[2:], "--final-only", "--format", "csv")
        _check_unsigned(json.loads(before["v1"]), {day.server: day for day in await _day(client, "2026-10-24")})
        _check_statement(parse(before["json"]), {day.server: day for day in await _day(client, "2026-10-24")})

        await estate.live_until(at(25, 14))
        await _heal(edge_3)
        await estate.live_until(at(25, 14, 5))
        await checks.check_all()
        assert await signed() == before["json"], "late figures change no byte of a signed statement"
        with_adjustments = json.loads(await signed("--format", "v1", "--with-adjustments"))
        assert with_adjustments["digest"] == json.loads(before["v1"])["digest"]
        (entry,) = with_adjustments["adjustments"]
        later = edge_3.figures(Interval(at(24, 22, 30), at(25, 0)))
        assert (entry["server"], entry["bytes_out"], entry["at"]) == (EDGE_3, later.bytes_out, at(25, 14, 5))
        rows = list(
            csv.DictReader(io.StringIO((await cli("daily", *export[2:], "--final-only", "--format", "csv")).out))
        )
        rows_before = list(csv.DictReader(io.StringIO(csv_before.out)))
        assert rows[2]["adjustment_bytes_out"] == str(later.bytes_out)
        assert [row["bytes_out"] for row in rows] == [row["bytes_out"] for row in rows_before]

        await estate.live_until(at(25, 23, 5))
        await checks.check_all()
        assert {form: await signed("--format", form) for form in FORMS} == before
        await _check_correction(client, later)
        assert (
            await cli("daily", "--from", "2026-10-25", "--to", "2026-10-25", "--tz", "Europe/Berlin", "--final-only")
        ).code == 0
        berlin = await _day(client, "2026-10-25", "Europe/Berlin")
        assert [sum(msgspec.to_builtins(day.coverage).values()) for day in berlin] == [25 * 3_600_000] * 3
        await _check_sums(client, estate)


async def _check_correction(client: UsageClient, later: Figures) -> None:
    """Check that what arrived late is the service's proposal, and is billed by the statement of its approval."""
    day = date(2026, 10, 24)
    found = (await client.evidence.corrections(day, day, "UTC")).corrections
    proposals = [row for row in found if row.state == "proposed"]
    assert {row.server for row in proposals} == {EDGE_3}
    for name in ("bytes_in", "bytes_out", "view_time_ms"):
        assert sum(getattr(row.difference, name) for row in proposals) == getattr(later, name)
    for row in proposals:
        await client.evidence.approve(row.id)
    statement = parse((await client.evidence.statement(day, day, "UTC")).statement.encode())
    assert statement.corrections == [], "they are posted in the period of their approval"
    (edge_3,) = [row for row in (await client.daily(day, day, "UTC")).days if row.server == EDGE_3]
    assert edge_3.adjustment is not None
    assert edge_3.adjustment.approved
    assert edge_3.adjustment.approved.bytes_out == edge_3.adjustment.bytes_out


def _check_statement(statement: Statement, days: dict[str, DailyStatistics]) -> None:
    assert statement.servers == [EDGE_1, EDGE_2, EDGE_3]
    assert statement.period.to_ms == at(25, 0)
    assert {row.server: row.figures for row in statement.days} == {
        name: signed_figures(msgspec.convert(msgspec.to_builtins(day), DailyFigures)) for name, day in days.items()
    }
    for name in SUM_NAMES:
        assert getattr(statement.totals.due, name) == sum(getattr(day, name) for day in days.values())
    assert find_contradictions(statement) == []
    assert find_break(statement.entries()) is None


def _check_unsigned(document: dict[str, Any], days: dict[str, DailyStatistics]) -> None:
    basis = document["rests_on"]
    assert basis["servers"] == [EDGE_1, EDGE_2, EDGE_3]
    assert basis["window"]["to_ms"] == at(25, 0)
    assert document["totals"]["bytes_out"] == sum(day.bytes_out for day in days.values())
    for row in document["days"]:
        answered = msgspec.to_builtins(days[row["server"]])
        assert {name: answered[name] for name in row} == row
    content = {name: part for name, part in document.items() if name != "digest"}
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    assert document["digest"] == f"sha256:{hashlib.sha256(canonical).hexdigest()}"


async def _check_sums(client: UsageClient, estate: Estate) -> None:
    """Check the month of the whole estate: the sum of its days, and the highest minute of all servers together."""
    days = (await client.daily(FIRST, LAST, "UTC")).days
    (month,) = (await client.daily_sums(FIRST, LAST, "UTC", by="month", group="all")).sums
    assert (month.period, month.servers, month.days, month.state) == ("2026-10", 3, 2, "provisional")
    assert month.bytes_out == sum(day.bytes_out for day in days)
    assert month.connections == sum(day.connections for day in days)
    assert month.average_view_time_ms == sum(day.view_time_ms for day in days) // month.connections
    assert month.coverage.lost_ms == sum(day.coverage.lost_ms for day in days)
    assert month.adjustment is not None
    closed_early = Interval(at(24, 22, 30), at(25, 0))
    highest = 0
    for minute in range(at(24, 16), estate.clock.now, MINUTE):
        highest = max(
            highest,
            sum(
                server.figures(Interval(minute, minute + MINUTE)).bytes_out
                for server in estate.servers.values()
                if not (server.name == EDGE_3 and closed_early.from_ms <= minute < closed_early.to_ms)
            ),
        )
    assert month.peak_out_bps == highest * 8000 // MINUTE
    by_server = (await client.daily_sums(FIRST, LAST, "UTC", by="month", group="server")).sums
    for row in by_server:
        own = [day for day in days if day.server == row.group]
        assert row.peak_out_bps == max(day.peak_out_bps or 0 for day in own)
        assert row.view_time_ms == sum(day.view_time_ms for day in own)
        assert row.average_view_time_ms == row.view_time_ms // row.connections


async def _day(client: UsageClient, day: str, tz: str = "UTC") -> list[DailyStatistics]:
    parsed = date.fromisoformat(day)
    return (await client.daily(parsed, parsed, tz)).days


async def _cut(server: Server) -> None:
    await server.relay.cut()
    server.away = True


async def _heal(server: Server) -> None:
    await server.relay.heal()
    server.away = False


async def _journal_destroyed_and_restart(estate: Estate, server: Server) -> None:
    """The agent and its journal are gone at 19:00, the media server dies at 19:10:30, both are back at 19:30."""
    await server.destroy_agent()
    await estate.live_until(at(24, 19, 10))
    server.media.crash(at(24, 19, 10) + MINUTE // 2, at(24, 19, 29) + MINUTE // 2)
    server.down = True
    server.lost.append(Interval(at(24, 19), at(24, 19, 29) + MINUTE // 2))
    await estate.live_until(at(24, 19, 29))
    server.start_agent()
    await estate.live_until(at(24, 19, 30))
    server.down = server.quiet = False
