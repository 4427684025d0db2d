"""Outages of a gap, their phases and failed attempts."""

from tests.support.console.outages import BEGAN, GAP, KILLED, MINUTE, outage
from tui.model.gaps.outages import describe_attempts, list_phases, outages_of


def test_outages_of_a_gap_are_those_that_overlap_it() -> None:
    before = outage(("retrying", BEGAN - MINUTE), ("recovering", BEGAN - 1))
    after = outage(("retrying", BEGAN + 11 * MINUTE), ("recovering", BEGAN + 12 * MINUTE))
    assert outages_of(GAP, [before, KILLED, after]) == [KILLED]


def test_number_of_unlisted_phases_is_shown() -> None:
    short = outage(("retrying", BEGAN), ("accumulating", BEGAN + MINUTE), failed=1, left_out=68)
    assert list_phases(short)[1].what.endswith("(68 earlier phases are not listed)")
    assert describe_attempts(short).startswith("1 attempt failed")
