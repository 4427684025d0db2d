"""Instants as they are given on the command line."""

import re
from collections.abc import Callable
from datetime import datetime
from zoneinfo import ZoneInfo

import click

AtNow = Callable[[int, ZoneInfo], int]
"""The instant in UTC milliseconds, given the service's time and the zone that a time without one is read in."""

_AGO = re.compile(r"([0-9]+)([smhdw])")
_UNITS_MS = {"s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000}


class InstantType(click.ParamType[AtNow]):
    """`24h` (so long before now), `2026-11-21T12:00` or UTC milliseconds."""

    name = "instant"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> AtNow:
        if callable(value):
            return value
        text = str(value).strip()
        if re.fullmatch("[0-9]{1,16}", text):
            at_ms = int(text)
            return lambda now_ms, tz: at_ms
        if ago := _AGO.fullmatch(text):
            before_ms = int(ago[1]) * _UNITS_MS[ago[2]]
            return lambda now_ms, tz: max(0, now_ms - before_ms)
        try:
            at = datetime.fromisoformat(text)
        except ValueError:
            self.fail(
                f"{text!r} is no instant: give 24h (before now), 2026-11-21T12:00 or UTC milliseconds", param, ctx
            )
        return lambda now_ms, tz: int((at if at.tzinfo else at.replace(tzinfo=tz)).timestamp() * 1000)


INSTANT = InstantType()
