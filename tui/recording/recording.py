"""Recordings: what a console polled, poll by poll. One JSON value a line; no token is in it."""

import asyncio
import contextlib
import gzip
import io
import tarfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import BinaryIO

import msgspec
from textual.message import Message

from streamusage.api.alerts import AlertSummary
from streamusage.api.extension import Coverage, Placements, ServerStatus
from streamusage.core.clock import Clock
from tui.app.messages import PollFailed, SessionsPolled
from tui.app.messages.views import CoveragePolled
from tui.config.profiles import DEFAULT_POLL_INTERVAL_S
from tui.model.sessions.store import Session
from tui.recording.errors import RecordingError
from tui.recording.knowledge import RecordedDays

_GZIP = b"\x1f\x8b"
_OBJECT = b"{"
"""Start of every line of a recording."""
TAPE_IN_BUNDLE = "streamtop-incident/replay.tape"


class RecordedPoll(msgspec.Struct, kw_only=True, omit_defaults=True):
    """One poll. `why_failed` is empty for one that succeeded."""

    at: int
    """UTC milliseconds by the service's clock; for a failed poll, and where there are several, by this machine's."""
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
    alerts: AlertSummary | None = None
    service: str = ""
    """The profile of the service that was polled, where there are several."""
    now: int = 0
    """UTC milliseconds by the clock of that service, for a poll that succeeded."""
    services: list[str] = []
    """All services of the recording, in their order, where there are several; in its first line only."""


class PollWriter:
    """Writes the polls of one service. The first of them holds every session. `service` names one of several."""

    def __init__(self, write: Callable[[RecordedPoll], None], clock: Clock, service: str = "") -> None:
        self._write, self._clock, self._service = write, clock, service
        self.polled_at_ms = 0
        """Time of the newest poll."""
        self.has_poll = asyncio.Event()

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
                    alerts=message.alerts,
                )
            case CoveragePolled():
                recorded = RecordedPoll(at=message.coverage.now, coverage=message.coverage, carriers=message.carriers)
            case PollFailed():
                recorded = RecordedPoll(
                    at=self._clock.now_ms(), why_failed=message.why, retry_in_ms=message.retry_in_ms or 0
                )
            case _:
                return
        self._write_line(recorded)

    def write_days(self, days: RecordedDays) -> None:
        """Write daily statistics, with the time of the newest poll. Raises `RecordingError`."""
        self._write_line(RecordedPoll(at=self.polled_at_ms, days=days))

    def _write_line(self, recorded: RecordedPoll) -> None:
        if self._service:
            # Clocks of services differ, and a recording has one course of time.
            recorded.service, recorded.now, recorded.at = self._service, recorded.at, self._clock.now_ms()
        self._write(recorded)


class Recording(PollWriter):
    """A new file of polls that only the user can read. Raises `RecordingError`."""

    def __init__(self, path: Path, clock: Clock) -> None:
        super().__init__(self._append, clock)
        self.path = path
        self._services: list[str] = []
        self.polls = 0
        """Number of polls that are written, failed ones included."""
        self.has_failed = False
        """Whether a line could not be written."""
        try:
            path.touch(mode=0o600, exist_ok=False)
            self._file: BinaryIO = path.open("ab", buffering=0)
        except FileExistsError:
            raise RecordingError(f"{path} exists already; a recording is never overwritten") from None
        except OSError as error:
            raise RecordingError(f"{path} cannot be written: {error.strerror}") from None

    def of_services(self, names: Iterable[str]) -> dict[str, PollWriter]:
        """Return the writers of several services, by name. The first line that is written names all of them."""
        self._services = list(names)
        return {name: PollWriter(self._append, self._clock, name) for name in self._services}

    def _append(self, recorded: RecordedPoll) -> None:
        recorded.services, self._services = self._services, []
        try:
            self._file.write(msgspec.json.encode(recorded) + b"\n")
            self.polls += recorded.coverage is None and recorded.days is None
        except OSError as error:
            self.has_failed = True
            raise RecordingError(f"the recording stops here, the polls before are kept: {error.strerror}") from None

    def resume(self) -> None:
        """Continue after a pause: the next poll holds every session again."""
        self.polled_at_ms, self.has_poll = 0, asyncio.Event()

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def read_recording(path: Path) -> list[RecordedPoll]:
    """Return the polls of a recording or of an incident bundle, oldest first. Raises `RecordingError`.

    The recording may be compressed with gzip. An incomplete last line is left out.
    """
    try:
        with path.open("rb") as file:
            is_compressed = file.read(len(_GZIP)) == _GZIP
            file.seek(0)
            if not is_compressed:
                return list(_decode_lines(path, file))
            with gzip.open(file) as tape:
                if tape.peek(1)[:1] == _OBJECT:
                    return list(_decode_lines(path, tape))
            return list(_decode_lines(path, _tape_in_bundle(path)))
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise RecordingError(f"{path} is not a complete incident bundle or compressed recording: {error}") from None
    except OSError as error:
        raise RecordingError(f"{path} cannot be read: {error.strerror}") from None


def services_of(polls: Sequence[RecordedPoll]) -> list[str]:
    """Return the services of a recording of several, in their order; empty for one of one service."""
    return list(dict.fromkeys([*(polls[0].services if polls else ()), *(p.service for p in polls if p.service)]))


def poll_interval_s(polls: Iterable[RecordedPoll]) -> float:
    """Return the usual time between two successful polls of a service; a console's default where there are too few."""
    at_ms = [poll.at for poll in polls if not poll.why_failed and poll.coverage is None and poll.days is None]
    between = sorted(after - before for before, after in pairwise(at_ms) if after > before)
    return between[(len(between) - 1) // 2] / 1000 if between else DEFAULT_POLL_INTERVAL_S


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
