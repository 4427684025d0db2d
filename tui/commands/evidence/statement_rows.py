"""The rows of a statement in its human forms and tables: closed days, then corrections. Pure.

The columns can be read as FinOps FOCUS has charges and their corrections; `docs/statements.md` has the mapping.
"""

from collections.abc import Callable
from hashlib import sha256
from operator import attrgetter
from typing import Any, NamedTuple

import msgspec

from streamusage.api.daily import CoveredTime, DayDifference
from streamusage.core.figures import SUM_NAMES, SUMS, Unit
from streamusage.evidence.chain import SignedFigures
from streamusage.evidence.statement import Statement, StatementCorrection, StatementDay
from tui.model import formats
from tui.model.daily.days import complete_share
from tui.output import ListColumn, attributes
from tui.output.parquet import Kind, ParquetColumn, ParquetTable

_PEAKS = ("peak_in_bps", "peak_out_bps")
_PEAK_TIMES = ("peak_in_at", "peak_out_at")
_PERCENTILES = tuple(name for name in SignedFigures.__struct_fields__ if name.startswith("percentile_95_"))
_BACKFILLED = tuple(name for name in SignedFigures.__struct_fields__ if name.startswith("backfilled_"))


class StatementRow(NamedTuple):
    """A closed day or a correction of a statement, with what it shares with the other rows."""

    statement: Statement
    digest: str
    """SHA-256 of the statement's bytes, 64 hexadecimal digits."""
    day: StatementDay | None
    correction: StatementCorrection | None

    @property
    def kind(self) -> str:
        """`closed` or `correction`."""
        return "closed" if self.day is not None else "correction"

    @property
    def named(self) -> StatementDay | StatementCorrection:
        """The part that names server and day."""
        part = self.day or self.correction
        assert part is not None, "a row is a day or a correction"
        return part

    @property
    def revision(self) -> int | None:
        """The revision of the closing that the row is, or corrects."""
        if self.day is not None:
            return self.day.closing.revision
        return None if self.correction is None else self.correction.revision

    @property
    def sums(self) -> SignedFigures | DayDifference:
        """The sums of the row; those of a correction may be negative."""
        if self.day is not None:
            return self.day.figures
        assert self.correction is not None, "a row is a day or a correction"
        return self.correction.difference


def digest_of(content: bytes) -> str:
    """Return the SHA-256 of a statement's bytes."""
    return sha256(content).hexdigest()


def rows_of(statement: Statement, digest: str) -> list[StatementRow]:
    """Return the closed days and then the corrections."""
    days = [StatementRow(statement, digest, day, None) for day in statement.days]
    return days + [StatementRow(statement, digest, None, correction) for correction in statement.corrections]


def day_columns() -> list[ListColumn[StatementDay]]:
    """Return the table of closed days for people."""
    return [
        *attributes("day", "server"),
        ListColumn("accounted", accounted_share, "ACCOUNTED", figure=True),
        *(
            ListColumn[StatementDay](figure.name, _of_day(figure.name, figure.unit), figure.heading, figure=True)
            for figure in SUMS
        ),
        ListColumn(
            "peak_out_bps", lambda day: formats.optional_bandwidth(day.figures.peak_out_bps), "PEAK OUT", figure=True
        ),
        ListColumn(
            "percentile_95_out_bps",
            lambda day: formats.optional_bandwidth(day.figures.percentile_95_out_bps),
            "95TH OUT",
            figure=True,
        ),
    ]


def correction_columns() -> list[ListColumn[StatementCorrection]]:
    """Return the table of corrections for people."""
    return [
        ListColumn("id", attrgetter("id"), "NUMBER", figure=True),
        *attributes("day", "server"),
        *(
            ListColumn[StatementCorrection](
                figure.name, _of_correction(figure.name, figure.unit), figure.heading, figure=True
            )
            for figure in SUMS
        ),
        ListColumn("approved_at", attrgetter("approved_at"), "APPROVED", is_time=True),
        ListColumn("approved_by", attrgetter("approved_by"), "BY"),
        *attributes("reason"),
    ]


def csv_columns(statement: Statement) -> list[ListColumn[StatementRow]]:
    """Return the columns of the CSV. Protocols are the last ones, in order."""
    protocols = _protocols(statement)
    return [
        *(ListColumn(name, value, is_time=name in _TIMES) for name, (_, value) in _FIELDS.items()),
        *(ListColumn(f"connections_by_protocol_{name}", _protocol(name)) for name in protocols),
    ]


def parquet_table() -> ParquetTable[StatementRow]:
    """Return the table of the Parquet file."""
    return ParquetTable(
        "statement",
        [
            *(ParquetColumn(name, kind, value) for name, (kind, value) in _FIELDS.items()),
            ParquetColumn(
                "connections_by_protocol",
                Kind.NUMBERS_BY_NAME,
                lambda row: sorted(row.sums.connections_by_protocol.items()),
            ),
        ],
    )


def accounted_share(day: StatementDay) -> str:
    """Return the accounted share of a day, with the length of the time in which the server was in service if that is
    not the whole day.
    """
    covered_ms = sum(msgspec.structs.astuple(day.figures.coverage))
    share = complete_share(day.figures.coverage)
    return share if covered_ms == day.to_ms - day.from_ms else f"{share} of {formats.duration(covered_ms)}"


def _protocols(statement: Statement) -> list[str]:
    parts = [day.figures for day in statement.days]
    names = {name for part in parts for name in part.connections_by_protocol}
    return sorted(names | {name for row in statement.corrections for name in row.difference.connections_by_protocol})


def _protocol(name: str) -> Callable[[StatementRow], int]:
    return lambda row: row.sums.connections_by_protocol.get(name, 0)


def _of_day(name: str, unit: Unit) -> Callable[[StatementDay], str]:
    text = formats.FORMAT_OF_UNIT[unit]
    return lambda day: text(getattr(day.figures, name))


def _of_correction(name: str, unit: Unit) -> Callable[[StatementCorrection], str]:
    return lambda row: formats.signed(getattr(row.difference, name), formats.FORMAT_OF_UNIT[unit])


def _figure(name: str) -> Callable[[StatementRow], Any]:
    """Return the reader of a figure that corrections do not have."""
    return lambda row: None if row.day is None else getattr(row.day.figures, name)


def _covered(name: str) -> Callable[[StatementRow], Any]:
    return lambda row: None if row.day is None else getattr(row.day.figures.coverage, name)


def _closing(name: str) -> Callable[[StatementRow], Any]:
    return lambda row: None if row.day is None else getattr(row.day.closing, name)


def _correction(name: str) -> Callable[[StatementRow], Any]:
    return lambda row: None if row.correction is None else getattr(row.correction, name)


def _sum(name: str) -> Callable[[StatementRow], int]:
    return lambda row: getattr(row.sums, name)


_FIELDS: dict[str, tuple[Kind, Callable[[StatementRow], Any]]] = {
    "statement_sha256": (Kind.TEXT, lambda row: row.digest),
    "service": (Kind.TEXT, lambda row: row.statement.service),
    "account_zone": (Kind.TEXT, lambda row: row.statement.account_zone),
    "period_from": (Kind.TIME, lambda row: row.statement.period.from_ms),
    "period_to": (Kind.TIME, lambda row: row.statement.period.to_ms),
    "kind": (Kind.TEXT, lambda row: row.kind),
    "server": (Kind.TEXT, lambda row: row.named.server),
    "day": (Kind.TEXT, lambda row: row.named.day),
    **{name: (Kind.NUMBER, _sum(name)) for name in SUM_NAMES},
    **{name: (Kind.NUMBER, _figure(name)) for name in _PEAKS},
    **{name: (Kind.TIME, _figure(name)) for name in _PEAK_TIMES},
    **{name: (Kind.NUMBER, _figure(name)) for name in (*_PERCENTILES, *_BACKFILLED)},
    **{f"coverage_{name}": (Kind.NUMBER, _covered(name)) for name in CoveredTime.__struct_fields__},
    "revision": (Kind.NUMBER, lambda row: row.revision),
    "closed_at": (Kind.TIME, _closing("at")),
    "closed_by": (Kind.TEXT, lambda row: row.day and (row.day.closing.by or row.day.closing.rule)),
    "correction": (Kind.NUMBER, _correction("id")),
    "reason": (Kind.TEXT, _correction("reason")),
    "proposed_at": (Kind.TIME, _correction("proposed_at")),
    "proposed_by": (Kind.TEXT, _correction("proposed_by")),
    "approved_at": (Kind.TIME, _correction("approved_at")),
    "approved_by": (Kind.TEXT, _correction("approved_by")),
    "reverses": (Kind.NUMBER, _correction("reverses")),
}
"""Columns of CSV and Parquet: kind and value by name."""

_TIMES = {name for name, (kind, _) in _FIELDS.items() if kind is Kind.TIME}
