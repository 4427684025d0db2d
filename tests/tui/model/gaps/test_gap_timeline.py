"""Events of a gap: the service's view merged with the phases that the agent reported."""

from tests.support.console.outages import BEGAN, GAP, KILLED, MINUTE, outage
from tui.model.gaps.gap_timeline import list_events
from tui.model.gaps.outages import describe_attempts, list_phases


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
