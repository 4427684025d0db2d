"""Refuses days that are not final, and says why of each."""

from collections.abc import Sequence

from streamusage.day_answers import Daily
from tui.commands.day_window import Days
from tui.commands.failure import REFUSED, CommandFailed
from tui.model.days import days_without_figures, why_not_final
from tui.settings import Connection

MOST_REASONS = 20


def refuse_unless_final(daily: Daily, days: Days, connection: Connection, *, printed: str = "printed") -> None:
    """Ends the command where a day is not final."""
    reasons = [
        f"{day.day} of {day.server}: {why}"
        for day in daily.days
        if (why := why_not_final(day, daily.now, daily.account_zones))
    ]
    reasons += [
        f"{day}: the day is not over yet" for day in days_without_figures(daily.days, *days, connection.tz, daily.now)
    ]
    if reasons:
        refuse(reasons, connection, printed)


def refuse(reasons: Sequence[str], connection: Connection, printed: str) -> None:
    """Ends the command with the reasons, or the first of them."""
    more = [f"… and {len(reasons) - MOST_REASONS} more"] if len(reasons) > MOST_REASONS else []
    listed = "\n".join(f"  {reason}" for reason in [*reasons[:MOST_REASONS], *more])
    raise CommandFailed(
        f"{connection.host}: not every day is final ({connection.tz.key}); nothing was {printed}:\n{listed}", REFUSED
    )
