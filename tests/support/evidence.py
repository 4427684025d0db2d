"""Statements with days, corrections and a chain of their own."""

from collections.abc import Sequence
from datetime import date, timedelta

import msgspec
from msgspec import UNSET

from streamusage.api.daily import (
    BackfilledPart,
    CoveredTime,
    CustomerDifference,
    DailyFigures,
    DayDifference,
    Percentile,
)
from streamusage.core.days import day_interval, zone
from streamusage.core.figures import STREAM_SUM_NAMES
from streamusage.evidence.chain import SignedFigures, chained, signed_figures
from streamusage.evidence.keys import StatementKey
from streamusage.evidence.signed_customers import ClosedCustomers, CustomerRule, SignedCustomer, hash_of_rules
from streamusage.evidence.signed_disagreements import SignedDisagreement
from streamusage.evidence.statement import (
    ClosingOfDay,
    NamedKey,
    Statement,
    StatementCorrection,
    StatementDay,
    StatementVoid,
    compose,
)
from streamusage.evidence.statement_customers import StatementRules

FIRST = date(2026, 10, 24)
"""The day before one of 25 hours in Berlin."""
BERLIN = "Europe/Berlin"


def figures_of(seed: int) -> DailyFigures:
    """Return the figures of a day that differ by seed."""
    return DailyFigures(
        connections=seed * 3,
        connections_by_protocol={"hls": seed, "rtmp": seed * 2},
        bytes_in=seed * 1_000,
        bytes_out=seed * 7_000,
        peak_in_bps=seed * 10,
        peak_in_at=seed,
        peak_out_bps=None if seed % 5 == 0 else seed * 70,
        peak_out_at=None if seed % 5 == 0 else seed,
        view_time_ms=seed * 60_000,
        average_view_time_ms=20_000.5,
        backfilled=BackfilledPart(bytes_out=seed),
        coverage=CoveredTime(live_ms=86_000_000, lost_ms=400_000),
        percentile_95=Percentile(in_bps=seed, out_bps=seed * 2, samples=280, expected_samples=288),
    )


RULES = (CustomerRule(name="Acme", scopes=("acme",), streams=("live/a*",)),)


def customers_of(figures: SignedFigures) -> ClosedCustomers:
    """Return a division of a day: half of it is of Acme, a quarter of nobody, and the rest is not by stream."""
    return ClosedCustomers(
        rules=hash_of_rules(RULES),
        sums=[
            SignedCustomer(
                customer=customer,
                traffic="measured",
                backfilled_connections=0,
                backfilled_bytes_in=0,
                backfilled_bytes_out=0,
                backfilled_view_time_ms=0,
                **{name: getattr(figures, name) // part for name in STREAM_SUM_NAMES},
            )
            for customer, part in (("Acme", 2), (None, 4))
        ],
    )


def a_statement(
    key: StatementKey | None,
    days: int = 3,
    servers: int = 2,
    *,
    correction: bool = True,
    customers_from: int | None = None,
    disagreements: Sequence[SignedDisagreement] = (),
) -> Statement:
    """Return a statement of successive days of Berlin, with customers from a number of day on, and disagreements in the
    first day of each server.
    """
    tz = zone(BERLIN)
    listed: list[StatementDay] = []
    entry = chained("beginning", {"at": 1, "name": "f" * 64, "program": "1.0"}, 0, "0" * 64)
    last = FIRST + timedelta(days=days - 1)
    for number in range(days):
        day = FIRST + timedelta(days=number)
        for server in range(servers):
            interval = day_interval(day, tz)
            row = StatementDay(
                server=f"edge-{server + 1}",
                day=day.isoformat(),
                from_ms=interval.from_ms,
                to_ms=interval.to_ms,
                figures=signed_figures(figures_of(number * servers + server + 1)),
                closing=ClosingOfDay(
                    revision=number * servers + server + 1,
                    rule="watermark",
                    at=interval.to_ms + 120_000,
                    by="",
                    watermark=interval.to_ms + 60_000,
                    program="1.0",
                    zone_data="2025b",
                    number=entry.number + 1,
                    previous=entry.hash,
                ),
            )
            if customers_from is not None and number >= customers_from:
                row = msgspec.structs.replace(row, customers=customers_of(row.figures))
            if disagreements and number == 0:
                row = msgspec.structs.replace(row, disagreements=list(disagreements))
            entry = row.entry(BERLIN)
            listed.append(row)
    corrections = []
    if correction:
        corrections.append(
            StatementCorrection(
                id=1,
                server="edge-1",
                day="2026-10-02",
                revision=1,
                difference=DayDifference(connections=1, bytes_out=-5, connections_by_protocol={"rtmp": 1}),
                reason="came late",
                proposed_at=day_interval(last, tz).from_ms,
                proposed_by="service",
                approved_at=day_interval(last, tz).from_ms + 1,
                approved_by="boss",
                reverses=None,
                customers=UNSET if customers_from is None else [CustomerDifference(customer="Acme", connections=1)],
                number=entry.number + 1,
                previous=entry.hash,
            )
        )
    return compose(
        service="5b1f2f0a2b0c4d7e9a61c3d5e7f90812",
        key=None if key is None else NamedKey(name=key.public.name, rotations=list(key.rotations)),
        account_zone=BERLIN,
        first=FIRST,
        last=last,
        only_server=None,
        days=listed,
        voids=[StatementVoid(server="edge-1", day=FIRST.isoformat(), revision=9, at=5, by="boss", reason="the clock")],
        corrections=corrections,
        rules=[] if customers_from is None else [StatementRules(hash=hash_of_rules(RULES), customers=RULES)],
    )
