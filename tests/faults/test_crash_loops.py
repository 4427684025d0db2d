"""A media server that crashes in a row, with a log of whole seconds: nothing counts twice, nothing is missing unmarked.

Repeat one schedule with `python -m tests.faults.test_crash_loops SEED`. Choose other seeds with STREAMTOP_FIRST_SEED.
"""

import os
import sys
from collections import Counter
from collections.abc import Callable
from unittest.mock import patch

import pytest

from streamusage.agent.metering import meter, viewer_matching
from streamusage.agent.metering.line_boots import LineBoots
from streamusage.agent.metering.viewer_matching import Page
from tests.faults.crash_loops import CrashLoopSimulation, check_loops
from tests.faults.invariants import InvariantViolationError, check
from tests.faults.simulator import Simulation
from tests.support.detected_mutations import record_detected

FIRST_SEED = int(os.environ.get("STREAMTOP_FIRST_SEED", "0"))
SCHEDULES = int(os.environ.get("STREAMTOP_CRASH_LOOPS", "1000"))
BLOCK = 500

FAULTS = {"crash loop", "media server crashed", "media server restarted in order", "journal destroyed"}


@pytest.mark.parametrize("first", range(FIRST_SEED, FIRST_SEED + SCHEDULES, BLOCK))
def test_no_crash_loop_changes_what_is_counted(first: int) -> None:
    happened: Counter[str] = Counter()
    for seed in range(first, first + BLOCK):
        simulation = CrashLoopSimulation(seed)
        simulation.run()
        check_loops(simulation)
        happened.update(simulation.happened())
    assert happened.keys() >= FAULTS, f"faults that never happened: {FAULTS - happened.keys()}"


class EndsNearestViewer(CrashLoopSimulation):
    """A line ends the viewer with the nearest start, whether a line of it is to be expected or not."""

    def run(self) -> Simulation:
        with patch.object(viewer_matching, "_rank", lambda *_: 0):
            return super().run()


class EndsViewersBeforeTheirPage(CrashLoopSimulation):
    """A line ends a viewer who is on a page that is newer than the line."""

    def run(self) -> Simulation:
        with patch.object(meter, "Page", lambda seen, answer_ms, shown_at: Page(seen, answer_ms, 0)):
            return super().run()


class TrustsIds(CrashLoopSimulation):
    """A line is of the earlier boot whose viewer it seems to end, although the present boot uses the ids again."""

    def run(self) -> Simulation:
        never = {"is_ambiguous": lambda *_: False, "is_shared": lambda *_: False}
        with patch.multiple(LineBoots, **never):
            return super().run()


@pytest.mark.parametrize("mutation", [EndsNearestViewer, EndsViewersBeforeTheirPage, TrustsIds])
def test_broken_rule_of_reused_ids_is_detected(
    mutation: Callable[[int], CrashLoopSimulation], record_property: Callable[[str, object], None]
) -> None:
    for seed in range(1000):
        try:
            simulation = mutation(seed)
            simulation.run()
            check_loops(simulation)
        except InvariantViolationError as error:
            record_detected(record_property, mutation, seed, error)
            return
    pytest.fail(f"{mutation.__name__} was not detected")


class HidesReusedIds(Simulation):
    """The time is not marked in which a viewer may have joined whose line ends one of the boot before."""

    SEED = 202_633_501_241_056

    def run(self) -> Simulation:
        with patch.object(LineBoots, "unseen_until", lambda *_: 0):
            return super().run()


def test_viewer_that_a_reused_id_hides_without_a_mark_is_detected(
    record_property: Callable[[str, object], None],
) -> None:
    with pytest.raises(InvariantViolationError) as violation:
        check(HidesReusedIds(HidesReusedIds.SEED).run())
    record_detected(record_property, HidesReusedIds, HidesReusedIds.SEED, violation.value)


if __name__ == "__main__":
    try:
        simulation = CrashLoopSimulation(int(sys.argv[1]))
        simulation.run()
        check_loops(simulation)
    except InvariantViolationError as violation:
        sys.exit(str(violation))
    print(f"seed {sys.argv[1]}: no violation")
