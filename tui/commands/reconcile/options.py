"""Types of the options of `streamtop reconcile`. They raise `click.BadParameter` with an example."""

import re
from collections.abc import Mapping
from fractions import Fraction
from zoneinfo import ZoneInfo

import click

from streamusage.core.days import UnknownZoneError, zone
from streamusage.core.durations import DurationError, parse_duration_ms
from streamusage.core.text import quote_input
from tui.reconcile.causes import OverheadRange
from tui.reconcile.readers.columns import FIELDS

_PERCENT = re.compile(r"([+-]?\d{1,4}(?:\.\d{1,4})?)\s*%", re.ASCII)
_SAMPLE = re.compile(r"1/(\d{1,9})", re.ASCII)


def _percent(text: str) -> Fraction | None:
    match = _PERCENT.fullmatch(text.strip())
    return None if match is None else Fraction(match[1]) / 100


def parse_percent(_context: click.Context, _parameter: click.Parameter, text: str) -> Fraction:
    """Return the share of a text such as `1%` or `0.5%`."""
    share = _percent(text)
    if share is None or not 0 <= share <= 1:
        raise click.BadParameter(f"{quote_input(text)} is no percentage from 0% to 100%; an example is 0.5%")
    return share


def parse_sampling(_context: click.Context, _parameter: click.Parameter, text: str | None) -> int:
    """Return 100 for `1/100`, and 1 without a text."""
    if text is None:
        return 1
    match = _SAMPLE.fullmatch(text.strip())
    if match is None or not int(match[1]):
        raise click.BadParameter(f"{quote_input(text)} is no rate of sampling; an example is 1/100")
    return int(match[1])


def parse_overhead(_context: click.Context, _parameter: click.Parameter, text: str | None) -> OverheadRange | None:
    """Return the range of a text such as `2%` or `0%..3%`."""
    if text is None:
        return None
    parts = [_percent(part) for part in text.split("..")]
    if len(parts) > 2 or None in parts:
        raise click.BadParameter(f"{quote_input(text)} is no overhead; examples are 2% and 0%..3%")
    shares = sorted(part for part in parts if part is not None)
    return OverheadRange(round(shares[0] * 1_000_000), round(shares[-1] * 1_000_000))


def parse_zone(_context: click.Context, _parameter: click.Parameter, text: str | None) -> ZoneInfo | None:
    """Return the time zone of a name."""
    try:
        return None if text is None else zone(text)
    except UnknownZoneError as error:
        raise click.BadParameter(str(error)) from None


def parse_shift(_context: click.Context, _parameter: click.Parameter, text: str | None) -> int:
    """Return the milliseconds of a text such as `+1h` or `-30m`; 0 without one."""
    if text is None:
        return 0
    sign = -1 if text.startswith("-") else 1
    try:
        return sign * parse_duration_ms(text.removeprefix("-").removeprefix("+"), longest="2d")
    except DurationError as error:
        raise click.BadParameter(f"{error}; with a sign in front, as in +1h or -30m") from None


def parse_columns(_context: click.Context, _parameter: click.Parameter, texts: tuple[str, ...]) -> Mapping[str, str]:
    """Return the column of each field: `bytes=sc-bytes`."""
    columns: dict[str, str] = {}
    for text in texts:
        field, found, column = text.partition("=")
        if field not in FIELDS or not found or not column:
            raise click.BadParameter(
                f"{quote_input(text)} is not FIELD=NAME with one of the fields {', '.join(FIELDS)}; an example is "
                "bytes=sc-bytes"
            )
        if field in columns:
            raise click.BadParameter(f"the field {field} is given twice")
        columns[field] = column
    return columns
