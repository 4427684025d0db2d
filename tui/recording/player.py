"""Plays a recording: publishes its polls as a poller does, at the pace of the recording."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Unpack

from textual.message import Message

from streamusage.core.clock import Clock
from streamusage.core.usage import SessionKey
from tui.app.messages import PollFailed, SessionsPolled
from tui.app.messages.views import CoveragePolled, HistoryMissing
from tui.app.ports import SubscriptionChanges
from tui.recording.knowledge import Knowledge
from tui.recording.recording import RecordedPoll

NO_HISTORY = "a recording has no history; the trend is drawn from its polls"
NO_SERVICE = "this is a recording: it has only what was polled then"


class Player:
    """Plays a recording as a poll source: at once up to an instant, from there on at the pace of the recording.

    `speed` is how many times faster than the recording it plays; with 0 only calls of `play` play anything.
    """

    def __init__(
        self,
        polls: list[RecordedPoll],
        post: Callable[[Message], object],
        from_ms: int,
        clock: Clock,
        *,
        speed: float = 1.0,
    ) -> None:
        self._polls, self._post, self._from_ms, self._clock, self._speed = polls, post, from_ms, clock, speed
        self.interval_seconds = 1.0
        self.times_slower = 1
        self.no_service_reason = NO_SERVICE
        self.knowledge = Knowledge()
        """The coverage and the days played so far."""
        self._is_coverage_subscribed = False

    async def run(self) -> None:
        """Play to the end, then keep the last poll on the screen."""
        last_ms: int | None = None
        for number, poll in enumerate(self._polls if self._speed else ()):
            if last_ms is not None and poll.at > self._from_ms:
                wait_ms = max(0, poll.at - max(last_ms, self._from_ms)) / self._speed
                await asyncio.sleep(wait_ms / 1000 * self.times_slower)
            elif number % 50 == 0:
                await asyncio.sleep(0)
            last_ms = poll.at
            self.play(poll)
        await asyncio.Event().wait()

    def play(self, poll: RecordedPoll) -> None:
        """Publish a poll; keep days for later requests."""
        if poll.days is not None:
            self.knowledge.add_days(poll.days)
        else:
            self._publish(_message_of(poll))

    def _publish(self, message: Message) -> None:
        if isinstance(message, CoveragePolled):
            self.knowledge.coverage.append(message)
            if not self._is_coverage_subscribed:
                return
        self._post(message)

    def refresh(self) -> None:
        """Do nothing: a recording has no service."""

    def start_over(self) -> None:
        """Do nothing: a recording has no service."""

    def subscribe(
        self,
        *,
        at_once: bool = True,
        coverage_from_of: Mapping[str, int] | None = None,
        **changes: Unpack[SubscriptionChanges],
    ) -> None:
        """Post the coverage played so far to a gap view. History is never recorded: post why it is missing."""
        if chart := changes.get("history_of"):
            self._post(HistoryMissing(chart.key, NO_HISTORY))
        if "coverage_from_ms" in changes:
            before, self._is_coverage_subscribed = self._is_coverage_subscribed, changes["coverage_from_ms"] is not None
            if self._is_coverage_subscribed and (at_once or not before):
                for message in self.knowledge.coverage:
                    self._post(message)


def _message_of(poll: RecordedPoll) -> Message:
    if poll.why_failed:
        return PollFailed(poll.why_failed, False, poll.retry_in_ms)
    if poll.coverage is not None:
        return CoveragePolled(poll.coverage, poll.carriers)
    removed = [SessionKey(*key) for key in poll.removed]
    return SessionsPolled(
        poll.changed,
        removed,
        poll.reset,
        poll.now or poll.at,
        poll.servers,
        poll.cannot_show,
        knows_live=poll.knows_live,
        alerts=poll.alerts,
    )
