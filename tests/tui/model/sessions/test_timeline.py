"""Stepping through the polls that are kept."""

import pytest

from tests.support.console.changing_service import ChangingService
from tui.model.sessions.timeline import PollTimeline


@pytest.mark.parametrize("seed", range(50))
def test_stepping_back_and_forth_restores_the_same_table(seed: int) -> None:
    service, timeline = ChangingService(seed), PollTimeline()
    timeline.add(0, ())
    seen = [dict(service.there)]
    for at_ms in range(1, 12):
        for _ in range(service.random.randrange(4)):
            service.change()
        changes = service.store.apply(service.there.values(), reset=True)
        service.view.update(changes)
        timeline.add(at_ms, changes)
        seen.append(dict(service.there))
    for _ in range(60):
        for changes in timeline.step(service.random.randrange(-5, 6)):
            gone = [change.key for change in changes if change.after is None]
            service.view.update(service.store.apply([one.after for one in changes if one.after], gone))
        at_ms = timeline.at_ms
        assert at_ms is not None
        assert {one.key: one for one in service.store} == seen[at_ms]
