"""A real Icecast whose listeners fall back to another mount and return: each byte counts once, as in its own log."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from streamusage.agent.metering import meter
from streamusage.agent.metering.meter import MeterState
from streamusage.agent.reading import Reading
from tests.support.needs import BY_MARKER, need
from tests.support.real.icecast import Icecast
from tests.support.real.processes import Programs

pytestmark = pytest.mark.real_icecast


@pytest.fixture
def icecast(programs: Programs) -> Iterator[Icecast]:
    need(*BY_MARKER["real_icecast"])
    with TemporaryDirectory(ignore_cleanup_errors=True) as directory:
        Path(directory).chmod(0o755)
        yield Icecast(Path(directory), programs, fallback=True)


async def test_listeners_who_fall_back_and_return_count_as_in_the_log(icecast: Icecast) -> None:
    await icecast.start()
    source = icecast.open_source()
    reading: Reading | None = None
    state: MeterState | None = None
    connections = bytes_out = view_time_ms = 0
    reasons: set[str] = set()

    async def read() -> None:
        nonlocal reading, state, connections, bytes_out, view_time_ms
        reading = await source.read(reading.cursor if reading else None)
        state, added = meter.start(reading) if state is None else meter.step(state, reading)
        for slot in added.slots.values():
            connections += sum(slot.connections.values())
            bytes_out += slot.bytes_out
            view_time_ms += slot.view_time_ms
        reasons.update(span.reason for span in added.spans if span.reason)

    async def read_for(seconds: float) -> None:
        ends = asyncio.get_running_loop().time() + seconds
        while asyncio.get_running_loop().time() < ends:
            await read()
            await asyncio.sleep(0.5)

    await read()
    await asyncio.sleep(3)  # the log has whole seconds: a listener who joins at once may have joined before
    first, fallback = icecast.publish(), icecast.publish("/live/b.mp3")
    await icecast.wait_until_published(2)
    listeners = [icecast.watch(), icecast.watch()]
    await icecast.wait_for_viewers(2)
    await read_for(4)
    first.stop()
    await icecast.wait_until_published(1)
    await read_for(4)
    listeners[0].stop()
    await icecast.wait_for_viewers(1)
    listeners.append(icecast.watch())
    await icecast.wait_for_viewers(2)
    await read_for(4)
    second = icecast.publish()
    await icecast.wait_until_published(2)
    await read_for(4)
    for program in listeners[1:]:
        program.stop()
    await icecast.wait_for_log_lines(3)
    await read_for(7)
    second.stop()
    fallback.stop()
    await icecast.wait_until_idle()
    await read()
    await source.close()

    sums = icecast.sum_log()
    assert (connections, sums.listeners) == (3, 3)
    assert bytes_out == sums.bytes_out
    assert abs(view_time_ms - sums.listening_seconds * 1000) <= 3 * 1000
    assert state is not None
    assert not state.viewers
    assert not any("disagrees" in reason for reason in reasons)
