"""Rows of a comparison as table, JSON and CSV. Pure."""

from collections.abc import Callable, Sequence
from operator import attrgetter
from typing import Any

from streamusage.core.figures import Unit
from tui.model import formats
from tui.model.formats import UNKNOWN
from tui.output import ListColumn, View, attributes
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
    group = [] if grouping is Grouping.TOTAL else ["group"]
    traffic = ["service_traffic"] if grouping.is_of_streams else []
    return View(
        document=lambda row: _document(row, measure, grouping, tz, suspicions),
        columns=[
            *attributes("day"),
            ListColumn("tz", lambda _: tz),
            ListColumn(
                "group", attrgetter("group"), "" if grouping is Grouping.TOTAL else grouping.upper(), shrinks=True
            ),
            ListColumn("figure", lambda _: measure.value),
            ListColumn("account", attrgetter("account"), "ACCOUNT", lambda row: amount(row.account), figure=True),
            ListColumn("service", attrgetter("service"), "SERVICE", lambda row: amount(row.service), figure=True),
            ListColumn(
                "difference",
                attrgetter("difference"),
                "DIFFERENCE",
                lambda row: signed(row.difference, amount),
                figure=True,
            ),
            ListColumn("share", _share, "SHARE", lambda row: share_text(row.difference, row), figure=True),
            ListColumn(
                "explained",
                attrgetter("explained"),
                "EXPLAINED",
                lambda row: signed(row.explained, amount),
                figure=True,
            ),
            ListColumn(
                "unexplained",
                attrgetter("unexplained"),
                "UNEXPLAINED",
                lambda row: signed(row.unexplained, amount),
                figure=True,
            ),
            ListColumn(
                "unexplained_share",
                _unexplained_share,
                "SHARE",
                lambda row: share_text(row.unexplained, row),
                figure=True,
            ),
            ListColumn("within_tolerance", attrgetter("is_within"), "RESULT", _result),
            *attributes("lines"),
            ListColumn("service_final", attrgetter("is_final")),
            ListColumn("service_traffic", attrgetter("traffic"), "TRAFFIC", _traffic),
            ListColumn(
                "causes",
                lambda row: " ".join(f"{_slug(found.cause)}={found.amount}" for found in row.causes),
                "CAUSES",
                lambda row: _causes(row, amount),
                shrinks=True,
            ),
            ListColumn("suspected", lambda row: " ".join(_suspected(row, suspicions)), shrinks=True),
        ],
        table=(
            *("day", *group, *traffic, "account", "service", "difference", "share", "explained", "unexplained"),
            *("unexplained_share", "within_tolerance", "causes"),
        ),
        csv=(
            *("day", "tz", "group", "figure", "account", "service", "difference", "explained", "unexplained"),
            *("within_tolerance", "lines", "service_final", *traffic, "causes", "suspected"),
        ),
        narrow=("service_traffic", "explained", "share", "difference", "unexplained_share", "service"),
    )


def _share(row: ComparedRow) -> float | None:
    return None if row.difference is None or not row.service else row.difference / row.service


def _unexplained_share(row: ComparedRow) -> float | None:
    return None if row.unexplained is None or not row.service else row.unexplained / row.service


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
