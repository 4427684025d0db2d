"""The line above the days of a month: how complete it is, and what is not final."""

from datetime import tzinfo

from tui.model.daily.day_shares import accounting_zone
from tui.model.daily.months import Month
from tui.model.text import width
from tui.widgets.lines import Part


def month_summary(month: Month, left: list[Part], since: str, tz: tzinfo | None, cells: int) -> list[Part]:
    """Return `left` with the share of a month that is complete, and the numbers of days that are not final.

    `since` is since when accounting exists. It is left out where `cells` do not suffice: the day's description has it.
    """
    zone, left = accounting_zone(tz).key, list(left)
    if month.total is not None:
        left += [("   complete ", "quiet"), (month.total.complete(), "strong")]
    after_share = len(left)
    for state, ink in (("provisional", "missing"), ("adjusted", "partial")):
        number = sum(figures.state == state for _, figures in month.days)
        left += [(f"   {number} {state}", ink)] if number else []
    voided = sum(figures.voids is not None for _, figures in month.days)
    left += [(f"   {voided} void", "bad")] if voided else []
    if zone not in month.account_zones:
        left.append(("   not an account zone: its days are never closed", "quiet"))
    began: Part = (since, "quiet")
    if month.total and sum(width(text) for text, _ in [*left, began]) <= cells:
        left.insert(after_share, began)
    return left
