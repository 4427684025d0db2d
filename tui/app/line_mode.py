"""The line mode: what changes, as sentences, one a line, for screen readers and logs. Nothing is drawn or redrawn."""

from collections.abc import Callable, Iterator

from textual.message import Message

from streamusage.core.coverage import Provenance
from tui.app.messages import PollFailed, SessionsPolled
from tui.app.state import ConsoleState
from tui.model import formats
from tui.model.sessions.store import Change
from tui.model.text import safe
from tui.recording.recording import Recording

MOST_SENTENCES = 20
"""In one poll; of more the rest is counted."""
TOLD_FROM_SHARE = 0.1
"""An audience that moved by less than this since it was last told is not told again."""


class LineMode:
    """Turns polls into sentences. `write` gets one line each, without its end."""

    def __init__(self, state: ConsoleState, write: Callable[[str], None], tape: Recording | None = None) -> None:
        self._state, self._write, self._tape = state, write, tape
        self._told: dict[object, int] = {}
        self._owing: set[str] = set()
        self._is_first = True
        self._failed = False

    def hear(self, message: Message) -> None:
        """Takes in what the poller posts."""
        if self._tape is not None:
            self._tape.hear(message)
        if isinstance(message, PollFailed):
            self._state.missed(message)
            if not self._failed:
                self._say(f"{safe(message.why)}; what was told before still stands")
            self._failed = True
        elif isinstance(message, SessionsPolled):
            changes = self._state.heard(message)
            if self._failed:
                self._say("the service answers again")
            self._failed = False
            self._tell(changes)

    def _tell(self, changes: list[Change]) -> None:
        if self._is_first:
            self._is_first = False
            totals = self._state.store.totals()
            self._say(
                f"{safe(self._state.host)}: {formats.count(totals.live)} live of {formats.count(totals.sessions)} "
                f"sessions, {formats.count(totals.watching)} watching"
            )
            for session in self._state.store.live():
                self._told[session.key] = session.active or 0
            if self._state.cannot_show:
                self._say(self._state.cannot_show)
        else:
            told = list(self._sentences(changes))
            for sentence in told[:MOST_SENTENCES]:
                self._say(sentence)
            if len(told) > MOST_SENTENCES:
                self._say(f"and {len(told) - MOST_SENTENCES:,} changes more")
        self._tell_servers()

    def _sentences(self, changes: list[Change]) -> Iterator[str]:
        for key, before, after in changes:
            one = after or before
            if one is None or not self._state.view.filter.matches(one, self._state.now_ms()):
                continue
            name = safe(f"{key.scope}/{key.name}")
            was_live = before is not None and before.live
            if after is None:
                self._told.pop(key, None)
                started = formats.moment(key.start_time, self._state.now_ms(), self._state.tz)
                yield f"{name}: the record of {started} is gone"
            elif after.live and not was_live:
                self._told[key] = after.active or 0
                yield f"{name} started, {formats.count(after.active)} watching"
            elif was_live and not after.live:
                self._told.pop(key, None)
                lasted = formats.duration_in_words(max(0, after.duration_ms or 0))
                figures = f"peak {formats.count(after.peak)}, {formats.count(after.total)} in all"
                yield f"{name} ended after {lasted}, {figures}"
            elif before is not None and after.provenance is not before.provenance and after.provenance is not None:
                if after.provenance is not Provenance.LIVE:
                    yield f"{name}: its figures are {after.provenance.value}"
            elif after.live and self._moved(key, after.active or 0):
                last, self._told[key] = self._told.get(key, 0), after.active or 0
                yield f"{name}: {formats.count(after.active)} watching, {(after.active or 0) - last:+,}"

    def _moved(self, key: object, active: int) -> bool:
        last = self._told.get(key, 0)
        return abs(active - last) > max(1, TOLD_FROM_SHARE * last)

    def _tell_servers(self) -> None:
        owing = {one.server: one for one in self._state.servers or () if one.owed_ms > 3 * one.sync_interval_ms}
        for server in sorted(owing.keys() - self._owing):
            self._say(f"server {safe(server)} owes {formats.duration_in_words(owing[server].owed_ms)}")
        for server in sorted(self._owing - owing.keys()):
            self._say(f"server {safe(server)} owes nothing more")
        self._owing = set(owing)

    def _say(self, sentence: str) -> None:
        at = formats.clock_time(self._state.now_ms(), self._state.tz, seconds=True)
        self._write(f"{at} {sentence}")
