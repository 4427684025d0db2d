"""Recordings: what a console polled, written and played back poll by poll. One JSON value a line; no token is in it."""

import asyncio
import contextlib
import io
import tarfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import BinaryIO, Unpack

import msgspec
from textual.message import Message

from streamusage.api.extension import Coverage, Placements, ServerStatus
from streamusage.core.clock import Clock
from streamusage.core.usage import SessionKey
from tui.app.messages import CoveragePolled, HistoryMissing, PollFailed, SessionsPolled
from tui.app.ports import SubscriptionChanges
from tui.model.sessions.store import Session
from tui.recording.errors import RecordingError
from tui.recording.knowledge import Knowledge, RecordedDays

NO_HISTORY = "a recording has no history; the trend is drawn from its polls"

_GZIP = b"\x1f\x8b"
TAPE_IN_BUNDLE = "streamtop-incident/replay.tape"

NO_SERVICE = "this is a recording: it has only what was polled then"


class RecordedPoll(msgspec.Struct, kw_only=True, omit_defaults=True):
    """One poll. `why_failed` is empty for one that succeeded."""

    at: int
    """UTC milliseconds by the service's clock; for a failed poll by this machine's."""
    changed: list[Session] = []
    removed: list[tuple[str, str, int]] = []
    reset: bool = False
    servers: list[ServerStatus] | None = None
    cannot_show: str = ""
    knows_live: bool = True
    why_failed: str = ""
    retry_in_ms: int = 0
    coverage: Coverage | None = None
    """Coverage for the gap view; alone in its line."""
    carriers: Placements | None = None
    days: RecordedDays | None = None
    """Daily statistics for the days view; alone in its line."""


class Recording:
    """Writes polls to a new file that only the user can read. The first poll holds every session.

    Raises `RecordingError`.
    """

    def __init__(self, path: Path, clock: Clock) -> None:
        self._clock = clock
        self.polled_at_ms = 0
        """Time of the newest poll in it."""
        self.has_poll = asyncio.Event()
        try:
            path.touch(mode=0o600, exist_ok=False)
            self._file: BinaryIO = path.open("ab", buffering=0)
        except FileExistsError:
            raise RecordingError(f"{path} exists already; a recording is never overwritten") from None
        except OSError as error:
            raise RecordingError(f"{path} cannot be written: {error.strerror}") from None

    def write_message(self, message: Message) -> None:
        """Write a poll; other messages are ignored. Raises `RecordingError`."""
        match message:
            case SessionsPolled():
                self.polled_at_ms = message.now_ms or self._clock.now_ms()
                self.has_poll.set()
                recorded = RecordedPoll(
                    at=self.polled_at_ms,
                    changed=list(message.changed),
                    removed=[(key.scope, key.name, key.start_time) for key in message.removed],
                    reset=message.reset,
                    servers=message.servers,
                    cannot_show=message.cannot_show,
                    knows_live=message.knows_live,
                )
            case CoveragePolled():
                recorded = RecordedPoll(at=message.coverage.now, coverage=message.coverage, carriers=message.carriers)
            case PollFailed():
                recorded = RecordedPoll(
                    at=self._clock.now_ms(), why_failed=message.why, retry_in_ms=message.retry_in_ms or 0
                )
            case _:
                return
        self._write(recorded)

    def write_days(self, days: RecordedDays) -> None:
        """Write daily statistics, with the time of the newest poll. Raises `RecordingError`."""
        self._write(RecordedPoll(at=self.polled_at_ms, days=days))

    def _write(self, recorded: RecordedPoll) -> None:
        try:
            self._file.write(msgspec.json.encode(recorded) + b"\n")
        except OSError as error:
            raise RecordingError(f"the recording stops here, the polls before are kept: {error.strerror}") from None

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def read_recording(path: Path) -> list[RecordedPoll]:
    """Return the polls of a recording or of an incident bundle, oldest first. Raises `RecordingError`.

    An incomplete last line is left out.
    """
    try:
        with path.open("rb") as file:
            is_archive = file.read(len(_GZIP)) == _GZIP
            file.seek(0)
            return list(_decode_lines(path, _tape_in_bundle(path) if is_archive else file))
    except OSError as error:
        raise RecordingError(f"{path} cannot be read: {error.strerror}") from None


def _tape_in_bundle(path: Path) -> list[bytes]:
    """Return the lines of the recording in an incident bundle. Raises `RecordingError`."""
    try:
        with (
            tarfile.open(path) as archive,
            contextlib.closing(archive.extractfile(TAPE_IN_BUNDLE) or io.BytesIO()) as tape,
        ):
            return tape.readlines()
    except KeyError:
        raise RecordingError(f"{path}: this bundle has no recording; streamtop 0.1.0 wrote none") from None
    except (tarfile.TarError, EOFError, zlib.error) as error:
        raise RecordingError(f"{path} is not a complete incident bundle: {error}") from None


def _decode_lines(path: Path, lines: Iterable[bytes]) -> Iterator[RecordedPoll]:
    decoder = msgspec.json.Decoder(RecordedPoll)
    for number, line in enumerate(lines, 1):
        try:
            yield decoder.decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError):
            if line.endswith(b"\n"):
                raise RecordingError(f"{path}, line {number}: this is not a recording of streamtop") from None
            return


class Player:
    """Plays a recording as a poll source: at once up to an instant, from there on at the pace of the recording."""

    def __init__(
        self, polls: list[RecordedPoll], post: Callable[[Message], object], from_ms: int, clock: Clock
    ) -> None:
        self._polls, self._post, self._from_ms, self._clock = polls, post, from_ms, clock
        self.interval_seconds = 1.0
        self.times_slower = 1
        self.no_service_reason = NO_SERVICE
        self.knowledge = Knowledge()
        """The coverage and the days played so far."""
        self._is_coverage_subscribed = False

    async def run(self) -> None:
        """Play to the end, then keep the last poll on the screen."""
        last_ms: int | None = None
        for number, poll in enumerate(self._polls):
            if last_ms is not None and poll.at > self._from_ms:
                await asyncio.sleep(max(0, poll.at - max(last_ms, self._from_ms)) / 1000 * self.times_slower)
            elif number % 50 == 0:
                await asyncio.sleep(0)
            last_ms = poll.at
            if poll.days is not None:
                self.knowledge.add_days(poll.days)
            else:
                self._publish(_message_of(poll))
        await asyncio.Event().wait()

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
        poll.at,
        poll.servers,
        poll.cannot_show,
        knows_live=poll.knows_live,
    )
