"""Short readings for tests, and the meter's additions for a sequence of them."""

from typing import Any

import msgspec

from streamusage.agent.metering import meter
from streamusage.agent.metering.additions import Additions
from streamusage.agent.metering.meter import MeterState
from streamusage.agent.reading import EndedConnection, PublishReading, Reading, ViewerReading
from streamusage.core.coverage import SLOT_MS

T0 = 1_000 * SLOT_MS


def reading(at: int, **fields: Any) -> Reading:
    return msgspec.structs.replace(
        Reading(at=T0 + at, boot="b1", started_at=T0 - 1_000_000, bytes_in=0, bytes_out=0, logs_ends=True), **fields
    )


def viewer(number: int, age_ms: int, protocol: str = "rtmp") -> ViewerReading:
    return ViewerReading(viewer_id=str(number), scope="live", name="s1", protocol=protocol, age_ms=age_ms)


def publish(number: int, age_ms: int) -> PublishReading:
    return PublishReading(publish_id=str(number), scope="live", name="s1", age_ms=age_ms)


def line(number: int, ended_at: int, duration_ms: int, **fields: Any) -> EndedConnection:
    return msgspec.structs.replace(
        EndedConnection(
            connection_id=str(number),
            kind="play",
            scope="live",
            name="s1",
            protocol="rtmp",
            ended_at=T0 + ended_at,
            duration_ms=duration_ms,
            granularity_ms=1000,
            bytes_in=0,
            bytes_out=0,
        ),
        **fields,
    )


def run(*readings: Reading) -> tuple[MeterState, Additions]:
    """Return the last state, and the sum of all additions after the first reading."""
    state, _ = meter.start(readings[0])
    whole = Additions()
    for next_reading in readings[1:]:
        state, added = meter.step(state, next_reading)
        for slot, more in added.slots.items():
            into = whole.slot(slot)
            into.connections.update(more.connections)
            into.bytes_in += more.bytes_in
            into.bytes_out += more.bytes_out
            into.view_time_ms += more.view_time_ms
            into.peak_in, into.peak_out = more.peak_in or into.peak_in, more.peak_out or into.peak_out
        whole.spans += added.spans
        whole.sessions |= added.sessions
        whole.samples |= added.samples
    return state, whole


def view_time(additions: Additions) -> int:
    return sum(slot.view_time_ms for slot in additions.slots.values())


def connections(additions: Additions) -> int:
    return sum(sum(slot.connections.values()) for slot in additions.slots.values())
