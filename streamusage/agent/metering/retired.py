"""Earlier boots of the media server: which still serve connections, which is back, and which began a connection. Pure.

A reload or a binary upgrade of the server leaves the connections of the old boot with it: no page shows them any more,
and their log lines arrive when they end. After an upgrade that is rolled back, an earlier boot is the present one
again.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence

import msgspec

from streamusage.agent.reading import Reading
from streamusage.api.report import Baseline, PeakWindow, RetiredBoot

KEEP_RETIRED_MS = 24 * 3600 * 1000
"""How long the log may still contain new sessions of an earlier boot, or lines of viewers that left unnoticed. So long
a boot is waited for of which it is not certain that it still serves connections."""

LONGEST_DRAIN_MS = 40 * 24 * 3600 * 1000
"""An earlier boot is kept at most this long."""

MOST_RETIRED = 8
"""How many boots are kept that serve no connections."""

MOST_DRAINING = 32
"""How many boots are kept that may serve connections."""


def raw_name(boot: str) -> str:
    """Return the name of a boot at the media server, without the meter's suffix."""
    return boot.partition("~")[0]


def boot_of(connection: str) -> str:
    """Return the boot of a viewer or publish by its id."""
    return connection.rpartition("/")[0]


def retire(before: Baseline, retired_at: int) -> RetiredBoot:
    """Return the boot of a baseline as an earlier one. Its log may still grow; its counters are shown no more."""
    return RetiredBoot(
        boot=before.boot,
        started_at=before.started_at,
        bytes_in=before.bytes_in,
        bytes_out=before.bytes_out,
        logged_in=before.logged_in,
        logged_out=before.logged_out,
        retired_at=retired_at,
    )


def resume(before: Baseline, retired_at: int, reading: Reading) -> Baseline | None:
    """Return the baseline with the earlier boot that a reading shows again; `None` if it shows none.

    The bytes of that boot continue from what is counted for it. The boot of the baseline becomes an earlier one.
    """
    if reading.boot == raw_name(before.boot):
        return None
    resumed = next((boot for boot in reversed(before.retired) if raw_name(boot.boot) == reading.boot), None)
    if (
        resumed is None
        or _is_less(reading.bytes_in, resumed.bytes_in)
        or _is_less(reading.bytes_out, resumed.bytes_out)
    ):
        return None
    return msgspec.structs.replace(
        before,
        boot=resumed.boot,
        started_at=resumed.started_at,
        bytes_in=resumed.bytes_in,
        bytes_out=resumed.bytes_out,
        logged_in=resumed.logged_in,
        logged_out=resumed.logged_out,
        retired=(*(boot for boot in before.retired if boot is not resumed), retire(before, retired_at)),
        window=PeakWindow(
            before.at if resumed.retired_at is None else min(before.at, resumed.retired_at),
            resumed.bytes_in + before.moved_in,
            resumed.bytes_out + before.moved_out,
        ),
        uptime_ms=None,
    )


def _is_less(shown: int, counted: int) -> bool:
    return 0 <= shown < counted


def next_generation(raw: str, before: Baseline) -> int:
    """Return the suffix of a new boot whose name at the media server is that of earlier ones; 0 if it is of none."""
    generations = [
        int(boot.partition("~")[2] or 0)
        for boot in (before.boot, *(retired.boot for retired in before.retired))
        if raw_name(boot) == raw
    ]
    return max(generations) + 1 if generations else 0


def shift(boot: RetiredBoot, by_ms: int) -> RetiredBoot:
    """Return an earlier boot with its times moved to another scale; 0, an unknown time, stays 0."""
    return boot.move(lambda at_ms: max(1, at_ms + by_ms) if at_ms else 0)


def keep_retired(
    retired: Sequence[RetiredBoot], reading: Reading, now: int, connections: Iterable[str]
) -> list[RetiredBoot]:
    """Return the earlier boots whose lines may still come: the reading may have the last lines of open connections."""
    awaited = {draining.boot for draining in reading.draining}
    awaited |= {raw_name(boot) for boot in set(map(boot_of, connections))}
    draining = [boot for boot in retired if raw_name(boot.boot) in awaited and _age_ms(boot, now) < LONGEST_DRAIN_MS]
    others = [boot for boot in retired if boot not in draining and _age_ms(boot, now) < KEEP_RETIRED_MS]
    kept = (*draining[-MOST_DRAINING:], *others[-MOST_RETIRED:])
    return [boot for boot in retired if boot in kept]


def _age_ms(boot: RetiredBoot, now: int) -> int:
    return now - (boot.started_at if boot.retired_at is None else boot.retired_at)


def draining_boots(retired: Iterable[RetiredBoot], reading: Reading, now: int) -> dict[str, bool]:
    """Return the earlier boots that serve connections, and whether this is certain.

    Where it is not, their lines are waited for a limited time only.
    """
    certain = {draining.boot: draining.is_certain for draining in reading.draining}
    return {
        boot.boot: certain[raw]
        for boot in retired
        if (raw := raw_name(boot.boot)) in certain and (certain[raw] or _age_ms(boot, now) < KEEP_RETIRED_MS)
    }


def serves_unseen(draining: Mapping[str, bool], connections: Iterable[str]) -> bool:
    """Return whether an earlier boot serves connections: certainly, or because lines of known ones are missing."""
    return any(draining.values()) or (
        bool(draining) and any(boot_of(connection) in draining for connection in connections)
    )


def boot_that_began(retired: Sequence[RetiredBoot], served: Collection[str], started_at: int, tolerance_ms: int) -> str:
    """Return the earlier boot in which a connection began: the last one, or an older one that `served` until now.

    Of other boots hardly a line is still to come: a start before the last one is then a wrong clock's.
    """
    last = retired[-1]
    if started_at >= last.started_at - tolerance_ms:
        return last.boot
    older = (boot for boot in reversed(retired[:-1]) if boot.boot in served)
    return next((boot.boot for boot in older if started_at >= boot.started_at - tolerance_ms), last.boot)


def was_given_up(retired: Iterable[RetiredBoot], boot: str, started_at: int, last_at: int) -> bool:
    """Return whether a connection that no open viewer explains was counted already: a reading showed it before its
    boot ended, and at the last reading, `last_at`, its line was waited for no longer.

    A connection of the boot that ended since the last reading is still an open viewer, however long ago that was.
    """
    return any(
        earlier.boot == boot
        and earlier.retired_at is not None
        and started_at < earlier.retired_at <= last_at - KEEP_RETIRED_MS
        for earlier in retired
    )
