"""What a console heard, written down poll by poll, and played again. One JSON value a line; no token is among it."""

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

import msgspec
from textual.message import Message

from streamusage.api.extension import Coverage, Placements, ServerStatus
from streamusage.core.clock import Clock
from streamusage.core.usage import SessionKey
from tui.app.messages import CoveragePolled, HistoryMissing, PollFailed, SessionsPolled
from tui.model.sessions.chart import ChartRequest
from tui.model.sessions.store import Session

NO_HISTORY = "a recording has no history of its own; the trend is what was recorded"

NOBODY_TO_ASK = "a recording has only what was heard then"


class RecordedPoll(msgspec.Struct, kw_only=True, omit_defaults=True):
    """One poll. `why_failed` is empty for one that succeeded."""

    at: int
    """UTC milliseconds by the service's clock; for a failed poll by this machine's."""
    changed: list[Session] = []
    removed: list[tuple[str, str, int]] = []
    reset: bool = False
    servers: list[ServerStatus] | None = None
    cannot_show: str = ""
    why_failed: str = ""
    retry_in_ms: int = 0
    coverage: Coverage | None = None
    """What the gap view heard; alone in its line."""
    carriers: Placements | None = None


class RecordingError(Exception):
    """A recording that cannot be written or read. The text says which, and why."""


class Recording:
    """Writes polls to a file of its own, that only the user can read. The first one holds every session."""

    def __init__(self, path: Path, clock: Clock) -> None:
        self._clock = clock
        try:
            path.touch(mode=0o600, exist_ok=False)
            self._file: BinaryIO = path.open("ab", buffering=0)
        except FileExistsError:
            raise RecordingError(f"{path} is there already; a recording is not written over") from None
        except OSError as error:
            raise RecordingError(f"{path} cannot be written: {error.strerror}") from None

    def hear(self, message: Message) -> None:
        """Writes a poll down; anything else is passed over. Raises `RecordingError`."""
        match message:
            case SessionsPolled():
                recorded = RecordedPoll(
                    at=message.now_ms or self._clock.now_ms(),
                    changed=message.changed,
                    removed=[(key.scope, key.name, key.start_time) for key in message.removed],
                    reset=message.reset,
                    servers=message.servers,
                    cannot_show=message.cannot_show,
                )
            case CoveragePolled():
                recorded = RecordedPoll(at=message.coverage.now, coverage=message.coverage, carriers=message.carriers)
            case PollFailed():
                recorded = RecordedPoll(
                    at=self._clock.now_ms(), why_failed=message.why, retry_in_ms=message.retry_in_ms
                )
            case _:
                return
        try:
            self._file.write(msgspec.json.encode(recorded) + b"\n")
        except OSError as error:
            raise RecordingError(f"the recording ends here: {error.strerror}") from None

    def close(self) -> None:
        self._file.close()


def played(path: Path) -> list[RecordedPoll]:
    """The polls of a recording, oldest first; a last line that broke off is left out. Raises `RecordingError`."""
    try:
        return list(_read(path))
    except OSError as error:
        raise RecordingError(f"{path} cannot be read: {error.strerror}") from None


def _read(path: Path) -> Iterator[RecordedPoll]:
    decoder = msgspec.json.Decoder(RecordedPoll)
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            try:
                yield decoder.decode(line)
            except (msgspec.DecodeError, UnicodeDecodeError):
                if line.endswith(b"\n"):
                    raise RecordingError(f"{path}, line {number}: this is no recording of streamtop") from None
                return


class Player:
    """Plays a recording as a poller would have polled it: up to an instant at once, from there on at its own pace."""

    def __init__(
        self, polls: list[RecordedPoll], post: Callable[[Message], object], from_ms: int, clock: Clock
    ) -> None:
        self._polls, self._post, self._from_ms, self._clock = polls, post, from_ms, clock
        self.interval_seconds = 1.0
        self.times_slower = 1
        self.nobody_to_ask = NOBODY_TO_ASK
        self._gaps_heard: list[CoveragePolled] = []
        self._wants_gaps = False

    async def run(self) -> None:
        """Plays to the end, and then lets the last poll stand."""
        last_ms: int | None = None
        for number, poll in enumerate(self._polls):
            if last_ms is not None and poll.at > self._from_ms:
                await asyncio.sleep(max(0, poll.at - max(last_ms, self._from_ms)) / 1000 * self.times_slower)
            elif number % 50 == 0:
                await asyncio.sleep(0)
            last_ms = poll.at
            self._play(_message(poll))
        await asyncio.Event().wait()

    def _play(self, message: Message) -> None:
        if isinstance(message, CoveragePolled):
            self._gaps_heard.append(message)
            if not self._wants_gaps:
                return
        self._post(message)

    def refresh(self) -> None:
        """There is nobody to ask."""

    def look_for_extension(self) -> None:
        """There is nobody to ask."""

    def wish(self, *, at_once: bool = True, **what: int | ChartRequest | None) -> None:
        """Gives the gap view what was heard of coverage so far; of history a recording holds none, and says so."""
        look = what.get("history_of")
        if isinstance(look, ChartRequest):
            self._post(HistoryMissing(look.key, NO_HISTORY))
        if "coverage_from_ms" in what:
            wanted, self._wants_gaps = self._wants_gaps, what["coverage_from_ms"] is not None
            if self._wants_gaps and (at_once or not wanted):
                for heard in self._gaps_heard:
                    self._post(heard)


def _message(poll: RecordedPoll) -> Message:
    if poll.why_failed:
        return PollFailed(poll.why_failed, False, poll.retry_in_ms)
    if poll.coverage is not None:
        return CoveragePolled(poll.coverage, poll.carriers)
    removed = [SessionKey(*key) for key in poll.removed]
    return SessionsPolled(poll.changed, removed, poll.reset, poll.at, poll.servers, poll.cannot_show)
