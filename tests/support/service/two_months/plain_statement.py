"""What a statement of a period must contain, from the plain model: nothing of the product is used."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import date
from typing import Any

from tests.support.service.two_months.plain_model import SUMS, Part, PlainEstate, ServerDay, Sums, by_day, sums_of
from tests.support.service.two_months.plain_rows import Row, Slice
from tests.support.service.two_months.plain_rules import customer_of

Customers = dict[str | None, dict[str, int]]


def statement_days(
    estate: PlainEstate, zone: str, first: date, last: date
) -> dict[tuple[str, str], tuple[dict[str, Any], Customers]]:
    """Return figures and customers by day and server. Days of a server that was found late have no figures."""
    found = {}
    for day, servers in by_day(estate, zone, first, last):
        for name, of_server in servers.items():
            if of_server.closing is None or of_server.closing.rule == "late":
                continue
            found[day.isoformat(), name] = _figures(day, of_server), _customers(day, of_server)
    return found


def _figures(day: date, of_server: ServerDay) -> dict[str, Any]:
    row = Row()
    row.add(day, [Slice(of_server, of_server.parts)], of_streams=False)
    figures = row.figures(of_streams=False)
    (in_bps, in_at), (out_bps, out_at) = figures["peaks"]
    percentile = figures["percentile"]
    return {
        **{name: figures[name] for name in (*SUMS, "connections_by_protocol")},
        **{f"backfilled_{name}": value for name, value in figures["backfilled"].items()},
        "coverage": {f"{state}_ms": length for state, length in figures["coverage"].items()} | {"held_ms": 0},
        **{"peak_in_bps": in_bps, "peak_in_at": in_at, "peak_out_bps": out_bps, "peak_out_at": out_at},
        **{"percentile_95_in_bps": percentile[0], "percentile_95_out_bps": percentile[1]},
        **{"percentile_95_samples": percentile[2], "percentile_95_expected_samples": percentile[3]},
    }


def _customers(day: date, of_server: ServerDay) -> Customers:
    parts: dict[str | None, list[Part]] = defaultdict(list)
    for part in of_server.parts:
        if part.stream is not None:
            parts[customer_of(part.stream, day, of_server.rules)].append(part)
    return {name: _sums(of_name) for name, of_name in parts.items()}


def _sums(parts: Sequence[Part]) -> dict[str, int]:
    late = [part for part in parts if part.is_late]
    return dict(zip(SUMS, sums_of(parts), strict=True)) | {
        f"backfilled_{name}": value for name, value in zip(SUMS, sums_of(late), strict=True)
    }


def total(rows: Sequence[Sums]) -> Sums:
    """Return the sums of several rows."""
    return tuple(sum(row[index] for row in rows) for index in range(len(SUMS)))
