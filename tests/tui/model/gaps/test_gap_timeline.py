"""Events of a gap: the service's view merged with the phases that the agent reported."""

from streamusage.api.extension import CoverageSpan, Outage
from streamusage.api.report import PhaseChange
from streamusage.core.coverage import Provenance
from tui.model.gaps.gap_timeline import list_events
from tui.model.gaps.outages import describe_attempts, list_phases, outages_of

BEGAN = 1_795_262_400_000
MINUTE = 60_000
GAP = CoverageSpan(
    from_ms=BEGAN,
    to_ms=BEGAN + 10 * MINUTE,
    state=Provenance.BACKFILLED,
    detected_at=BEGAN + 30_000,
    filled_at=BEGAN + 10 * MINUTE + 200,
)


def outage(*phases: tuple[str, int], failed: int = 9, left_out: int = 0) -> Outage:
    changes = [PhaseChange(phase, at_ms) for phase, at_ms in phases]  # type: ignore[arg-type]
    return Outage(
        from_ms=changes[0].at,
        to_ms=changes[-1].at,
        phases=changes,
        failed_attempts=failed,
        error="cannot be reached",
        left_out=left_out,
    )


KILLED = outage(
    ("retrying", BEGAN + 10_000),
    ("accumulating", BEGAN + 40_000),
    ("retrying", BEGAN + 5 * MINUTE),
    ("recovering", BEGAN + 10 * MINUTE),
    ("online", BEGAN + 10 * MINUTE + 300),
)


def test_events_merge_the_agents_phases_with_the_services_view() -> None:
    events = [
        (event.at_ms and (event.at_ms - BEGAN) // 1000, event.what.split(":")[0])
        for event in list_events(GAP, None, 0, [KILLED])
    ]
    assert events == [
        (0, "last time that the server reported in time"),
        (10, "retrying"),
        (30, "detected"),
        (40, "accumulating"),
        (300, "retrying"),
        (600, "recovering"),
        (600, "backfilled"),
        (600, "online"),
    ]
    phases = [phase.what for phase in list_phases(KILLED)]
    assert phases[2] == "retrying: the agent was restarted and continued its journal"
    assert phases[3] == "recovering: attempt 10 delivered the delta"
    assert describe_attempts(KILLED) == "9 attempts failed: cannot be reached"


def test_backfill_event_precedes_online_with_the_agents_clock_ahead() -> None:
    ahead = outage(("retrying", BEGAN + 10_000), ("recovering", BEGAN + 10 * MINUTE), ("online", BEGAN + 10 * MINUTE))
    assert [event.what.split(":")[0] for event in list_events(GAP, None, 0, [ahead])][-3:] == [
        "recovering",
        "backfilled",
        "online",
    ]


def test_outages_of_a_gap_are_those_that_overlap_it() -> None:
    before = outage(("retrying", BEGAN - MINUTE), ("recovering", BEGAN - 1))
    after = outage(("retrying", BEGAN + 11 * MINUTE), ("recovering", BEGAN + 12 * MINUTE))
    assert outages_of(GAP, [before, KILLED, after]) == [KILLED]


def test_number_of_unlisted_phases_is_shown() -> None:
    short = outage(("retrying", BEGAN), ("accumulating", BEGAN + MINUTE), failed=1, left_out=68)
    assert list_phases(short)[1].what.endswith("(68 earlier phases are not listed)")
    assert describe_attempts(short).startswith("1 attempt failed")
