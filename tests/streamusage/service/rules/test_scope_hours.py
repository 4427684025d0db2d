"""Hours by scope: folded from hours by stream, and added up over servers."""

from random import Random

from streamusage.core.coverage import Interval
from streamusage.core.figures import STREAM_SUM_NAMES
from streamusage.core.usage import StreamId
from streamusage.service.rules.rollups import HOUR_MS, QUARTER_MS
from streamusage.service.rules.scope_hours import (
    ScopedHour,
    ScopedSlot,
    fold_hour,
    fold_slot,
    highest_minute_bps,
    merge_hours,
    merge_slots,
    merge_whole_hours,
    sum_scopes,
)
from streamusage.service.rules.stream_days import sum_streams
from streamusage.service.rules.stream_hours import roll_up_streams
from streamusage.service.rules.stream_slots import ShareColumns, StreamShare, share_columns
from streamusage.service.store.streams.stream_hours import decode_scopes, encode_hour, encode_scopes, stamp_of

MINUTE = 60_000
SERVERS = ("a", "b", "c")


def slots_of(seed: int) -> list[tuple[int, ShareColumns]]:
    random = Random(seed)
    found = []
    for minute in range(2, 60, random.randint(1, 9)):
        shares = [
            StreamShare(
                f"scope-{number % (2 + seed % 3)}", f"s{number}", random.choice(("measured", "none")),
                *(random.randrange(10**9) for _ in range(4)), 0, 0, 0, 0,
            )
            for number in range(random.randint(1, 6))
        ]  # fmt: skip
        found.append((minute * MINUTE, share_columns(shares)))
    return found


def plain_sums(seeds: range, interval: Interval) -> dict[str, list[int]]:
    sums: dict[str, list[int]] = {}
    for seed in seeds:
        for slot, columns in slots_of(seed):
            if interval.from_ms <= slot < interval.to_ms:
                for scope, _, _, *numbers in zip(*columns, strict=True):
                    known = sums.setdefault(scope, [0] * 4)
                    sums[scope] = [one + more for one, more in zip(known, numbers[:4], strict=True)]
    return sums


def test_whole_hours_quarters_and_minutes_have_the_same_sums() -> None:
    seeds = range(12)
    hours = [ScopedHour(f"server-{seed}", fold_hour(roll_up_streams(slots_of(seed))[0])) for seed in seeds]
    slots: dict[int, list[ScopedSlot]] = {}
    for seed in seeds:
        for slot, columns in slots_of(seed):
            slots.setdefault(slot, []).append(ScopedSlot(f"server-{seed}", fold_slot(columns)))
    merged = [(slot, merge_slots(some)) for slot, some in slots.items()]
    hour = Interval(0, HOUR_MS)
    whole = sum_scopes([(0, merge_whole_hours(hours))], [], hour)
    quarters = sum_scopes([(0, merge_hours(hours))], [], hour)
    minutes = sum_scopes([], merged, hour)
    assert {scope: part.sums for scope, part in whole.items()} == plain_sums(seeds, hour)
    for found in (quarters, minutes):
        for scope, part in whole.items():
            for name in type(part).__slots__:
                assert getattr(found[scope], name) == getattr(part, name), (scope, name)
    cut = Interval(QUARTER_MS, 3 * QUARTER_MS)
    of_cut = sum_scopes([(0, merge_hours(hours))], [], cut)
    assert {scope: part.sums for scope, part in of_cut.items()} == plain_sums(seeds, cut)
    of_minutes = sum_scopes([], merged, cut)
    for scope, part in of_cut.items():
        assert highest_minute_bps(part.minutes_out) == highest_minute_bps(of_minutes[scope].minutes_out)
        assert part.servers == of_minutes[scope].servers


def test_folded_hour_keeps_sums_by_scope_and_is_stored_as_it_is() -> None:
    hour = roll_up_streams(slots_of(5))[0]
    folded = fold_hour(hour)
    assert decode_scopes(encode_scopes(folded)) == folded
    streams = sum_streams([(0, hour)], Interval(0, HOUR_MS), with_minutes=False)
    scopes = sum_streams([(0, folded)], Interval(0, HOUR_MS), with_minutes=False)
    for scope, part in scopes.items():
        parts = [figures.sums for stream, figures in streams.items() if stream.scope == scope.scope]
        assert part.sums == tuple(map(sum, zip(*parts, strict=True)))
        assert scope == StreamId(scope.scope, "")
    assert len(STREAM_SUM_NAMES) == 4


def test_stamps_differ_where_hours_differ_and_are_never_0() -> None:
    stamps = [stamp_of(encode_hour(roll_up_streams(slots_of(seed))[0])) for seed in range(20)]
    assert len(set(stamps)) == 20
    assert min(stamps) > 0
    assert stamps[3] == stamp_of(encode_hour(roll_up_streams(slots_of(3))[0]))


def test_highest_minute_of_nothing_is_0() -> None:
    assert highest_minute_bps(0) == 0
    assert highest_minute_bps(750 << 64) == 100
