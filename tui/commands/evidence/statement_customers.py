"""What is due by customer, as the human forms of a statement show it. Pure."""

from collections.abc import Iterable
from typing import NamedTuple

from msgspec import UNSET

from streamusage.core.figures import NO_CUSTOMER, NOT_BY_STREAM, STREAM_SUM_NAMES, SUMS, Unit
from streamusage.evidence.statement import Statement
from tui.model import formats
from tui.output import ListColumn, attributes

WITHOUT_RULES = "days without rules"


class CustomerRow(NamedTuple):
    """The sums of a customer, or of what has none."""

    customer: str
    sums: dict[str, int]


def customer_rows(statement: Statement) -> list[CustomerRow]:
    """Return what is due by customer, and then what has none: all rows sum to the total that is due.

    Empty for a statement without customers.
    """
    if statement.customers is UNSET:
        return []
    rows = [CustomerRow(row.customer or NO_CUSTOMER, _sums([row.due])) for row in statement.customers]
    divided: list[object] = [day.figures for day in statement.days if day.customers is not UNSET]
    divided += [row.difference for row in statement.corrections if row.customers is not UNSET]
    left = _sums(divided)
    for row in rows:
        left = {name: left[name] - row.sums[name] for name in STREAM_SUM_NAMES}
    whole: list[object] = [day.figures for day in statement.days if day.customers is UNSET]
    whole += [row.difference for row in statement.corrections if row.customers is UNSET]
    rows += [
        CustomerRow(name, sums)
        for name, sums in ((NOT_BY_STREAM, left), (WITHOUT_RULES, _sums(whole)))
        if any(sums.values())
    ]
    return rows


def customer_columns() -> list[ListColumn[CustomerRow]]:
    """Return the table of customers for people."""
    return [*attributes("customer"), *(_column(figure.heading, figure.name, figure.unit) for figure in SUMS)]


def _column(heading: str, name: str, unit: Unit) -> ListColumn[CustomerRow]:
    text = formats.FORMAT_OF_UNIT[unit]

    def shown(row: CustomerRow) -> str:
        number = row.sums[name]
        return formats.signed(number, text) if number < 0 else text(number)

    return ListColumn(name, shown, heading, figure=True)


def _sums(parts: Iterable[object]) -> dict[str, int]:
    listed = list(parts)
    return {name: sum(getattr(part, name) for part in listed) for name in STREAM_SUM_NAMES}
