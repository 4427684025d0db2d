"""The state of a console that shows several services: one table, and what is known of each service apart.

`parts` has a state without sessions for each service: when it answered, its servers, its failures, its limits. The
sessions of all of them are in one table, under keys that contain the service.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from streamusage.api.extension import ServerStatus
from tui.app.messages import PollFailed, SessionsPolled
from tui.app.state import ConsoleState, Steps
from tui.model.alert_list import sum_alerts
from tui.model.services.audience import AudienceOfServices
from tui.model.services.books import HistoryOfServices, StoreOfService, TrendsOfServices, UnrecordedOfServices
from tui.model.services.keys import SessionsOfService, in_service, service_of
from tui.model.services.servers import SilentService, UnseenInServices, qualified
from tui.model.sessions.store import Session
from tui.model.sessions.unrecorded import SessionsOfStreams


class SeveralState(ConsoleState):
    """The services of `settings.services` together. `chosen` is that of the row from which a view was opened."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self._parts = {
            one.profile or "": ConsoleState(
                clock=self.clock, host=one.host, settings=one, braille=self.braille, unicode=self.unicode
            )
            for one in self.settings.services
        }
        for part in self._parts.values():
            part.tz = self.tz  # of one table and one day
        self.chosen = next(iter(self._parts))
        parts = self._parts.items()
        self._history = HistoryOfServices({name: part.history for name, part in parts})
        self.history = self._history
        self.trends = TrendsOfServices({name: part.trends for name, part in parts}, self._ahead_ms)
        self.audience = AudienceOfServices({name: part.audience for name, part in parts}, self._ahead_ms)
        self.unrecorded = UnrecordedOfServices(
            {name: (part.unrecorded, part.trends) for name, part in parts}, self.store
        )
        self.unseen = UnseenInServices(self.silent, self._answering, self._watched_unseen)

    @property
    def parts(self) -> Mapping[str, ConsoleState]:
        """What is known of each service, by profile."""
        return self._parts

    @property
    def knows_days(self) -> bool:
        """Whether any of the services has daily statistics."""
        return any(part.knows_days for part in self._parts.values())

    def part_of(self, session: Session) -> ConsoleState:
        """Return what is known of the service of a session."""
        return self._parts[session.service]

    def silent(self) -> list[SilentService]:
        """Return the services whose figures are too old to be added, or lack the live ones."""
        return [
            SilentService(name, _answered_ms(part), self.store.watching_of[name])
            for name, part in self._parts.items()
            if not _answers(part)
        ]

    def _answering(self) -> dict[str, Sequence[ServerStatus]]:
        return {name: part.servers or () for name, part in self._parts.items() if _answers(part)}

    def _watched_unseen(self) -> list[int]:
        answering = (part for part in self._parts.values() if _answers(part))
        return [part.unseen.watched_there() for part in answering if part.unseen]

    def _ahead_ms(self, service: str) -> int:
        """Return how far a service's time is ahead of the time that the table shows."""
        return self._parts[service].now_ms() - self._current_ms()

    def _current_ms(self) -> int:
        """Return the time of the first service that has answered."""
        answered = (part.now_ms() for part in self._parts.values() if part.has_figures)
        return next(answered, self.clock.now_ms())

    def now_ms(self) -> int:
        """Return the time of the first service that has answered; while paused, the table's time."""
        return super().now_ms() if self.is_paused else self._current_ms()

    # Polls

    def _apply_polled(self, polled: SessionsPolled) -> Steps:
        service = polled.service
        removed = [in_service(key, service) for key in polled.removed]
        changed = SessionsOfService(polled.changed, service)
        if polled.reset:
            kept = {session.key for session in changed}
            for keys in self.store.keys_without(kept):
                removed += [key for key in keys if service_of(key) == service]
                yield
            removed += [key for key in self.waiting.listed() if service_of(key) == service and key not in kept]
        self._history.polled = service
        return (yield from super()._apply_polled(replace(polled, changed=changed, removed=removed, reset=False)))

    def note_facts(self, polled: SessionsPolled, polled_at_ms: int) -> None:
        """Follow what a poll of a service brought beside its sessions."""
        self._parts[polled.service].note_facts(polled, polled_at_ms)
        super().note_facts(replace(polled, now_ms=None, servers=None), polled_at_ms)
        self._join()

    def record_failure_of(self, service: str, failed: PollFailed) -> None:
        """Record a poll of a service that failed. Nothing that was known of it or of others is dropped."""
        self._parts[service].record_failure(failed)
        self.tally.add_failure()
        self._join()

    def _join(self) -> None:
        """Put together what is known of the services, for the views of all of them."""
        parts = self._parts.items()
        failing = [(name, part) for name, part in parts if part.failures]
        self.failures = max((part.failures for _, part in failing), default=0)
        self.failure = "; ".join(f"{name}: {part.failure}" for name, part in failing)
        self.failed_request = next((part.failed_request for _, part in failing), None)
        known = [(name, part.servers) for name, part in parts if part.servers is not None]
        joined: list[ServerStatus] = [server for name, servers in known for server in qualified(name, servers)]
        self.servers = joined if known else None
        self.cannot_show = "; ".join(f"{name}: {part.cannot_show}" for name, part in parts if part.cannot_show)
        self.knows_live = any(part.knows_live for _, part in parts)
        self.drift = next((part.drift for _, part in parts if part.drift), None)
        clocks = [part.service_clock for _, part in parts if part.doubts_clock()]
        self.service_clock = next(iter(clocks), None)
        self.alerts = sum_alerts(part.alerts for _, part in parts)
        self.skew_ms = None  # each service has its own

    def record_audience(self) -> None:
        """Record how many watch: at all services, and at each."""
        super().record_audience()
        if self.is_paused:
            return
        for name, part in self._parts.items():
            is_known = part.has_figures and part.knows_live
            watching = max(0, self.store.watching_of[name] - part.unseen.outdated) if is_known else None
            part.audience.add_poll(part.now_ms(), watching, leaves_out_server=bool(part.unseen))

    def sessions_of(self, service: str) -> SessionsOfStreams:
        """Return the sessions of a service by stream."""
        return StoreOfService(self.store, service)

    # Deletes

    def is_read_only(self) -> bool:
        """Whether deletes are disabled at every service."""
        return all(part.is_read_only() for part in self._parts.values())


def _answers(part: ConsoleState) -> bool:
    return part.freshness().allows_deletes and part.knows_live


def _answered_ms(part: ConsoleState) -> int | None:
    age_ms = part.freshness().age_ms
    return None if age_ms is None else part.now_ms() - age_ms
