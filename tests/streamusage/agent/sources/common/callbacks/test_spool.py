"""The spool of callbacks: each one is on disk before its response, and an interruption of the listener is detected."""

import asyncio
from pathlib import Path

import pytest

from streamusage.agent.reading import SourceError
from streamusage.agent.sources.common.callbacks import spool as callback_spool
from streamusage.agent.sources.common.callbacks.spool import CallbackSpool, decode_spool_lines
from streamusage.core.addresses import Address
from streamusage.core.clock import SystemClock
from tests.support.agent.callbacks import post_callbacks
from tests.support.waiting import LONGEST_WAIT_S


async def test_callback_is_in_the_file_when_its_response_arrives(spool: CallbackSpool) -> None:
    await spool.start()
    start = await spool.end_position()
    await post_callbacks(spool, "first")
    assert b'"body":"first"' in spool.path.read_bytes()
    await post_callbacks(spool, *(f"n{number}" for number in range(50)))
    callbacks, after, lost = await spool.read_callbacks(start)
    assert [callback.body for callback in callbacks[:1]] == ["first"]
    assert {callback.body for callback in callbacks[1:]} == {f"n{number}" for number in range(50)}
    assert not lost
    assert (await spool.read_callbacks(after)).callbacks == []
    assert all(first.elapsed_since(callbacks[0]) is not None for first in callbacks)


async def test_restarted_listener_leaves_a_mark(spool: CallbackSpool) -> None:
    await spool.start()
    start = await spool.end_position()
    await post_callbacks(spool, "first")
    await spool.close()
    with spool.path.open("ab") as file:
        file.write(b'{"at":1,"bo')  # the machine crashed here
    await spool.start()
    await post_callbacks(spool, "second")
    assert decode_spool_lines(spool.path.read_bytes().splitlines())[-2].mark == "listening"
    callbacks, after, lost = await spool.read_callbacks(start)
    assert [callback.body for callback in callbacks] == ["first", "second"]
    assert lost
    assert [callback.body for callback in await spool.callbacks_before(after)] == ["first", "second"]


async def test_long_spool_is_rotated_once_it_is_read(spool: CallbackSpool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(callback_spool, "ROTATE_FROM_BYTES", 500)
    await spool.start()
    start = position = await spool.end_position()
    bodies: list[str] = []
    for number in range(40):
        await post_callbacks(spool, f"callback {number}")
        for _ in range(2):
            callbacks, position, lost = await spool.read_callbacks(position)
            assert not lost
            bodies += [callback.body for callback in callbacks]
    assert bodies == [f"callback {number}" for number in range(40)]
    assert spool.path.stat().st_size < 2000
    assert start != position


async def test_invalid_request_ends_its_connection_only(spool: CallbackSpool) -> None:
    await spool.start()
    start = await spool.end_position()
    for request in (b"\x16\x03\x01\x00", b"GET\r\n\r\n", b"POST / HTTP/1.1\r\nContent-Length: zz\r\n\r\n", b""):
        reader, writer = await asyncio.open_connection("127.0.0.1", spool.address.port)
        writer.write(request)
        writer.write_eof()
        await asyncio.wait_for(reader.read(), LONGEST_WAIT_S)
        writer.close()
    await post_callbacks(spool, "x" * 200_000)
    callbacks = (await spool.read_callbacks(start)).callbacks
    assert [len(callback.body) for callback in callbacks] == [callback_spool.MAX_BODY_BYTES]


async def test_address_in_use_is_a_source_error(spool: CallbackSpool, tmp_path: Path) -> None:
    await spool.start()
    other = CallbackSpool(spool.address, tmp_path / "other.hooks", SystemClock())
    with pytest.raises(SourceError, match="cannot receive callbacks"):
        await other.start()
    await other.close()


async def test_port_0_takes_a_free_port_and_logs_it(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    opened = CallbackSpool(Address("127.0.0.1", 0), tmp_path / "free.hooks", SystemClock())
    await opened.start()
    port = int(caplog.messages[-1].rpartition(" ")[2])
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.close()
    await opened.close()
