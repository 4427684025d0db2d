"""Compares the answers of the service with the plain model: sums, days, corrections and statements."""

import base64
from collections.abc import Callable, Sequence
from datetime import date
from typing import Any, Literal

import msgspec

from streamusage.api.daily import SumGroup, SummedStatistics
from streamusage.api.evidence import Correction as AnsweredCorrection
from streamusage.client.usage_client import UsageClient
from streamusage.evidence.statement import Statement, parse
from tests.support.service.two_months.plain_model import STATES, SUMS, PlainEstate, Sums, bounds_of, by_day, sums_of
from tests.support.service.two_months.plain_rows import GROUPS, NO_CUSTOMER, expected_rows
from tests.support.service.two_months.plain_statement import statement_days, total
from tests.support.service.two_months.script import ROLES
from tui.commands.evidence.statement_forms import to_csv, to_html, to_parquet, to_text

FORMS: dict[str, Callable[[bytes, Statement], bytes]] = {
    "json": lambda content, _: content, "csv": to_csv, "html": to_html, "text": to_text, "parquet": to_parquet,
}  # fmt: skip


class Checks:
    """All comparisons, and how many rows they compared."""

    def __init__(self, plain: PlainEstate, client: UsageClient) -> None:
        self.plain, self.client = plain, client
        self.rows = 0
        self.statement_days = 0

    async def sums(self, first: date, last: date) -> None:
        """Compare every row by day and month of every grouping; all groupings sum to the same."""
        periods: tuple[Literal["day", "month"], ...] = ("day", "month")
        for zone in self.plain.zones:
            days = by_day(self.plain, zone, first, last)
            for by in periods:
                whole: dict[str, list[int]] = {}
                for group in GROUPS:
                    expected = expected_rows(days, ROLES, by, group)
                    kind: SumGroup = group  # type: ignore[assignment]
                    answer = await self.client.daily_sums(first, last, zone, by=by, group=kind)
                    sums = self._compare(answer.sums, expected, f"{zone} by {by} and {group}")
                    whole = whole or sums
                    assert sums == whole, f"{zone} {by}: the rows by {group} do not sum to those of the servers"

    def _compare(
        self, rows: Sequence[SummedStatistics], expected: dict[tuple[str, str], Any], what: str
    ) -> dict[str, list[int]]:
        """Compare rows. Return the sums of each period, of the late parts of these, and of adjustments."""
        assert [(row.period, row.group) for row in rows] == list(expected), what
        sums: dict[str, list[int]] = {}
        for row in rows:
            other = _different(_answered(row), expected[row.period, row.group])
            assert not other, f"{what}, {row.period} {row.group}: the service has, the truth is: {other}"
            known = sums.setdefault(row.period, [0] * 3 * len(SUMS))
            fields = [(part, name) for part in (row, row.backfilled, row.adjustment) for name in SUMS]
            sums[row.period] = [
                value + (0 if part is None else getattr(part, name))
                for value, (part, name) in zip(known, fields, strict=True)
            ]
            self.rows += 1
        return sums

    async def days(self, first: date, last: date) -> None:
        """Compare each day of each server: its closing, and that closed and adjustment are all that was reported."""
        for zone in self.plain.zones:
            for row in (await self.client.daily(first, last, zone)).days:
                day = date.fromisoformat(row.day)
                server, closing = self.plain.servers[row.server], self.plain.closings.get((zone, day, row.server))
                everything = [part for _, part in server.parts_between(*bounds_of(zone, day))]
                whole = tuple(getattr(row, name) for name in SUMS)
                if row.adjustment is not None:
                    moved = tuple(getattr(row.adjustment, name) for name in SUMS)
                    assert tuple(getattr(row.adjustment.figures, name) for name in SUMS) == sums_of(everything)
                    whole = tuple(map(int.__add__, whole, moved))
                assert whole == sums_of(everything), (zone, row.day, row.server)
                if closing is None:
                    assert row.closed is None, (zone, row.day, row.server)
                else:
                    assert row.closed is not None, (zone, row.day, row.server)
                    found = row.closed.at, row.closed.rule, row.closed.watermark
                    assert found == (closing.at, closing.rule, closing.watermark), (zone, row.day, row.server)
                self.rows += 1

    async def corrections(self, first: date, last: date) -> None:
        """Compare the corrections of each day, and that closed, approved and pending are all that was reported."""
        for zone in self.plain.zones:
            answered = (await self.client.evidence.corrections(first, last, zone)).corrections
            found: dict[tuple[str, str], list[Any]] = {}
            for row in answered:
                found.setdefault((row.day, row.server), []).append(_correction(row))
            expected: dict[tuple[str, str], list[Any]] = {}
            for known in self.plain.corrections:
                if known.zone == zone and first <= known.day <= last:
                    facts = known.amount, known.approved_at, known.proposed_by, known.reverses is not None
                    of_day = expected.setdefault((known.day.isoformat(), known.server), [])
                    of_day.append((*facts, known.customers))
            assert found == expected, zone

    async def statement(self, zone: str, first: date, last: date) -> tuple[bytes, bytes]:
        """Compare a statement with the closings of the model. Return its bytes and its signature."""
        answer = await self.client.evidence.statement(first, last, zone)
        document: dict[str, Any] = msgspec.json.decode(answer.statement)
        expected = statement_days(self.plain, zone, first, last)
        assert [(day["day"], day["server"]) for day in document["days"]] == sorted(expected)
        for day in document["days"]:
            figures, customers = expected[day["day"], day["server"]]
            assert day["figures"] == figures, (zone, day["day"], day["server"])
            stated = {
                row.pop("customer"): row for row in msgspec.json.decode(msgspec.json.encode(day))["customers"]["sums"]
            }
            for row in stated.values():
                row.pop("traffic")
            assert stated == customers, (zone, day["day"], day["server"])
            self.statement_days += 1
        posted = self.plain.approved_in(zone, first, last)
        assert len(document["corrections"]) == len(posted)
        closed: dict[str, list[Sums]] = {"": [_in_order(figures) for figures, _ in expected.values()]}
        corrected: dict[str, list[Sums]] = {"": [row.amount for row in posted]}
        for _, customers in expected.values():
            for name, sums in customers.items():
                closed.setdefault(name or NO_CUSTOMER, []).append(_in_order(sums))
        for row in posted:
            for name, part in row.customers.items():
                corrected.setdefault(name or NO_CUSTOMER, []).append(part)
        stated = {"": document["totals"]} | {row["customer"] or NO_CUSTOMER: row for row in document["customers"]}
        for name in {*closed, *corrected, *stated}:
            parts = {"closed": closed.get(name, []), "corrections": corrected.get(name, [])}
            for part, rows in {**parts, "due": parts["closed"] + parts["corrections"]}.items():
                assert _in_order(stated[name][part]) == total(rows), f"{zone}: {part} of {name or 'all'}"
        return answer.statement.encode(), base64.b64decode(answer.signature or "")

    async def exports(self, zone: str, first: date, last: date) -> dict[str, bytes]:
        """Return a statement, compared with the model, in all its forms."""
        content, signature = await self.statement(zone, first, last)
        return {form: render(content, parse(content)) for form, render in FORMS.items()} | {"signature": signature}


def _different(found: dict[str, Any], expected: dict[str, Any]) -> dict[str, Any]:
    """Return the fields that differ, with both values."""
    return {name: (found[name], value) for name, value in expected.items() if found[name] != value}


def _in_order(row: dict[str, Any]) -> Sums:
    return tuple(row[name] for name in SUMS)


def _correction(row: AnsweredCorrection) -> tuple[Any, ...]:
    amount = tuple(getattr(row.difference, name) for name in SUMS)
    customers = {part.customer: tuple(getattr(part, name) for name in SUMS) for part in row.customers or ()}
    return amount, row.approved_at, row.proposed_by, row.reverses is not None, customers


def _answered(row: SummedStatistics) -> dict[str, Any]:
    """Return a row of the service in the form of the model's."""
    percentile, coverage = row.percentile_95, row.coverage
    assert coverage.held_ms == 0
    return {
        "days": row.days,
        "servers": row.servers,
        "state": row.state,
        "traffic": row.traffic or None,
        **{name: getattr(row, name) for name in SUMS},
        "connections_by_protocol": row.connections_by_protocol,
        "average_view_time_ms": row.average_view_time_ms,
        "backfilled": {name: getattr(row.backfilled, name) for name in SUMS},
        "adjustment": row.adjustment and {name: getattr(row.adjustment, name) for name in SUMS},
        "coverage": {state: getattr(coverage, f"{state}_ms") for state in STATES},
        "peaks": [(row.peak_in_bps, row.peak_in_at), (row.peak_out_bps, row.peak_out_at)],
        "percentile": [percentile.in_bps, percentile.out_bps, percentile.samples, percentile.expected_samples],
    }
