"""Rows of a comparison as table, JSON and CSV. Pure."""

from collections.abc import Callable, Sequence
from typing import Any

from streamusage.core.figures import Unit
from tui.model import formats
from tui.model.formats import UNKNOWN
from tui.output import CsvField, TableColumn, View
from tui.reconcile.compared_rows import ComparedRow, Explained
from tui.reconcile.entries import Grouping, Measure
from tui.reconcile.suspicions import Suspicion

MARK = "unexplained"
"""Marks a row whose unexplained part is above the tolerance."""


def comparison_view(
    measure: Measure, grouping: Grouping, tz: str, suspicions: Sequence[Suspicion]
) -> View[ComparedRow]:
    """Return the view of compared rows. JSON and CSV have exact figures in the unit of the measure."""
    amount = _amount(measure.unit)
    of_group = [] if grouping is Grouping.TOTAL else [TableColumn[ComparedRow](grouping.upper(), lambda row: row.group)]
    return View(
        document=lambda row: _document(row, measure, grouping, tz, suspicions),
        columns=[
            TableColumn("DAY", lambda row: row.day),
            *of_group,
            *([TableColumn[ComparedRow]("TRAFFIC", _traffic)] if grouping.is_of_streams else []),
            TableColumn("ACCOUNT", lambda row: amount(row.account), figure=True),
            TableColumn("SERVICE", lambda row: amount(row.service), figure=True),
            TableColumn("DIFFERENCE", lambda row: signed(row.difference, amount), figure=True),
            TableColumn("SHARE", lambda row: share_text(row.difference, row), figure=True),
            TableColumn("EXPLAINED", lambda row: signed(row.explained, amount), figure=True),
            TableColumn("UNEXPLAINED", lambda row: signed(row.unexplained, amount), figure=True),
            TableColumn("SHARE", lambda row: share_text(row.unexplained, row), figure=True),
            TableColumn("RESULT", _result),
            TableColumn("CAUSES", lambda row: _causes(row, amount)),
        ],
        fields=[
            CsvField("day", lambda row: row.day),
            CsvField("tz", lambda _: tz),
            CsvField("group", lambda row: row.group),
            CsvField("figure", lambda _: measure.value),
            CsvField("account", lambda row: row.account),
            CsvField("service", lambda row: row.service),
            CsvField("difference", lambda row: row.difference),
            CsvField("explained", lambda row: row.explained),
            CsvField("unexplained", lambda row: row.unexplained),
            CsvField("within_tolerance", lambda row: row.is_within),
            CsvField("lines", lambda row: row.lines),
            CsvField("service_final", lambda row: row.is_final),
            *([CsvField[ComparedRow]("service_traffic", lambda row: row.traffic)] if grouping.is_of_streams else []),
            CsvField("causes", lambda row: " ".join(f"{_slug(found.cause)}={found.amount}" for found in row.causes)),
            CsvField("suspected", lambda row: " ".join(_suspected(row, suspicions))),
        ],
    )


def _document(
    row: ComparedRow, measure: Measure, grouping: Grouping, tz: str, suspicions: Sequence[Suspicion]
) -> dict[str, Any]:
    return {
        "day": row.day,
        "tz": tz,
        "by": grouping.value,
        "group": row.group,
        "figure": measure.value,
        "account": row.account,
        "service": row.service,
        "difference": row.difference,
        "explained": row.explained,
        "unexplained": row.unexplained,
        "within_tolerance": row.is_within,
        "lines": row.lines,
        "service_final": row.is_final,
        **({"service_traffic": row.traffic} if grouping.is_of_streams else {}),
        "causes": [found._asdict() for found in row.causes],
        "suspected": [
            {"cause": found.cause, "amount": found.amounts[row.key]} for found in suspicions if row.key in found.amounts
        ],
    }


def _traffic(row: ComparedRow) -> str:
    return row.traffic or UNKNOWN


def _amount(unit: Unit) -> Callable[[int | None], str]:
    text = formats.FORMAT_OF_UNIT[unit]
    return lambda value: UNKNOWN if value is None else text(value)


def signed(value: int | None, text: Callable[[int | None], str]) -> str:
    """Return an amount with its sign; `–` for None."""
    if value is None:
        return UNKNOWN
    return f"+{text(value)}" if value > 0 else f"-{text(-value)}" if value < 0 else text(0)


def share_text(value: int | None, row: ComparedRow) -> str:
    """Return an amount in percent of the service's figure, with its sign; `–` where one of them is unknown or zero."""
    if value is None or not row.service:
        return UNKNOWN
    share = formats.percent(abs(value), row.service)
    return f"+{share}" if value > 0 else f"-{share}" if value < 0 else share


def _result(row: ComparedRow) -> str:
    if row.is_within:
        return "within"
    return "no account" if row.account is None else "no service" if row.service is None else MARK


def _causes(row: ComparedRow, amount: Callable[[int | None], str]) -> str:
    return "; ".join(
        _cause_text(found, amount) for found in row.causes if found.amount or not (found.low or found.high)
    )


def _cause_text(found: Explained, amount: Callable[[int | None], str]) -> str:
    exact = found.low == found.high
    bounds = "" if exact else f" of {signed(found.low, amount)} to {signed(found.high, amount)}"
    return f"{found.cause} {signed(found.amount, amount)}{bounds}" + (f" ({found.note})" if found.note else "")


def _suspected(row: ComparedRow, suspicions: Sequence[Suspicion]) -> list[str]:
    return [f"{_slug(found.cause)}={found.amounts[row.key]}" for found in suspicions if row.key in found.amounts]


def _slug(name: str) -> str:
    return name.replace(" ", "_")
