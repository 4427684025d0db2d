"""A minimal RTMP client, for what no encoder does: names of any bytes, a publish without media, a close on command."""

import asyncio
import contextlib
import os
import struct
from types import TracebackType
from typing import Self

from tests.support.waiting import LONGEST_WAIT_S

_CHUNK_BYTES = 128
_COMMAND, _AUDIO = 20, 8
_HANDSHAKE_BYTES = 1536


def _string(value: bytes) -> bytes:
    return b"\x02" + struct.pack(">H", len(value)) + value


def _number(value: float) -> bytes:
    return b"\x00" + struct.pack(">d", value)


def _object(**values: bytes) -> bytes:
    fields = b"".join(struct.pack(">H", len(key)) + key.encode() + _string(value) for key, value in values.items())
    return b"\x03" + fields + b"\x00\x00\x09"


class RtmpClient:
    """A connection to an application. Names are bytes, sent as they are. It closes at the end of the block."""

    def __init__(self, port: int, app: bytes = b"live", flashver: bytes = b"test/1.0") -> None:
        self._port, self._app, self._flashver = port, app, flashver
        self._time_ms = 0
        self.received = b""
        self.is_closed = False
        """Whether the server closed the connection."""

    async def __aenter__(self) -> Self:
        self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port)
        self._writer.write(b"\x03" + bytes(8) + os.urandom(_HANDSHAKE_BYTES - 8))
        answer = await asyncio.wait_for(self._reader.readexactly(1 + 2 * _HANDSHAKE_BYTES), LONGEST_WAIT_S)
        self._writer.write(answer[1 : 1 + _HANDSHAKE_BYTES])
        self._draining = asyncio.create_task(self._drain())
        url = b"rtmp://127.0.0.1/" + self._app
        self._command(0, _string(b"connect"), _number(1), _object(app=self._app, flashVer=self._flashver, tcUrl=url))
        self._command(0, _string(b"createStream"), _number(2), b"\x05")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._draining.cancel()
        self._writer.close()
        with contextlib.suppress(OSError):
            await self._writer.wait_closed()

    async def publish(self, name: bytes) -> None:
        """Send the command to publish a stream."""
        self._command(1, _string(b"publish"), _number(3), b"\x05", _string(name), _string(b"live"))
        await self._writer.drain()

    async def play(self, name: bytes) -> None:
        """Send the command to play a stream."""
        self._command(1, _string(b"play"), _number(4), b"\x05", _string(name))
        await self._writer.drain()

    async def send_audio(self, packets: int = 20, packet_bytes: int = 100) -> None:
        """Send AAC packets, the first of them with the codec's configuration."""
        for number in range(packets):
            payload = b"\xaf\x00\x12\x10" if number == 0 else b"\xaf\x01" + os.urandom(packet_bytes)
            self._message(4, _AUDIO, 1, payload)
            self._time_ms += 23
        with contextlib.suppress(ConnectionError):
            await self._writer.drain()

    @property
    def is_refused(self) -> bool:
        """Whether the server denied the last command, or has it that the name is taken."""
        return self.is_closed or b"BadName" in self.received

    async def _drain(self) -> None:
        with contextlib.suppress(OSError):
            while received := await self._reader.read(65_536):
                self.received += received
        self.is_closed = True

    def _command(self, stream: int, *values: bytes) -> None:
        self._message(3, _COMMAND, stream, b"".join(values))

    def _message(self, chunk_stream: int, kind: int, stream: int, payload: bytes) -> None:
        header = struct.pack(">I", self._time_ms)[1:] + struct.pack(">I", len(payload))[1:] + bytes([kind])
        self._writer.write(bytes([chunk_stream]) + header + struct.pack("<I", stream))
        for start in range(0, len(payload), _CHUNK_BYTES):
            if start:
                self._writer.write(bytes([0xC0 | chunk_stream]))
            self._writer.write(payload[start : start + _CHUNK_BYTES])
