"""The polls of several services: one poller for each, with its own client, token and waits."""

import asyncio
from collections.abc import Mapping
from typing import Unpack

from tui.app.poller import Poller
from tui.app.ports import SubscriptionChanges
from tui.app.services.state import SeveralState
from tui.model.services.keys import service_of


class ServicesSource:
    """A `PollSource` of several pollers. A chart is polled at the service of its session, coverage at all."""

    def __init__(self, pollers: Mapping[str, Poller], state: SeveralState) -> None:
        self._pollers = pollers
        self._state = state
        self.no_service_reason = ""
        self.knowledge = None

    @property
    def interval_seconds(self) -> float:
        """The shortest interval of the polls."""
        return min(poller.interval_seconds for poller in self._pollers.values())

    @interval_seconds.setter
    def interval_seconds(self, seconds: float) -> None:
        for name, poller in self._pollers.items():
            poller.interval_seconds = seconds
            self._state.parts[name].poll_interval_ms = round(seconds * 1000)

    @property
    def times_slower(self) -> int:
        """Factor on the interval while the terminal has lost the focus."""
        return max(poller.times_slower for poller in self._pollers.values())

    @times_slower.setter
    def times_slower(self, factor: int) -> None:
        for name, poller in self._pollers.items():
            poller.times_slower = self._state.parts[name].times_slower = factor

    @property
    def is_idle(self) -> bool:
        """Whether no poll is under way and none is requested."""
        return all(poller.is_idle for poller in self._pollers.values())

    async def run(self) -> None:
        """Poll every service until cancelled."""
        async with asyncio.TaskGroup() as group:
            for poller in self._pollers.values():
                group.create_task(poller.run())

    def refresh(self) -> None:
        """Poll every service as soon as possible, but none that wants to be left alone."""
        for poller in self._pollers.values():
            poller.refresh()

    def refresh_service(self, name: str) -> None:
        """Poll one service as soon as possible, but not while it wants to be left alone."""
        self._pollers[name].refresh()

    def start_over(self) -> None:
        """Poll every service now, and look again for our extension."""
        for poller in self._pollers.values():
            poller.start_over()

    def subscribe(
        self,
        *,
        at_once: bool = True,
        coverage_from_of: Mapping[str, int] | None = None,
        **changes: Unpack[SubscriptionChanges],
    ) -> None:
        """Change what is polled beside the sessions: a chart at the service of its session, coverage at all.

        `coverage_from_of` has the start of the coverage at each service: what is known of one says nothing of another.
        """
        for name, poller in self._pollers.items():
            poller.subscribe(at_once=at_once, **subscription_of(name, changes, coverage_from_of or {}))


def subscription_of(
    service: str, changes: SubscriptionChanges, coverage_from_of: Mapping[str, int]
) -> SubscriptionChanges:
    """Return the part of the changes that is for one service. `coverage_from_of` has the start of its coverage."""
    of_service = SubscriptionChanges()
    if "history_of" in changes:
        chart = changes["history_of"]
        of_service["history_of"] = chart if chart and service_of(chart.key) == service else None
    if "coverage_from_ms" in changes:
        from_ms = changes["coverage_from_ms"]
        of_service["coverage_from_ms"] = None if from_ms is None else coverage_from_of.get(service, from_ms)
    if "carriers_from_ms" in changes:
        of_service["carriers_from_ms"] = changes["carriers_from_ms"]
    return of_service
