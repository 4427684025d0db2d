"""HTTP listener for a media server's callbacks: each one is written to a spool file before it is acknowledged.

A media server sends a callback only once, and some close the session unless the response is an immediate 200. Therefore
the listener always responds with 200, unless a check of the operator decides otherwise (`callback_forward`), and
callbacks are lines of a file that is read like a log. The listener writes a
line with the mark `listening` when it starts: callbacks sent after the line above it and before this start are lost.
"""

import asyncio
import contextlib
import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, NamedTuple

import h11
import msgspec

from streamusage.agent.reading import LogGoneError, SourceError
from streamusage.agent.sources.common.callbacks.forward import CallbackAnswer, CallbackForward
from streamusage.agent.sources.common.logs.follower import LogPosition
from streamusage.agent.sources.common.logs.reader import LogReader
from streamusage.agent.sources.common.sample_time import Instant
from streamusage.core.addresses import Address
from streamusage.core.clock import Clock, boot_id
from streamusage.core.open_files import describe_readable, open_to_append, others_can_read

LOG = logging.getLogger(__name__)

MAX_BODY_BYTES = 64 << 10
"""Longer bodies are truncated."""

ROTATE_FROM_BYTES = 8 << 20
"""The spool is rotated from this length on, once all of it is read. The rotated file is kept for a new journal."""

REQUEST_TIMEOUT_SECONDS = 10.0


class SpooledCallback(msgspec.Struct, frozen=True, omit_defaults=True):
    """One line of the spool. The field names are part of the file's format."""

    at: int
    """When the callback was received, by the wall clock of the agent's machine, in UTC milliseconds."""
    path: str = ""
    """Request target."""
    body: str = ""
    mark: str = ""
    """`listening` where the listener started, `rotated` at the start of a new file; empty for a callback."""
    run: str = ""
    """Boot id of the agent's machine; empty if it has none, and in lines of earlier versions."""
    elapsed_ms: int = 0
    """Elapsed time at `at`, comparable within one `run`."""
    refused: bool = False
    """Whether the operator's own check refused it, so that the media server closes the session."""

    def elapsed_since(self, earlier: "SpooledCallback") -> int | None:
        """Return the milliseconds since an earlier callback; None where the machine was rebooted in between."""
        return max(0, self.elapsed_ms - earlier.elapsed_ms) if self.run and self.run == earlier.run else None


class CallbackBatch(NamedTuple):
    """Callbacks without the marks between them, and the position after them."""

    callbacks: list[SpooledCallback]
    position: LogPosition
    lost: bool
    """Whether callbacks may be missing: the listener was restarted, or lines of the spool are gone."""


class CallbackSpool:
    """The listener and its spool file. `start` is idempotent."""

    def __init__(
        self,
        listen: Address,
        path: Path,
        clock: Clock,
        *,
        forward: CallbackForward | None = None,
        call_of: Callable[[str], str] = lambda _: "",
    ) -> None:
        """`clock` is the machine's own: callbacks are dated like the lines of a log on this machine.

        `forward` queries the operator's checks; `call_of` returns the call that a body is about.
        """
        self.path = path
        self._forward, self._call_of = forward, call_of
        self.address = listen
        self._clock = clock
        self._run = boot_id()
        self._reader = LogReader(path, clock, "notify_listen")
        self._server: asyncio.Server | None = None
        self._file: BinaryIO | None = None
        self._sync_lock = asyncio.Lock()
        self._written_lines = self._synced_lines = 0
        self._needs_mark = False

    async def start(self) -> None:
        """Start to listen, if not listening yet. Raises `SourceError` if the address or the file is not usable."""
        try:
            if self._file is None:
                self.path.parent.mkdir(parents=True, exist_ok=True)
                self._file = open_to_append(self.path)
                for spool in (self.path, self._rotated_path):
                    if others_can_read(spool):
                        LOG.warning("%s", describe_readable(spool, "callbacks with viewers' addresses"))
                self._terminate_last_line()
                self._needs_mark = True
            if self._server is None:
                self._server = await asyncio.start_server(self._serve, *self.address)
                self._log_free_port(self._server)
            if self._needs_mark:
                await self._append(self._entry(mark="listening"))
                self._needs_mark = False
        except OSError as error:
            raise SourceError(
                f"cannot receive callbacks at {self.address} with the spool {self.path} "
                f"({error.strerror or error}); free the address, or make the spool's directory writable for the agent"
            ) from None

    def _log_free_port(self, server: asyncio.Server) -> None:
        if self.address.port == 0:
            ports = {listener.getsockname()[1] for listener in server.sockets}
            LOG.warning("notify_listen has port 0: callbacks are received at port %s", ", ".join(map(str, ports)))

    async def close(self) -> None:
        """Stop listening and close the file."""
        if self._server is not None:
            self._server.close()
            self._server = None
        if self._file is not None:
            self._file.close()
            self._file = None
        if self._forward is not None:
            await self._forward.close()

    async def end_position(self) -> LogPosition:
        """Return the position after the last callback."""
        return await self._reader.end_position()

    async def read_callbacks(self, position: LogPosition) -> CallbackBatch:
        """Return the callbacks since a position. Rotates a long spool that has been read completely."""
        batch = await self._reader.read_lines(position)
        if not batch.lines and batch.position.offset > ROTATE_FROM_BYTES:
            await self._rotate()
        entries = decode_spool_lines(batch.lines)
        # A line that a crash truncated is a lost callback.
        lost = batch.lost or len(entries) < len(batch.lines) or any(entry.mark == "listening" for entry in entries)
        return CallbackBatch(_without_marks(entries), batch.position, lost)

    async def callbacks_between(self, start: LogPosition | None, end: LogPosition | None) -> list[SpooledCallback]:
        """Return the callbacks between two positions. Raises `LogGoneError`."""
        return _without_marks(decode_spool_lines(await self._reader.lines_between(start, end)))

    async def callbacks_before(self, position: LogPosition) -> list[SpooledCallback]:
        """Return all callbacks before a position that are still in the spool or in its rotated file."""
        for path in (self._rotated_path, self.path):
            try:
                start = LogPosition(path.stat().st_ino, 0, 0)
            except OSError:
                continue
            with contextlib.suppress(LogGoneError):
                return await self.callbacks_between(start, position)
        return []

    @property
    def _rotated_path(self) -> Path:
        return self.path.with_name(f"{self.path.name}.1")

    async def _rotate(self) -> None:
        try:
            async with self._sync_lock:
                self.path.replace(self._rotated_path)
                old_file, self._file = self._file, open_to_append(self.path)
                if old_file is not None:
                    old_file.close()
            await self._append(self._entry(mark="rotated"))
        except OSError as error:
            LOG.warning("callback_spool_not_rotated path=%s detail='%s'", self.path, error.strerror or error)

    def _terminate_last_line(self) -> None:
        """End a line that a crash truncated, so that the next line can be decoded."""
        assert self._file is not None
        size = self._file.tell()
        if size:
            with self.path.open("rb") as file:
                file.seek(size - 1)
                if file.read(1) != b"\n":
                    self._file.write(b"\n")
                    self._file.flush()

    def _entry(self, path: str = "", body: str = "", mark: str = "") -> SpooledCallback:
        """Return an entry of now."""
        now = Instant.take(self._clock)
        return SpooledCallback(now.wall_ms, path, body, mark, self._run, now.elapsed_ms)

    async def _append(self, entry: SpooledCallback) -> None:
        """Write a line and sync it to disk. Lines written during one sync share the next one."""
        if self._file is None:
            raise OSError("the spool is closed")
        self._file.write(msgspec.json.encode(entry) + b"\n")
        self._file.flush()
        self._written_lines += 1
        line_number = self._written_lines
        async with self._sync_lock:
            if self._synced_lines < line_number and self._file is not None:
                written_lines = self._written_lines
                await asyncio.to_thread(os.fdatasync, self._file.fileno())
                self._synced_lines = written_lines

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = h11.Connection(h11.SERVER)
        try:
            while True:
                async with asyncio.timeout(REQUEST_TIMEOUT_SECONDS):
                    if not await self._serve_request(connection, reader, writer):
                        return
                connection.start_next_cycle()
        except (TimeoutError, h11.ProtocolError, ConnectionError):
            pass
        finally:
            writer.close()

    async def _serve_request(
        self, connection: h11.Connection, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        """Receive one callback and respond. Returns False if the connection cannot be used for another one."""
        body = bytearray()
        path = content_type = ""
        while True:
            event = connection.next_event()
            if event is h11.NEED_DATA:
                if connection.they_are_waiting_for_100_continue:
                    writer.write(connection.send(h11.InformationalResponse(status_code=100, headers=[])) or b"")
                connection.receive_data(await reader.read(65_536))
            elif isinstance(event, h11.Request):
                path = event.target.decode("latin-1")[:1024]
                content_type = dict(event.headers).get(b"content-type", b"").decode("latin-1")[:256]
            elif isinstance(event, h11.Data):
                body += event.data[: MAX_BODY_BYTES - len(body)]
            elif isinstance(event, h11.EndOfMessage):
                break
            else:
                return False
        entry = self._entry(path, body.decode("utf-8", "replace"))
        answer = await self._fetch_answer(entry.body, bytes(body), content_type)
        await self._store(msgspec.structs.replace(entry, refused=answer.is_refusal))
        headers = [("Content-Length", "0"), *([("Location", answer.location)] if answer.location else [])]
        head = h11.Response(status_code=answer.status, headers=headers)
        writer.write((connection.send(head) or b"") + (connection.send(h11.EndOfMessage()) or b""))
        await writer.drain()
        return connection.our_state is h11.DONE

    async def _fetch_answer(self, text: str, body: bytes, content_type: str) -> CallbackAnswer:
        if self._forward is None:
            return CallbackAnswer()
        return await self._forward.fetch_answer(self._call_of(text), body, content_type)

    async def _store(self, callback: SpooledCallback) -> None:
        try:
            await self._append(callback)
        except OSError as error:
            self._needs_mark = True
            LOG.error(
                "callback_lost path=%s detail='cannot write the spool: %s; this time is reported as partial; "
                "free disk space'",
                self.path,
                error.strerror or error,
            )


def _without_marks(entries: list[SpooledCallback]) -> list[SpooledCallback]:
    return [entry for entry in entries if not entry.mark]


def decode_spool_lines(lines: list[bytes]) -> list[SpooledCallback]:
    """Return the entries of spool lines, without lines that a crash truncated."""
    entries = []
    for line in lines:
        try:
            entries.append(msgspec.json.decode(line, type=SpooledCallback))
        except (msgspec.DecodeError, UnicodeDecodeError):
            continue
    return entries
