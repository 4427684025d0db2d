"""The byte counters of a boot, which never fall while it lasts: a lower figure than before bounds them. Pure."""

import msgspec

from streamusage.agent.reading import Reading
from streamusage.api.report import Baseline


def settle_root_counters(before: Baseline, reading: Reading) -> tuple[Reading, bool]:
    """Return the reading with its counters held at their last values where they are unknown or fell in a living boot,
    and whether one of them fell.

    A counter that fell is that of a new boot, unless a connection on the page is older than the last reading, or unless
    it fell to no less than half.
    """
    if reading.boot != before.boot.partition("~")[0]:
        return _held(reading, 0, 0), False
    pairs = ((reading.bytes_in, before.bytes_in), (reading.bytes_out, before.bytes_out))
    fallen = [(shown, kept) for shown, kept in pairs if 0 <= shown < kept]
    if fallen and not _is_living(before, reading) and any(2 * shown < kept for shown, kept in fallen):
        return _held(reading, 0, 0), False
    return _held(reading, before.bytes_in, before.bytes_out, holds_fallen=True), bool(fallen)


def _held(reading: Reading, kept_in: int, kept_out: int, *, holds_fallen: bool = False) -> Reading:
    bytes_in = kept_in if reading.bytes_in < (kept_in if holds_fallen else 0) else reading.bytes_in
    bytes_out = kept_out if reading.bytes_out < (kept_out if holds_fallen else 0) else reading.bytes_out
    if (bytes_in, bytes_out) == (reading.bytes_in, reading.bytes_out):
        return reading
    return msgspec.structs.replace(reading, bytes_in=bytes_in, bytes_out=bytes_out)


def _is_living(before: Baseline, reading: Reading) -> bool:
    """Return whether a connection is older than the last reading, so that the server did not restart since."""
    if not reading.run or reading.run != before.run:
        return False
    passed_ms = reading.elapsed_ms - before.elapsed_ms
    ages_ms = [connection.age_ms for connections in (reading.publishes, reading.viewers) for connection in connections]
    return passed_ms >= 0 and max(ages_ms, default=0) > passed_ms + reading.age_slack_ms
