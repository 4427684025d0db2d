"""Plays a recording of several services: each poll is published as one of its own service."""

from collections.abc import Callable, Mapping
from typing import Unpack

from textual.message import Message

from streamusage.core.clock import Clock
from tui.app.ports import SubscriptionChanges
from tui.app.services.source import subscription_of
from tui.recording.knowledge import Knowledge
from tui.recording.player import Player
from tui.recording.recording import RecordedPoll


class ServicesPlayer(Player):
    """A `Player` of several services in one course of time. `labelled` returns what publishes messages of one."""

    def __init__(
        self,
        services: list[str],
        polls: list[RecordedPoll],
        labelled: Callable[[str], Callable[[Message], object]],
        from_ms: int,
        clock: Clock,
        *,
        speed: float = 1.0,
    ) -> None:
        super().__init__(polls, lambda message: None, from_ms, clock, speed=speed)
        self._players = {name: Player([], labelled(name), from_ms, clock) for name in services}

    @property
    def knowledge_of(self) -> Mapping[str, Knowledge]:
        """The coverage and the days of each service that are played so far."""
        return {name: player.knowledge for name, player in self._players.items()}

    def play(self, poll: RecordedPoll) -> None:
        """Publish a poll of its service."""
        if poll.service in self._players:
            self._players[poll.service].play(poll)

    def refresh_service(self, name: str) -> None:
        """Do nothing: a recording has no service."""

    def subscribe(
        self,
        *,
        at_once: bool = True,
        coverage_from_of: Mapping[str, int] | None = None,
        **changes: Unpack[SubscriptionChanges],
    ) -> None:
        """Post the coverage of each service played so far to a gap view."""
        for name, player in self._players.items():
            player.subscribe(at_once=at_once, **subscription_of(name, changes, coverage_from_of or {}))
