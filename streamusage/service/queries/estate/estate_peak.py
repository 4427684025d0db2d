"""The highest minute of a day over all servers: summed hours, and minutes after them."""

from collections.abc import Mapping
from typing import NamedTuple

from sqlalchemy import Connection, func, select

from streamusage.core.coverage import SLOT_MS, Interval
from streamusage.service.queries.estate.server_days import DaySums, unsummed
from streamusage.service.rules.rollups import HOUR_MS, MinuteTraffic, round_to_quarters
from streamusage.service.rules.scope_hours import highest_minute_bps
from streamusage.service.store.schema import hours, slots

_LANE_BITS = 64
"""Bits of a packed minute, see `rollups.py`."""


class EstatePeak(NamedTuple):
    """The highest bandwidth of an estate in a day, in bits per second: of several servers, the highest minute of their
    traffic together; of one, its peak.
    """

    in_bps: int
    out_bps: int


def load_estate_peak(
    connection: Connection, day: Interval, found: Mapping[str, DaySums], summed_to: Mapping[str, int]
) -> EstatePeak:
    """Return the peak of a day from the servers in `found`, as daily statistics have it of these."""
    if len(found) == 1:
        (only,) = found.values()
        return EstatePeak(only.peak_in_bps or 0, only.peak_out_bps or 0)
    interval = round_to_quarters(day)
    minutes_in = minutes_out = 0
    first_hour = interval.from_ms - interval.from_ms % HOUR_MS
    table = hours.c
    query = select(table.server, table.hour, table.minutes_in, table.minutes_out)
    query = query.where(table.hour >= first_hour, table.hour < interval.to_ms)
    by_hour: dict[int, list[int]] = {}
    for server, hour, packed_in, packed_out in connection.execute(query):
        if server in found:
            first = max(0, interval.from_ms - hour) // SLOT_MS
            count = (min(HOUR_MS, interval.to_ms - hour) // SLOT_MS) - first
            part = MinuteTraffic(packed_in, packed_out).slice_minutes(first, count)
            sums = by_hour.setdefault(max(hour, interval.from_ms), [0, 0])
            sums[0] += int.from_bytes(part.bytes_in, "little")
            sums[1] += int.from_bytes(part.bytes_out, "little")
    for start, (of_hour_in, of_hour_out) in by_hour.items():
        bits = (start - interval.from_ms) // SLOT_MS * _LANE_BITS
        minutes_in += of_hour_in << bits
        minutes_out += of_hour_out << bits
    for from_ms, names in unsummed(interval, {server: summed_to[server] for server in found}):
        within = (slots.c.server.in_(names), slots.c.slot >= from_ms, slots.c.slot < interval.to_ms)
        sums_of_slot = select(slots.c.slot, func.sum(slots.c.bytes_in), func.sum(slots.c.bytes_out)).where(*within)
        for slot, bytes_in, bytes_out in connection.execute(sums_of_slot.group_by(slots.c.slot)):
            bits = (slot - interval.from_ms) // SLOT_MS * _LANE_BITS
            minutes_in += int(bytes_in) << bits
            minutes_out += int(bytes_out) << bits
    return EstatePeak(highest_minute_bps(minutes_in), highest_minute_bps(minutes_out))
