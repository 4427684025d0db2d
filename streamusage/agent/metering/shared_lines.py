"""Log lines whose bytes several counters contain: those of a listener who moved between mounts. Pure.

It is unknown how the bytes of such a line are divided among the counters. All that the lines report and all that the
counters show describe the same bytes, so what counts is the larger of the two sums, and each byte counts once.
"""

from collections.abc import Iterable

from streamusage.agent.metering.counters import CounterDifference
from streamusage.agent.reading import SHARED
from streamusage.api.report import OpenCounter


def add_shared_lines(
    before: Iterable[OpenCounter], moved: CounterDifference, logged: tuple[int, int], shared_logged: tuple[int, int]
) -> CounterDifference:
    """Return the counters with the shared one after a reading, and the bytes that all of them add.

    `moved` is the difference without it; `logged` are the bytes in and out of all new lines of the other counters.
    """
    known = {counter.key: counter for counter in before}
    shared = known.pop(SHARED, OpenCounter(key=SHARED, bytes_in=0, bytes_out=0))
    bytes_in, ahead_in, logged_in, added_in = _settle(
        (shared.bytes_in, shared.ahead_in, shared.logged_in),
        moved.bytes_in,
        sum(counter.bytes_in + counter.ahead_in for counter in known.values()),
        sum(counter.bytes_in + counter.ahead_in for counter in moved.counters),
        sum(counter.logged_in for counter in known.values()) + logged[0] + shared_logged[0],
        sum(counter.logged_in for counter in moved.counters),
    )
    bytes_out, ahead_out, logged_out, added_out = _settle(
        (shared.bytes_out, shared.ahead_out, shared.logged_out),
        moved.bytes_out,
        sum(counter.bytes_out + counter.ahead_out for counter in known.values()),
        sum(counter.bytes_out + counter.ahead_out for counter in moved.counters),
        sum(counter.logged_out for counter in known.values()) + logged[1] + shared_logged[1],
        sum(counter.logged_out for counter in moved.counters),
    )
    after = OpenCounter(
        key=SHARED,
        bytes_in=bytes_in,
        bytes_out=bytes_out,
        ahead_in=ahead_in,
        ahead_out=ahead_out,
        logged_in=logged_in,
        logged_out=logged_out,
    )
    return CounterDifference((after, *moved.counters), added_in, added_out)


def _settle(
    shared: tuple[int, int, int], moved: int, level_before: int, level_after: int, logged: int, logged_after: int
) -> tuple[int, int, int, int]:
    """Return value, `ahead` and log sum of the shared counter after a reading, and the bytes that all counters add.

    `level_before` and `level_after` are what the other counters count, of which `level_after` lacks those that are no
    longer kept; `logged` is the sum of their lines and of the new ones, `logged_after` that of those kept.
    """
    value, ahead, shared_sum = shared
    counted = value + ahead + level_before
    shown = value + level_before + moved
    lines = shared_sum + logged
    now = max(counted, shown, lines)
    return max(0, shown - level_after), now - shown, max(0, lines - logged_after), now - counted
