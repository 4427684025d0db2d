"""The types that write out the billed figures agree with the table that declares them."""

import msgspec
import pytest

from streamusage.api.daily import (
    Adjustment,
    BackfilledPart,
    DailyFigures,
    DailyStatistics,
    DayDifference,
    LedgerEntry,
    SummedStatistics,
)
from streamusage.api.extension import GapDelta
from streamusage.api.report import SlotRow
from streamusage.core.figures import FIGURES, SLOT_SUM_NAMES, SUM_NAMES, Combination
from streamusage.service.rules.apply import LateFigures
from streamusage.service.rules.rollups import Rollup
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
