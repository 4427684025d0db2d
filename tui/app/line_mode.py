"""The line mode: changes as sentences, one a line, for screen readers and logs. Nothing is drawn or redrawn."""

from collections.abc import Callable, Iterator, Mapping

from textual.message import Message

from streamusage.core.coverage import Provenance
from tui.app.messages import PollFailed, SessionsPolled
from tui.app.state import ConsoleState
from tui.model import formats
from tui.model.alert_list import describe_alerts
from tui.model.sessions.filter import IN_ONE_SERVICE, parse
from tui.model.sessions.store import Change
from tui.model.text import sanitize
from tui.recording.recording import PollWriter

MOST_SENTENCES = 20
"""Sentences of one poll; the rest is counted."""
DEFAULT_SUMMARY_MS = 60_000
"""A service of which nothing else is reported is summed up after so much time."""
REPORTED_FROM_SHARE = 0.1
"""An audience is reported again once it has changed by more than this share."""


class TokenRefusedError(Exception):
    """The service refused the token, so that no poll follows."""


class LineMode:
    """Turns polls into sentences. `write` receives each line, without a line end.

    After `summary_ms` without a sentence, the next poll is summed up, so that silence never means that nothing works;
    0 leaves summaries out. `service` is the profile where several services are reported: each line names it then.
    """

    def __init__(
        self,
        state: ConsoleState,
        write: Callable[[str], None],
        recording: PollWriter | None = None,
        *,
        summary_ms: int = DEFAULT_SUMMARY_MS,
        service: str = "",
    ) -> None:
        self._state, self._write, self._recording = state, write, recording
        self._summary_ms = summary_ms
        self._label = f"{sanitize(service)}: " if service else ""
        self._written_at_ms = 0
        self._failed_since_ms = 0
        self._reported: dict[object, int] = {}
        """The audience that was reported last, by session."""
        self._owing: set[str] = set()
        self._doubts_clock = False
        self._alerts = ""
        self._is_first = True
        self._failed = False

    def receive(self, message: Message) -> None:
        """Handle a message of the poller.

        Raises `RecordingError`, `TokenRefusedError`, since nobody can try again, and `FilterError` at the first poll
        where the filter compares what the service does not report.
        """
        if self._recording is not None:
            self._recording.write_message(message)
        if isinstance(message, PollFailed):
            self._state.record_failure(message)
            if not self._failed:
                figures = "its figures above" if self._label else "the figures above"
                newest = "" if self._is_first else f"; {figures} are the newest"
                self.write_sentence(f"{sanitize(message.why)}{newest}")
                self._failed_since_ms = self._state.now_ms()
            elif self._is_summary_due():
                silent = formats.duration(self._state.now_ms() - self._failed_since_ms)
                self.write_sentence(f"no answer for {silent}: {sanitize(message.why)}")
            self._failed = True
            if message.retry_in_ms is None:
                raise TokenRefusedError(message.why)
        elif isinstance(message, SessionsPolled):
            changes = self._state.apply_poll(message)
            if self._failed:
                self.write_sentence("the service answers again")
            self._failed = False
            self._report_changes(changes)
            if self._is_summary_due():
                since = formats.clock_time(self._written_at_ms, self._state.tz, seconds=True)
                self.write_sentence(f"nothing new since {since}: {self._summary()}")

    def _report_changes(self, changes: list[Change]) -> None:
        if self._is_first:
            self._is_first = False
            parse(self._state.view.filter.text, self._unknown_filter_fields())
            self.write_sentence(f"{sanitize(self._state.host)}: {self._summary()}")
            for session in self._state.store.live():
                self._reported[session.key] = session.active or 0
            if self._state.cannot_show:
                self.write_sentence(self._state.cannot_show)
        else:
            sentences = list(self._sentences(changes))
            for sentence in sentences[:MOST_SENTENCES]:
                self.write_sentence(sentence)
            if len(sentences) > MOST_SENTENCES:
                self.write_sentence(f"and {len(sentences) - MOST_SENTENCES:,} more changes")
        self._report_servers()

    def _unknown_filter_fields(self) -> Mapping[str, str]:
        unknown = self._state.unknown_filter_fields
        return {name: why for name, why in unknown.items() if not (self._label and name in IN_ONE_SERVICE)}

    def _summary(self) -> str:
        totals, unseen = self._state.totals(), self._state.unseen
        watching = f"{formats.count(totals.watching)} watching"
        owing = f"; {', '.join(map(sanitize, sorted(self._owing)))} owes time" if self._owing else ""
        return (
            f"{formats.count(totals.live)} on air of {formats.count(totals.sessions)} sessions, "
            + (f"at least {watching}, without {unseen.names()}" if unseen else watching)
            + owing
        )

    def _is_summary_due(self) -> bool:
        return bool(self._summary_ms) and self._state.now_ms() - self._written_at_ms >= self._summary_ms

    def _sentences(self, changes: list[Change]) -> Iterator[str]:
        for key, before, after in changes:
            session = after or before
            if session is None or not self._state.view.filter.matches(session, self._state.now_ms()):
                continue
            name = sanitize(f"{key.scope}/{key.name}")
            was_live = before is not None and before.live
            if after is None:
                self._reported.pop(key, None)
                started = formats.moment(key.start_time, self._state.now_ms(), self._state.tz)
                yield f"{name}: the record of {started} is gone"
            elif after.live and not was_live:
                self._reported[key] = after.active or 0
                yield f"{name} started, {formats.count(after.active)} watching"
            elif was_live and not after.live:
                self._reported.pop(key, None)
                lasted = formats.duration(max(0, after.duration_ms or 0))
                figures = f"peak {formats.count(after.peak)}, {formats.count(after.total)} in all"
                yield f"{name} ended after {lasted}, {figures}"
            elif before is not None and after.provenance is not before.provenance and after.provenance is not None:
                if after.provenance is not Provenance.LIVE:
                    yield f"{name}: its figures are {after.provenance.value}"
            elif after.live and self._moved(key, after.active or 0):
                last, self._reported[key] = self._reported.get(key, 0), after.active or 0
                yield f"{name}: {formats.count(after.active)} watching, {(after.active or 0) - last:+,}"

    def _moved(self, key: object, active: int) -> bool:
        last = self._reported.get(key, 0)
        return abs(active - last) > max(1, REPORTED_FROM_SHARE * last)

    def _report_servers(self) -> None:
        clock = self._state.service_clock
        if self._state.doubts_clock() and clock is not None and not self._doubts_clock:
            self.write_sentence(f"{sanitize(clock.message or 'the service doubts its clock')}; nothing is closed")
        elif self._doubts_clock and not self._state.doubts_clock():
            self.write_sentence("the service trusts its clock again")
        self._doubts_clock = self._state.doubts_clock()
        alerts = describe_alerts(self._state.alerts)
        if alerts != self._alerts:
            self._alerts = alerts
            self.write_sentence(alerts or "no alert of the service fires any more")
        owing = {
            status.server: status
            for status in self._state.servers or ()
            if status.owed_ms > 3 * status.sync_interval_ms
        }
        for server in sorted(owing.keys() - self._owing):
            self.write_sentence(f"server {sanitize(server)} owes {formats.duration(owing[server].owed_ms)}")
        for server in sorted(self._owing - owing.keys()):
            self.write_sentence(f"server {sanitize(server)} no longer owes anything")
        self._owing = set(owing)

    def write_sentence(self, sentence: str) -> None:
        """Write a sentence, which must be safe to print, with its time."""
        self._written_at_ms = self._state.now_ms()
        at = formats.clock_time(self._written_at_ms, self._state.tz, seconds=True)
        self._write(f"{at} {self._label}{sentence}")
