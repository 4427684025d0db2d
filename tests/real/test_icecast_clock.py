"""The Icecast source and an Icecast whose clock is set while listeners are connected."""

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from streamusage.agent.reading import EndedConnection
from tests.support.needs import BY_MARKER, need
from tests.support.real.fake_clock import FakeClock
from tests.support.real.icecast import Icecast
from tests.support.real.processes import Programs, RunningProgram

pytestmark = pytest.mark.real_icecast


@pytest.fixture
def directory() -> Iterator[Path]:
    """A directory that another user can enter."""
    need(*BY_MARKER["real_icecast"])
    with TemporaryDirectory(ignore_cleanup_errors=True) as path:
        Path(path).chmod(0o755)
        yield Path(path)


async def test_set_clock_of_icecast_ends_no_reading_and_changes_no_length(directory: Path, programs: Programs) -> None:
    clock = FakeClock(directory / "clock")
    icecast = Icecast(directory, programs, clock)
    await icecast.start()
    source = icecast.open_source()
    icecast.publish()
    await icecast.wait_until_published()
    began = time.monotonic()
    listeners = [icecast.watch() for _ in range(3)]
    await icecast.wait_for_viewers(3)
    reading = first = await source.read(None)
    started_ms = first.elapsed_ms - first.viewers[0].age_ms

    async def leave(listener: RunningProgram) -> tuple[EndedConnection, float]:
        nonlocal reading
        lines = icecast.sum_log().listeners
        listener.stop()
        length_seconds = time.monotonic() - began
        await icecast.wait_for_log_lines(lines + 1)
        reading = await source.read(reading.cursor)
        (line,) = [line for line in reading.ended if line.kind == "play"]
        return line, length_seconds

    for ahead_s, listener in zip((0, 3 * 3600, -3600), listeners, strict=True):
        clock.set_ahead(ahead_s)
        await asyncio.sleep(2)
        reading = await source.read(reading.cursor)
        assert reading.boot == first.boot
        for viewer in reading.viewers:
            assert abs(reading.elapsed_ms - viewer.age_ms - started_ms) < 3_500
        line, length_seconds = await leave(listener)
        assert abs(line.duration_ms / 1000 - length_seconds) < 3.5
    await source.close()
