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
