"""Instants and windows of the client commands: texts that are refused, and what the error names."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import click
import pytest

from streamusage.core.coverage import Interval
from tui.commands.instants import instant, window_between

BERLIN = ZoneInfo("Europe/Berlin")
NOON_MS = 1_795_262_400_000  # 2026-11-21 12:00 UTC, 13:00 in Berlin


def test_window_has_a_now_for_each_end() -> None:
    window = window_between(instant("1h30m"), instant("0s"), NOON_MS, NOON_MS + 1, BERLIN)
    assert window == Interval(NOON_MS - 5_400_000, NOON_MS + 1)


def test_reversed_window_is_refused_with_both_ends() -> None:
    message = "--from 2026-11-21 12:00:00 is after --to 2026-11-21 11:00:00; expected --from before --to"
    with pytest.raises(click.UsageError, match=message):
        window_between(instant("1h"), instant("2h"), NOON_MS, NOON_MS, BERLIN)
    with pytest.raises(click.UsageError, match="--from 0 is not before --to 0"):
        window_between(instant("0"), instant("0"), NOON_MS, NOON_MS, BERLIN)


def test_other_text_is_a_wrong_value_of_the_option() -> None:
    with pytest.raises(
        click.BadParameter, match="'soon' is not an instant; expected a duration before now such as 24h"
    ):
        instant("soon")


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("24h", NOON_MS - 86_400_000),
        ("0s", NOON_MS),
        ("1795262400000", NOON_MS),
        ("2026-11-21T12:00:00Z", int(datetime(2026, 11, 21, 12, tzinfo=UTC).timestamp() * 1000)),
        ("2026-11-21T13:00", int(datetime(2026, 11, 21, 12, tzinfo=UTC).timestamp() * 1000)),
        ("2026-11-21", int(datetime(2026, 11, 20, 23, tzinfo=UTC).timestamp() * 1000)),
    ],
)
def test_instant_is_parsed(text: str, at: int) -> None:
    assert instant(text)(NOON_MS, BERLIN) == at
