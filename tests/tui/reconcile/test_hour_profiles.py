"""The hours of a log follow the audience at the true offset of its clock only."""

import random
from datetime import date
from pathlib import Path

import pytest

from streamusage.core.windows import Days
from tests.support.outside_accounts import (
    DAY_MS,
    FIRST_MS,
    HOUR_MS,
    UTC_ZONE,
    Hit,
    bytes_by_day,
    combined_line,
    service_days,
    shifted,
    write_lines,
)
from tui.commands.reconcile.files import FileSettings, read_account
from tui.reconcile.account import OutsideAccount
from tui.reconcile.comparison import ComparisonSettings, compare
from tui.reconcile.entries import Grouping, Measure
from tui.reconcile.hour_profiles import QUARTER_MS, find_profile_shift
from tui.reconcile.readers.detect import ReaderSettings
from tui.reconcile.service_figures import ServiceSide, figures_of_servers
from tui.reconcile.suspicions import suspect


def audience(hours: int = 24, seed: int = 5) -> dict[int, int]:
    """A busy evening and a quiet night, with some chance."""
    chance = random.Random(seed)
    quarters = range(FIRST_MS, FIRST_MS + hours * HOUR_MS, QUARTER_MS)
    return {
        at: round(20 + 80 * max(0, 1 - abs((at - FIRST_MS) / HOUR_MS % 24 - 19) / 5) + chance.random() * 9)
        for at in quarters
    }


def log_of(viewers: dict[int, int], seed: int = 6) -> list[Hit]:
    chance = random.Random(seed)
    return [
        Hit(at + chance.randrange(QUARTER_MS), "news", chance.randrange(10**9), chance.randrange(90_000, 110_000))
        for at, count in viewers.items()
        for _ in range(count // 4)
    ]


def by_quarter(hits: list[Hit]) -> dict[int, int]:
    sums: dict[int, int] = {}
    for hit in hits:
        sums[hit.at // QUARTER_MS * QUARTER_MS] = sums.get(hit.at // QUARTER_MS * QUARTER_MS, 0) + hit.size
    return sums


@pytest.mark.parametrize("shift_ms", [HOUR_MS, -HOUR_MS, 19_800_000, -9 * HOUR_MS])
def test_shift_of_a_log_is_found_in_one_day(shift_ms: int) -> None:
    viewers = audience()
    found = find_profile_shift(by_quarter(shifted(log_of(viewers), shift_ms)), viewers)
    assert found is not None
    assert found.shift_ms == -shift_ms
    assert found.correlation > 0.95
    assert 1 - found.correlation < (1 - found.unshifted) / 2


def test_log_of_the_true_clock_has_no_shift() -> None:
    viewers = audience()
    assert find_profile_shift(by_quarter(log_of(viewers)), viewers) is None


def test_other_traffic_short_logs_and_constant_audiences_show_nothing() -> None:
    viewers = audience()
    chance = random.Random(7)
    noise = {at: chance.randrange(10**6) for at in viewers}
    assert find_profile_shift(noise, viewers) is None
    assert find_profile_shift({}, viewers) is None
    assert find_profile_shift(by_quarter(log_of(viewers)), {}) is None
    assert find_profile_shift(by_quarter(log_of(viewers)), dict.fromkeys(viewers, 5)) is None
    short = {at: value for at, value in by_quarter(log_of(viewers)).items() if at < FIRST_MS + 3 * HOUR_MS}
    assert find_profile_shift(short, viewers) is None


def test_low_correlation_is_no_evidence() -> None:
    viewers = audience()
    chance = random.Random(8)
    noisy = {at: value + chance.randrange(5_000_000) for at, value in by_quarter(log_of(viewers)).items()}
    late = {at + 10 * HOUR_MS: value for at, value in noisy.items()}
    assert find_profile_shift(late, viewers) is None


def test_shift_is_suspected_with_the_bytes_that_it_moves(tmp_path: Path) -> None:
    viewers = {at: count * (2 if at >= FIRST_MS + DAY_MS else 1) for at, count in audience(48).items()}
    hits = log_of(viewers)
    late = shifted(hits, 3 * HOUR_MS)
    path = tmp_path / "access.log"
    path.write_bytes(write_lines(late, combined_line))
    account = OutsideAccount(Measure.BYTES_OUT, Grouping.TOTAL, UTC_ZONE)
    read_account([path], account, FileSettings(ReaderSettings()))
    one_day = [day for day in service_days(bytes_by_day(hits)) if day.day == "2026-11-17"]
    service = ServiceSide(figures_of_servers(one_day, Grouping.TOTAL))
    period = Days(date(2026, 11, 17), date(2026, 11, 17))
    settings = ComparisonSettings(period, UTC_ZONE, 0)  # type: ignore[arg-type]
    rows = compare(account, service, settings)
    assert suspect(account, rows, UTC_ZONE) == ()
    (suspicion,) = suspect(account, rows, UTC_ZONE, audience=viewers)
    assert "3h ahead of the service's: its hours then follow" in suspicion.text
    planted = bytes_by_day(late)["2026-11-17"] - bytes_by_day(hits)["2026-11-17"]
    assert list(suspicion.amounts.values()) == [pytest.approx(planted, rel=0.01)]
    assert abs(planted) > 0.01 * bytes_by_day(hits)["2026-11-17"]
    assert max(viewers) < FIRST_MS + 2 * DAY_MS
