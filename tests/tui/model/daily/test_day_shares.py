"""The share of a day's traffic that a backfill recovered."""

from datetime import UTC, date
from zoneinfo import ZoneInfo

import pytest

from streamusage.api.daily import GapDelta
from streamusage.api.extension import CoverageSpan
from streamusage.core.coverage import Provenance
from tests.support.commands.statements import NOW, a_day
from tui.model.daily.day_shares import DayShares, accounting_zone

HOUR = 3_600_000
BERLIN = ZoneInfo("Europe/Berlin")
DAY = date(2026, 11, 21)


def gap(from_ms: int, to_ms: int, bytes_out: int | None = 13) -> CoverageSpan:
    delta = None if bytes_out is None else GapDelta(bytes_out=bytes_out)
    return CoverageSpan(from_ms=from_ms, to_ms=to_ms, state=Provenance.BACKFILLED, delta=delta)


IN_THE_DAY = gap(NOW - 6 * HOUR, NOW - 5 * HOUR)
OVER_MIDNIGHT = gap(NOW - HOUR, NOW + HOUR)


def shares(bytes_out: int) -> DayShares:
    made = DayShares()
    made.add_day("edge-1", DAY, a_day(day=DAY.isoformat(), bytes_out=bytes_out))
    return made


@pytest.mark.parametrize(
    ("span", "day_bytes", "share"),
    [
        (IN_THE_DAY, 1_000, "1.3 %"),
        (IN_THE_DAY, 13, "100 %"),
        (IN_THE_DAY, 5, "100 %"),
        (IN_THE_DAY, 0, None),
        (gap(NOW - 6 * HOUR, NOW - 5 * HOUR, None), 1_000, None),
        (OVER_MIDNIGHT, 1_000, None),
        (gap(NOW - HOUR, NOW), 1_000, "1.3 %"),
    ],
)
def test_share_is_of_the_bytes_sent_in_the_day_of_the_gap(
    span: CoverageSpan, day_bytes: int, share: str | None
) -> None:
    assert shares(day_bytes).share("edge-1", span, UTC) == share


def test_share_is_unknown_without_the_day() -> None:
    assert shares(1_000).share("edge-2", IN_THE_DAY, UTC) is None
    failed = DayShares()
    failed.add_day("edge-1", DAY, None)
    assert failed.share("edge-1", IN_THE_DAY, UTC) is None


def test_day_is_requested_once_until_it_expires() -> None:
    days = DayShares()
    assert days.missing("edge-1", IN_THE_DAY, UTC) == ("edge-1", DAY)
    assert days.missing("edge-1", IN_THE_DAY, UTC) is None
    assert days.missing("edge-2", IN_THE_DAY, UTC) == ("edge-2", DAY)
    assert days.missing("edge-1", OVER_MIDNIGHT, UTC) is None
    days.expire_day(NOW + HOUR, UTC)
    assert days.missing("edge-1", IN_THE_DAY, UTC) is None, "a past day does not change"
    days.expire_day(NOW - 1, UTC)
    assert days.missing("edge-1", IN_THE_DAY, UTC) == ("edge-1", DAY)


def test_day_is_of_the_named_zone() -> None:
    evening = gap(NOW - HOUR // 2, NOW)
    assert DayShares().missing("edge-1", evening, BERLIN) == ("edge-1", date(2026, 11, 22))
    assert accounting_zone(BERLIN) is BERLIN
    assert accounting_zone(UTC).key == accounting_zone(None).key == "UTC"
