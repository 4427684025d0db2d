"""Instants and windows on the command line; `streamusage.core.instants` has the grammar."""

from zoneinfo import ZoneInfo

import click

from streamusage.core.coverage import Interval
from streamusage.core.instants import AtNow, InstantError, parse_instant
from streamusage.core.windows import OPTIONS, WindowError, check_window
from tui.model.formats import time_text


def instant(text: str) -> AtNow:
    """Return the instant of an option. Raises `click.BadParameter`."""
    try:
        return parse_instant(text)
    except InstantError as error:
        raise click.BadParameter(str(error)) from None


def window_between(from_: AtNow, to: AtNow, from_now_ms: int, to_now_ms: int, tz: ZoneInfo) -> Interval:
    """Return the window from `--from` to `--to`, each with its own now. Raises `click.UsageError`."""
    try:
        return check_window(
            from_(from_now_ms, tz),
            to(to_now_ms, tz),
            names=OPTIONS,
            show=lambda at_ms: time_text(at_ms, tz) if at_ms > 0 else str(at_ms),
            may_be_empty=False,
            may_be_negative=True,
        )
    except WindowError as error:
        raise click.UsageError(str(error)) from None
