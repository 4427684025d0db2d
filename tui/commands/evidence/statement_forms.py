"""A statement for people and spreadsheets: text, HTML, CSV and Parquet, with the SHA-256 of the signed bytes. Pure.

The same statement gives the same bytes in each form. What was not accounted for stands before the figures.
"""

import io
from collections.abc import Iterable, Iterator, Sequence
from html import escape
from typing import Any
from zoneinfo import ZoneInfo

from msgspec import UNSET

from streamusage.api.daily import CoveredTime
from streamusage.core.figures import SUMS, Unit
from streamusage.evidence.statement import Statement, StatementVoid
from tui.commands.evidence.statement_customers import customer_columns, customer_rows
from tui.commands.evidence.statement_rows import (
    correction_columns,
    csv_columns,
    day_columns,
    digest_of,
    parquet_table,
    rows_of,
)
from tui.model import formats
from tui.model.daily.days import complete_share
from tui.model.text import sanitize
from tui.output import ListColumn
from tui.output.parquet import DayFile
from tui.output.printer import csv_text, table_text

_STYLE = """
body { font: 14px/1.45 system-ui, sans-serif; color: #1a1a1a; background: #fff; max-width: 62em; margin: 2em auto;
  padding: 0 1em; }
h1 { font-size: 1.5em; margin-bottom: 0; }
h2 { font-size: 1.1em; margin-top: 2em; }
.covered { border-left: .5em solid #2a7d46; padding: .6em 1em; margin: 1.2em 0; background: #f2f7f3; }
.covered.gaps { border-color: #b3261e; background: #fbf1f0; }
.covered strong { font-size: 1.6em; }
table { border-collapse: collapse; width: 100%; }
th, td { padding: .25em .6em; border-bottom: 1px solid #ddd; text-align: left; vertical-align: top; }
td.figure, th.figure { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
tr.gaps td { background: #fbf1f0; }
tr.due td { font-weight: bold; border-top: 2px solid #1a1a1a; }
code { overflow-wrap: anywhere; }
@media print { body { margin: 0; } }
"""


_BY_CUSTOMER = "Due, by customer"
_DISAGREEMENTS = "Figures that disagreed when their day was closed"


def to_csv(content: bytes, statement: Statement) -> bytes:
    """Return the statement as CSV: a row for each closed day and each correction."""
    rows = rows_of(statement, digest_of(content))
    return "".join(csv_text(rows, csv_columns(statement))).encode()


def to_parquet(content: bytes, statement: Statement) -> bytes:
    """Return the statement as a Parquet file. Needs pyarrow, see `check_library`."""
    buffer = io.BytesIO()
    file = DayFile(buffer, parquet_table())
    file.add(rows_of(statement, digest_of(content)))
    file.finish()
    file.close()
    return buffer.getvalue()


def to_text(content: bytes, statement: Statement) -> bytes:
    """Return the statement as plain text."""
    tz, coverage = ZoneInfo(statement.account_zone), statement.coverage
    parts = [f"{sanitize(f'Usage statement, {_period(statement)}')}\n", f"{coverage_sentence(coverage)}\n\n"]
    parts += table_text(_totals(statement), _TOTAL_COLUMNS)
    parts += ["\n", *(f"{name}: {sanitize(value)}\n" for name, value in _facts(content, statement)), "\n"]
    if customers := customer_rows(statement):
        parts += [f"{_BY_CUSTOMER}\n\n", *table_text(customers, customer_columns()), "\n"]
    parts += table_text(statement.days, day_columns())
    if disagreements := disagreement_lines(statement):
        parts += [f"\n{_DISAGREEMENTS}\n\n", *(f"{sanitize(line)}\n" for line in disagreements)]
    if statement.corrections:
        parts.append("\nCorrections approved in the period\n\n")
        parts += table_text(statement.corrections, correction_columns(), tz)
    parts += ["\nVoid closings\n\n"] if statement.voids else []
    parts += [f"{sanitize(_void(void))}\n" for void in statement.voids]
    return "".join(parts).encode()


def to_html(content: bytes, statement: Statement) -> bytes:
    """Return the statement as one HTML page that needs nothing else."""
    tz, coverage = ZoneInfo(statement.account_zone), statement.coverage
    body = [
        f"<h1>Usage statement</h1>\n<p>{_safe(_period(statement))}</p>\n",
        f'<p class="covered{_gaps(coverage)}"><strong>{_safe(complete_share(coverage))}</strong> '
        f"{_safe(coverage_sentence(coverage))}</p>\n",
        *_table(_totals(statement), _TOTAL_COLUMNS, tz, ["", "", " due"]),
    ]
    if customers := customer_rows(statement):
        body += [f"<h2>{_BY_CUSTOMER}</h2>\n", *_table(customers, customer_columns(), tz)]
    body += [
        "<h2>Days</h2>\n",
        *_table(statement.days, day_columns(), tz, [_gaps(day.figures.coverage) for day in statement.days]),
    ]
    if disagreements := disagreement_lines(statement):
        items = "".join(f"<li>{_safe(line)}</li>\n" for line in disagreements)
        body.append(f"<h2>{_DISAGREEMENTS}</h2>\n<ul>\n{items}</ul>\n")
    if statement.corrections:
        body += ["<h2>Corrections approved in the period</h2>\n"]
        body += _table(statement.corrections, correction_columns(), tz)
    if statement.voids:
        body.append("<h2>Void closings</h2>\n<ul>\n")
        body += [f"<li>{_safe(_void(void))}</li>\n" for void in statement.voids]
        body.append("</ul>\n")
    body.append("<h2>What this rests on</h2>\n<dl>\n")
    body += [
        f"<dt>{_safe(name)}</dt><dd><code>{_safe(value)}</code></dd>\n" for name, value in _facts(content, statement)
    ]
    body.append("</dl>\n")
    page = (
        '<!doctype html>\n<html lang="en">\n<meta charset="utf-8">\n'
        f"<title>{_safe(f'Usage statement, {_period(statement)}')}</title>\n<style>{_STYLE}</style>\n<body>\n"
        f"{''.join(body)}</body>\n</html>\n"
    )
    return page.encode()


def coverage_sentence(coverage: CoveredTime) -> str:
    """Return in a sentence how much of the time is accounted for, and what is not."""
    words = (("missing", coverage.missing_ms), ("lost", coverage.lost_ms), ("partial", coverage.partial_ms),
             ("held", coverage.held_ms))  # fmt: skip
    gaps = [f"{formats.duration(length_ms)} {word}" for word, length_ms in words if length_ms]
    backfilled = f" ({formats.duration(coverage.backfilled_ms)} of it backfilled)" if coverage.backfilled_ms else ""
    rest = f"Not accounted for: {', '.join(gaps)}: the true figures may be higher." if gaps else "Nothing is missing."
    return f"{complete_share(coverage)} of the servers' time is accounted for{backfilled}. {rest}"


_Total = tuple[str, Any]


def _totals(statement: Statement) -> list[_Total]:
    totals = statement.totals
    return [("closed", totals.closed), ("corrections", totals.corrections), ("due", totals.due)]


def _total_column(heading: str, name: str, unit: Unit) -> ListColumn[_Total]:
    text = formats.FORMAT_OF_UNIT[unit]

    def shown(total: _Total) -> str:
        kind, sums = total
        number = getattr(sums, name)
        return formats.signed(number, text) if kind == "corrections" or number < 0 else text(number)

    return ListColumn(name, shown, heading, figure=True)


_TOTAL_COLUMNS: Sequence[ListColumn[_Total]] = [
    ListColumn("sum", lambda total: total[0], "SUM"),
    *(_total_column(figure.heading, figure.name, figure.unit) for figure in SUMS),
]


def _period(statement: Statement) -> str:
    period = statement.period
    days = period.first_day if period.first_day == period.last_day else f"{period.first_day} to {period.last_day}"
    whose = f", server {statement.only_server}" if statement.only_server is not None else ""
    return f"{days}, {statement.account_zone}{whose}"


def _facts(content: bytes, statement: Statement) -> Iterator[tuple[str, str]]:
    yield "Servers", ", ".join(statement.servers) or "none"
    yield "Service", statement.service
    yield "Signed by", "nobody" if statement.key is None else statement.key.name
    yield "SHA-256 of the statement", digest_of(content)
    yield "Revision", str(statement.revision)
    if statement.chain is not None:
        yield "Chain", f"entry {statement.chain.number}, {statement.chain.hash}"
    yield "Closed by", f"streamtop {', '.join(statement.programs)}; time zone data {', '.join(statement.zone_data)}"
    yield (
        "Connections by protocol",
        ", ".join(f"{name} {count:,}" for name, count in statement.totals.due.connections_by_protocol.items())
        or "none",
    )
    yield "Exact sums", ", ".join(f"{figure.name} {getattr(statement.totals.due, figure.name)}" for figure in SUMS)


def _table(
    rows: Sequence[Any], columns: Sequence[ListColumn[Any]], tz: ZoneInfo, classes: Sequence[str] = ()
) -> Iterator[str]:
    def cells(tag: str, texts: Iterable[str]) -> str:
        return "".join(
            f"<{tag}{' class=figure' if column.figure else ''}>{_safe(text)}</{tag}>"
            for column, text in zip(columns, texts, strict=True)
        )

    yield f"<table>\n<tr>{cells('th', [column.heading(tz) for column in columns])}</tr>\n"
    for at, row in enumerate(rows):
        name = classes[at].strip() if classes else ""
        opening = f'<tr class="{name}">' if name else "<tr>"
        yield f"{opening}{cells('td', [column.shown(row, tz) for column in columns])}</tr>\n"
    yield "</table>\n"


def _gaps(coverage: CoveredTime) -> str:
    """Return the class of a row with time that is not accounted for."""
    return " gaps" if coverage.missing_ms or coverage.lost_ms or coverage.partial_ms or coverage.held_ms else ""


def _safe(text: str) -> str:
    return escape(sanitize(text))


def disagreement_lines(statement: Statement) -> list[str]:
    """Return a line for each disagreement of a day. The days of all servers that it concerns have the same one."""
    found = {}
    for day in statement.days:
        for row in () if day.disagreements is UNSET else day.disagreements:
            hours = "1 hour" if row.hours == 1 else f"{row.hours} hours"
            found[day.day, row.kind, row.server, row.scope, row.name] = (
                f"{day.day}, {hours}: {row.of_hours().describe()}"
            )
    return [line for _, line in sorted(found.items())]


def _void(void: StatementVoid) -> str:
    return f"{void.day} of {void.server}, revision {void.revision}: {void.reason}"
