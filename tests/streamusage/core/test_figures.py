"""The types that write out the billed figures agree with the table that declares them."""

from functools import reduce

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamusage.api.daily import (
    Adjustment,
    BackfilledPart,
    DailyFigures,
    DailyStatistics,
    DayDifference,
    GapDelta,
    LedgerEntry,
    SummedStatistics,
)
from streamusage.api.report import Peak, SlotRow, higher_peak
from streamusage.core.figures import FIGURES, SLOT_SUM_NAMES, SUM_NAMES, Combination
from streamusage.service.rules.apply import LateFigures
from streamusage.service.rules.rollups import Rollup, sum_rollups
from streamusage.service.rules.rollups import higher_peak as higher_rollup_peak
from streamusage.service.store.schema import slots

PEAK_TIMES = tuple(figure.time_name for figure in FIGURES if figure.combination is Combination.PEAK)


@pytest.mark.parametrize("shape", [DailyFigures, DailyStatistics, SummedStatistics, GapDelta])
def test_shapes_of_an_interval_have_every_figure_and_the_times_of_peaks(shape: type[msgspec.Struct]) -> None:
    assert {figure.name for figure in FIGURES} <= {*shape.__struct_fields__}
    assert {*PEAK_TIMES, "connections_by_protocol"} <= {*shape.__struct_fields__}


@pytest.mark.parametrize("shape", [BackfilledPart, DayDifference, Adjustment, LedgerEntry])
def test_shapes_of_a_part_have_every_sum_and_no_peak(shape: type[msgspec.Struct]) -> None:
    assert {*SUM_NAMES} <= {*shape.__struct_fields__}
    assert not {figure.name for figure in FIGURES if figure.name not in SUM_NAMES} & {*shape.__struct_fields__}


def test_rows_of_a_slot_have_every_sum() -> None:
    assert {*SLOT_SUM_NAMES, "connections"} <= {*SlotRow.__struct_fields__}
    assert {*SLOT_SUM_NAMES, "connections"} <= {*LateFigures.__struct_fields__}
    assert {*SUM_NAMES, *(f"late_{name}" for name in SUM_NAMES)} <= {*Rollup.__struct_fields__}
    assert {*SLOT_SUM_NAMES, *(f"late_{name}" for name in SLOT_SUM_NAMES)} <= {*slots.c.keys()}


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1))
def test_agent_and_service_keep_the_same_peak(parts: list[tuple[int, int]]) -> None:
    of_agent = reduce(higher_peak, [Peak(bps, at, 1) for bps, at in parts])
    of_service = sum_rollups(Rollup(peak_in=part) for part in parts).peak_in
    assert of_agent is not None
    assert of_service == (of_agent.bps, of_agent.at)
    assert of_service == reduce(higher_rollup_peak, parts)
    assert of_service == (highest := max(bps for bps, _ in parts), min(at for bps, at in parts if bps == highest))
