"""Refuses days that are not final, with the reason of each."""

from collections.abc import Sequence

from streamusage.api.daily import Daily
from streamusage.core.exit_codes import ExitCode
from streamusage.core.windows import Days
from tui.commands.errors import CommandError
from tui.config.settings import ConnectionSettings
from tui.model.daily.days import days_without_figures, why_not_final

MOST_REASONS = 20


def refuse_unless_final(daily: Daily, days: Days, connection: ConnectionSettings, *, printed: str = "printed") -> None:
    """Raise `CommandError` if a day is not final, or the service doubts its clock."""
    if daily.clock == "doubtful":
        raise CommandError(
            f"{connection.host}: the service doubts its clock, so no day is certainly over; nothing was {printed}; "
            "streamtop servers names the evidence",
            ExitCode.REFUSED,
        )
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


def refuse(reasons: Sequence[str], connection: ConnectionSettings, printed: str) -> None:
    """Raise `CommandError` with the first reasons."""
    more = [f"… and {len(reasons) - MOST_REASONS} more"] if len(reasons) > MOST_REASONS else []
    listed = "\n".join(f"  {reason}" for reason in [*reasons[:MOST_REASONS], *more])
    raise CommandError(
        f"{connection.host}: not every day is final ({connection.tz.key}); nothing was {printed}:\n{listed}",
        ExitCode.REFUSED,
    )
