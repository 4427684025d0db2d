"""Stepping through the stored polls."""

import pytest

from tests.support.console.changing_service import ChangingService
from tui.model.sessions.packed_changes import PackedChanges
from tui.model.sessions.timeline import PollTimeline


@pytest.mark.parametrize("seed", range(50))
def test_stepping_back_and_forth_restores_the_same_table(seed: int) -> None:
    service, timeline = ChangingService(seed), PollTimeline()
    timeline.add(0, ())
    seen = [dict(service.current)]
    for at_ms in range(1, 12):
        for _ in range(service.random.randrange(4)):
            service.change()
        changes = service.store.apply(service.current.values(), reset=True)
        service.view.update(changes)
        timeline.add(at_ms, PackedChanges(changes) if seed % 2 else changes)
        seen.append(dict(service.current))
    for _ in range(60):
        for changes in timeline.step(service.random.randrange(-5, 6)):
            gone = [change.key for change in changes if change.after is None]
            service.view.update(service.store.apply([change.after for change in changes if change.after], gone))
        at_ms = timeline.at_ms
        assert at_ms is not None
        assert {session.key: session for session in service.store} == seen[at_ms]


def test_instant_is_that_of_the_newest_poll_up_to_it_although_the_clock_was_ahead() -> None:
    timeline = PollTimeline()
    for at_ms in (10, 20, 900, 910, 30, 40, 50):
        timeline.add(at_ms, ())
    assert [timeline.polls_to(at_ms) for at_ms in (60, 50, 45, 30, 29, 9)] == [0, 0, -1, -2, -5, -6]
    timeline.step(-3)
    assert timeline.at_ms == 910
    assert [timeline.polls_to(at_ms) for at_ms in (910, 40, 20)] == [3, 2, -2]


@pytest.mark.parametrize("seed", range(5))
def test_packed_changes_are_the_changes(seed: int) -> None:
    service = ChangingService(seed)
    for _ in range(9):
        service.change()
    changes = service.store.apply(service.current.values(), reset=True)
    packed = PackedChanges(changes[:2])
    packed.extend(changes[2:])
    assert list(packed) == changes
    assert packed[1:] == changes[1:]
    assert packed[-1] == changes[-1]
