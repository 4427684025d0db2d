"""HLS viewers from a log: processor time against reading and splitting the same lines, and memory.

    python -m bench.agent.hls [VIEWERS] [SECONDS]

The log has a playlist and a segment of each viewer every few seconds: with 10,000 viewers 3,000 lines a second. The
agent's part is the source and the meter, with a reading every second. The baseline follows the same log and splits
each line into its fields, of which quoted ones contain spaces.
"""

import asyncio
import re
import resource
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from streamusage.agent.metering import meter
from streamusage.agent.sources.common.logs.follower import LogFollower
from streamusage.agent.sources.hls.source import HlsSource
from tests.support.agent.manual_clock import HandClock

START_S = 1_795_000_000
SEGMENT_S = 6
PLAYLISTS = 4
"""Lines of playlists for five segments; with it 10,000 viewers write 3,000 lines a second."""

_FIELDS = re.compile(r'"([^"]*)"|(\S+)')

TARGET_RATIO = 6
TARGET_MB = 120

AGENT = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/{}.0.0.0 Safari/537.36"


def lines_of_second(second: int, viewers: int) -> Iterator[bytes]:
    """The lines that all viewers write in a second."""
    for viewer in range(second % SEGMENT_S, viewers, SEGMENT_S):
        at = START_S + second + viewer / viewers
        address = f"10.{viewer >> 16}.{viewer >> 8 & 255}.{viewer & 255}"
        agent = AGENT.format(100 + viewer % 37)
        stream, rendition = viewer % 5, ("low", "720p")[viewer // 5 % 2]
        number = second // SEGMENT_S
        if (viewer + number) % 5 < PLAYLISTS:
            path = f"/hls/s{stream}_{rendition}.m3u8"
            yield f'{at:.3f} {address} "GET {path} HTTP/1.1" 200 512 "{agent}" "-"\n'.encode()
        path = f"/hls/s{stream}_{rendition}-{number}.ts"
        yield f'{at:.3f} {address} "GET {path} HTTP/1.1" 200 1048576 "{agent}" "-"\n'.encode()


async def measure_source(log: Path, seconds: int, viewers: int) -> tuple[float, int, int]:
    """Return processor seconds of the agent's part, the lines, and the connections that were counted."""
    clock = HandClock(START_S * 1000)
    source = HlsSource(log, 30_000, clock)
    reading = await source.read(None)
    state, _ = meter.start(reading)
    spent = 0.0
    lines = connections = 0
    for second in range(seconds):
        batch = list(lines_of_second(second, viewers))
        with log.open("ab") as file:
            file.write(b"".join(batch))
        lines += len(batch)
        clock.now += 1000
        started = time.process_time()
        reading = await source.read(reading.cursor)
        state, added = meter.step(state, reading)
        spent += time.process_time() - started
        connections += sum(sum(slot.connections.values()) for slot in added.slots.values())
    return spent, lines, connections


def measure_splitting(log: Path) -> float:
    """Return processor seconds of following the log in as many parts and splitting each line."""
    follower = LogFollower(log)
    position = follower.end_position()._replace(offset=0, head=0)
    started = time.process_time()
    while True:
        batch = follower.read_lines(position)
        if not batch.lines:
            break
        position = batch.position
        for line in batch.lines:
            _FIELDS.findall(line.decode("utf-8", "replace"))
    return time.process_time() - started


def main(viewers: int = 10_000, seconds: int = 120) -> None:
    """Print the ratio and the memory, with their targets."""
    with tempfile.TemporaryDirectory() as directory:
        log = Path(directory) / "hls.log"
        log.write_bytes(b"")
        agent_s, lines, connections = asyncio.run(measure_source(log, seconds, viewers))
        splitting_s = measure_splitting(log)
    memory_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{viewers} viewers, {lines / seconds:.0f} lines a second, {connections} connections counted")
    print(
        f"agent {agent_s / lines * 1e6:.1f} µs a line, splitting {splitting_s / lines * 1e6:.1f} µs: "
        f"{agent_s / splitting_s:.1f} times (target {TARGET_RATIO})"
    )
    print(f"memory {memory_mb:.0f} MB (target {TARGET_MB})")


if __name__ == "__main__":
    main(*(int(argument) for argument in sys.argv[1:]))
