"""Accounting days and sums: which figures are exact."""

import pytest

from streamusage import AtLeast, CoveredTime, Estimate, Exact, Provenance, Unknown
from streamusage.api.daily import (
    Adjustment,
    BackfilledPart,
    DailyFigures,
    DailyStatistics,
    DayState,
    Percentile,
    SummedStatistics,
)
from streamusage.library.days import day_of_statistics, sum_of_statistics, worst_of_coverage

LIVE, LOST = Provenance.LIVE, Provenance.LOST
FIGURES = {
    "connections": 4,
    "connections_by_protocol": {"rtmp": 4},
    "bytes_in": 5,
    "bytes_out": 6,
    "peak_in_bps": 7,
    "peak_in_at": 60_000,
    "peak_out_bps": None,
    "peak_out_at": None,
    "view_time_ms": 10,
    "average_view_time_ms": 2.5,
    "backfilled": BackfilledPart(),
    "percentile_95": Percentile(in_bps=3, out_bps=4, samples=9, expected_samples=9),
}


def day(state: DayState, coverage: CoveredTime, **more: object) -> DailyStatistics:
    values = FIGURES | {"server": "edge-1", "day": "2026-11-20", "tz": "UTC", "state": state, "coverage": coverage}
    return DailyStatistics(**values | more)  # type: ignore[arg-type]


WHOLE = CoveredTime(live_ms=86_400_000)
WITH_LOSS = CoveredTime(live_ms=86_340_000, lost_ms=60_000)


def test_figures_of_a_final_day_that_is_complete_are_exact() -> None:
    figures = day_of_statistics(day("final", WHOLE)).figures
    assert figures.is_complete
    assert (figures.bytes_out, figures.average_view_time_ms) == (Exact(6, LIVE), Exact(2, LIVE))
    assert (figures.peak_in_bps, figures.peak_out_bps) == (Exact(7, LIVE), Unknown(LIVE))
    assert figures.percentile_95_in_bps == Exact(3, LIVE)
    assert figures.connections_by_protocol == {"rtmp": Exact(4, LIVE)}


def test_sums_of_a_final_day_with_lost_time_are_lower_bounds_and_averages_estimates() -> None:
    figures = day_of_statistics(day("final", WITH_LOSS)).figures
    assert not figures.is_complete
    assert (figures.bytes_out, figures.peak_in_bps) == (AtLeast(6, LOST), AtLeast(7, LOST))
    assert (figures.average_view_time_ms, figures.percentile_95_in_bps) == (Estimate(2, LOST), Estimate(3, LOST))


def test_percentile_without_some_samples_is_an_estimate() -> None:
    percentile = Percentile(in_bps=3, samples=8, expected_samples=9)
    figures = day_of_statistics(day("final", WHOLE, percentile_95=percentile)).figures
    assert (figures.percentile_95_in_bps, figures.percentile_95_out_bps) == (Estimate(3, LIVE), Unknown(LIVE))


def test_day_that_is_not_over_has_lower_bounds() -> None:
    assert day_of_statistics(day("provisional", WHOLE)).figures.bytes_out == AtLeast(6, LIVE)


def test_adjusted_day_has_the_figures_of_its_closing_and_those_of_now() -> None:
    later = DailyFigures(**FIGURES | {"bytes_out": 9, "coverage": WHOLE})  # type: ignore[arg-type]
    found = day_of_statistics(day("adjusted", WHOLE, adjustment=Adjustment(entries=1, at=0, figures=later)))
    assert found.figures.bytes_out == AtLeast(6, LIVE)
    assert found.adjusted_figures is not None
    assert found.newest.bytes_out == Exact(9, LIVE)


@pytest.mark.parametrize(
    ("traffic", "expected"),
    [
        ({"traffic": "measured"}, Exact(6, LIVE)),
        ({"traffic": "apportioned"}, Estimate(6, LIVE)),
        ({"traffic": "none"}, Unknown(LIVE)),
        ({}, Exact(6, LIVE)),
    ],
)
def test_bytes_by_stream_are_as_exact_as_their_division(traffic: dict[str, object], expected: object) -> None:
    found = sum_of_statistics(a_sum("final", "live/keynote", **traffic))
    assert found.figures.bytes_out == expected
    assert found.figures.connections == Exact(4, LIVE)


def test_what_the_streams_leave_may_fall_until_it_is_closed() -> None:
    assert sum_of_statistics(a_sum("provisional", "not by stream")).figures.connections == Estimate(4, LIVE)
    assert sum_of_statistics(a_sum("final", "not by stream")).figures.connections == Exact(4, LIVE)


@pytest.mark.parametrize("state", Provenance)
def test_one_minute_of_a_state_is_found_in_the_coverage(state: Provenance) -> None:
    assert worst_of_coverage(CoveredTime(**{"live_ms": 5, f"{state}_ms": 1})) == state
    assert worst_of_coverage(CoveredTime()) is None


def a_sum(state: DayState, group: str, **more: object) -> SummedStatistics:
    about = {"group": group, "period": "2026-11", "first_day": "2026-11-01", "last_day": "2026-11-30", "tz": "UTC"}
    values = FIGURES | about | {"state": state, "days": 30, "servers": 1, "coverage": WHOLE}
    return SummedStatistics(**values | more)  # type: ignore[arg-type]
