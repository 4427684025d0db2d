"""A small HTTP listener for a media server's callbacks, which are on disk before they are answered.

Media servers send a callback once and forget it, and some close the session when the answer is not 200 at once: so the
answer is always 200, and what was sent is a line of the spool, which is read like any other log. A line `listening`
stands where the listener began: what was sent before it, after the line above it, is lost.
"""

import asyncio
import contextlib
import logging
import os
from pathlib import Path
from typing import BinaryIO, NamedTuple

import h11
import msgspec

from streamusage.agent.reading import LogGoneError, SourceError
from streamusage.agent.sources.common.log_follower import LogPosition
from streamusage.agent.sources.common.log_reader import LogReader
from streamusage.core.clock import Clock

LOG = logging.getLogger(__name__)

LARGEST_BODY_BYTES = 64 << 10
ROTATE_FROM_BYTES = 8 << 20
"""The spool is begun anew at this length, once all of it is counted. The old one stays for a new journal."""

REQUEST_SECONDS = 10.0


class Hook(msgspec.Struct, frozen=True, omit_defaults=True):
    """One line of the spool."""

    at: int
    """When it came, by the agent's clock."""
    path: str = ""
    body: str = ""
    mark: str = ""
    """`listening` where the listener began, `rotated` at the head of a new file; empty for a callback."""


class Hooks(NamedTuple):
    """Callbacks without the marks between them, and the position after them."""

    hooks: list[Hook]
    position: LogPosition
    lost: bool
    """Whether some did not come here: the listener began anew, or lines of the spool are gone."""


class HookSpool:
    """The listener and its file. `start` may be called again and again."""

    def __init__(self, listen: str, path: Path, clock: Clock) -> None:
        self.path = path
        host, _, port = listen.rpartition(":")
        self._host, self._port = host.strip("[]"), int(port)
        self._clock = clock
        self._reader = LogReader(path, clock, "notify_listen")
        self._server: asyncio.Server | None = None
        self._file: BinaryIO | None = None
        self._syncing = asyncio.Lock()
        self._written = self._synced = 0
        self._broken = False

    async def start(self) -> None:
        """Listens, if it does not yet. Raises `SourceError` where the address or the file cannot be had."""
        try:
            if self._file is None:
                self.path.parent.mkdir(parents=True, exist_ok=True)
                self._file = self.path.open("ab")
                self._close_last_line()
                self._broken = True
            if self._server is None:
                self._server = await asyncio.start_server(self._serve, self._host, self._port)
            if self._broken:
                await self._append(Hook(self._clock.now_ms(), mark="listening"))
                self._broken = False
        except OSError as error:
            raise SourceError(
                f"callbacks cannot be taken at {self._host}:{self._port} into {self.path} "
                f"({error.strerror or error}); free the address, or make the file's folder writable for the agent"
            ) from None

    async def close(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
        if self._file is not None:
            self._file.close()
            self._file = None

    async def end(self) -> LogPosition:
        """The position after the last callback."""
        return await self._reader.end()

    async def read(self, position: LogPosition) -> Hooks:
        """The callbacks since a position. A long file is begun anew when all is read."""
        read = await self._reader.read(position)
        if not read.lines and read.position.offset > ROTATE_FROM_BYTES:
            await self._rotate()
        hooks = hooks_of(read.lines)
        lost = read.lost or any(hook.mark == "listening" for hook in hooks)
        return Hooks(_unmarked(hooks), read.position, lost)

    async def between(self, start: LogPosition | None, end: LogPosition | None) -> list[Hook]:
        """The callbacks between two positions. Raises `LogGoneError`."""
        return _unmarked(hooks_of(await self._reader.between(start, end)))

    async def before(self, position: LogPosition) -> list[Hook]:
        """All callbacks that are still there from before a position."""
        for path in (self._rotated, self.path):
            try:
                start = LogPosition(path.stat().st_ino, 0, 0)
            except OSError:
                continue
            with contextlib.suppress(LogGoneError):
                return await self.between(start, position)
        return []

    @property
    def _rotated(self) -> Path:
        return self.path.with_name(f"{self.path.name}.1")

    async def _rotate(self) -> None:
        try:
            async with self._syncing:
                self.path.replace(self._rotated)
                old, self._file = self._file, self.path.open("ab")
                if old is not None:
                    old.close()
            await self._append(Hook(self._clock.now_ms(), mark="rotated"))
        except OSError as error:
            LOG.warning("hook_spool_not_rotated path=%s detail='%s'", self.path, error.strerror or error)

    def _close_last_line(self) -> None:
        """Ends a line that a crash cut off, so that the next one can be read."""
        assert self._file is not None
        size = self._file.tell()
        if size:
            with self.path.open("rb") as file:
                file.seek(size - 1)
                if file.read(1) != b"\n":
                    self._file.write(b"\n")
                    self._file.flush()

    async def _append(self, hook: Hook) -> None:
        """Writes a line. Those that come while the disk is busy share its next turn."""
        if self._file is None:
            raise OSError("the spool is closed")
        self._file.write(msgspec.json.encode(hook) + b"\n")
        self._file.flush()
        self._written += 1
        number = self._written
        async with self._syncing:
            if self._synced < number and self._file is not None:
                upto = self._written
                await asyncio.to_thread(os.fdatasync, self._file.fileno())
                self._synced = upto

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = h11.Connection(h11.SERVER)
        try:
            while True:
                async with asyncio.timeout(REQUEST_SECONDS):
                    if not await self._answer_one(connection, reader, writer):
                        return
                connection.start_next_cycle()
        except (TimeoutError, h11.ProtocolError, ConnectionError):
            pass
        finally:
            writer.close()

    async def _answer_one(
        self, connection: h11.Connection, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        """Takes one callback. False once the other side has closed."""
        body = bytearray()
        path = ""
        while True:
            event = connection.next_event()
            if event is h11.NEED_DATA:
                if connection.they_are_waiting_for_100_continue:
                    writer.write(connection.send(h11.InformationalResponse(status_code=100, headers=[])) or b"")
                connection.receive_data(await reader.read(65_536))
            elif isinstance(event, h11.Request):
                path = event.target.decode("latin-1")[:1024]
            elif isinstance(event, h11.Data):
                body += event.data[: LARGEST_BODY_BYTES - len(body)]
            elif isinstance(event, h11.EndOfMessage):
                break
            else:
                return False
        await self._keep(Hook(self._clock.now_ms(), path, body.decode("utf-8", "replace")))
        head = h11.Response(status_code=200, headers=[("Content-Length", "0")])
        writer.write((connection.send(head) or b"") + (connection.send(h11.EndOfMessage()) or b""))
        await writer.drain()
        return connection.our_state is h11.DONE

    async def _keep(self, hook: Hook) -> None:
        try:
            await self._append(hook)
        except OSError as error:
            self._broken = True
            LOG.error(
                "hook_lost path=%s detail='%s'; the time is covered in part only. Make room on the disk",
                self.path,
                error.strerror or error,
            )


def _unmarked(hooks: list[Hook]) -> list[Hook]:
    return [hook for hook in hooks if not hook.mark]


def hooks_of(lines: list[bytes]) -> list[Hook]:
    """The lines of a spool; what a crash left of a line is passed over."""
    hooks = []
    for line in lines:
        try:
            hooks.append(msgspec.json.decode(line, type=Hook))
        except (msgspec.DecodeError, UnicodeDecodeError):
            continue
    return hooks
