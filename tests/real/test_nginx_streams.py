"""Figures by stream of a real nginx, against the sums of its own log."""

import asyncio
from collections import Counter

import pytest

from streamusage.agent.metering import meter
from streamusage.agent.sources.nginx_rtmp.access_log import parse_line
from streamusage.agent.sources.nginx_rtmp.source import NginxRtmpSource
from streamusage.core.figures import SUM_NAMES
from tests.support.real.nginx import Nginx, sum_log
from tests.support.waiting import PATIENT

pytestmark = pytest.mark.real


def logged_bytes(nginx: Nginx) -> dict[str, tuple[int, int]]:
    """Return the bytes in and out of each stream by the lines of the log."""
    sums: dict[str, tuple[int, int]] = {}
    for line in nginx.access_log.read_bytes().splitlines():
        connection = parse_line(line)
        if connection is not None and connection.name:
            bytes_in, bytes_out = sums.get(connection.name, (0, 0))
            sums[connection.name] = bytes_in + connection.bytes_in, bytes_out + connection.bytes_out
    return sums


async def test_streams_and_the_rest_sum_to_the_server_and_streams_are_those_of_the_log(nginx: Nginx) -> None:
    source = NginxRtmpSource(nginx.stat_url, nginx.access_log, options=PATIENT)
    reading = await source.read(None)
    state, _ = meter.start(reading)
    programs = [nginx.publish("one"), nginx.publish("two")]
    await nginx.wait_for_clients(2)
    programs += [nginx.watch("one"), nginx.watch("one"), nginx.watch("one"), nginx.watch("two")]
    await nginx.wait_for_clients(6)
    server, streams, words = Counter[str](), dict[str, Counter[str]](), Counter[str]()
    for number in range(16):
        if number == 15:
            for program in programs:
                program.stop()
            await nginx.wait_for_clients(0)
        reading = await source.read(reading.cursor)
        state, added = meter.step(state, reading)
        for slot in added.slots.values():
            server.update(
                connections=slot.connections.total(),
                **{name: getattr(slot, name) for name in SUM_NAMES if name != "connections"},
            )
        for parts in added.streams.values():
            for stream, part in parts.items():
                streams.setdefault(stream.name, Counter()).update({name: getattr(part, name) for name in SUM_NAMES})
                words[part.traffic] += 1
        await asyncio.sleep(0.5)
    await source.close()
    whole = sum_log(nginx.access_log)
    assert (server["bytes_in"], server["bytes_out"], server["connections"]) == (whole.bytes_in, whole.bytes_out, 4)
    for name in SUM_NAMES:
        assert sum(figures[name] for figures in streams.values()) == server[name], f"all {name} are of a stream"
    assert {name: figures["connections"] for name, figures in streams.items()} == {"one": 3, "two": 1}
    for name, (bytes_in, bytes_out) in logged_bytes(nginx).items():
        assert streams[name]["bytes_in"] == pytest.approx(bytes_in, rel=0.1)
        assert streams[name]["bytes_out"] == pytest.approx(bytes_out, rel=0.1)
    assert words["measured"] > words["apportioned"]
