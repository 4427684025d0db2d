"""Hours by stream are exact sums of their minutes, and keep every figure in their stored form."""

from random import Random

import pytest

from streamusage.core.figures import SUM_NAMES, StreamTraffic
from streamusage.core.usage import StreamId
from streamusage.service.rules.rollups import HOUR_MS, MINUTES_OF_HOUR, MinuteTraffic, unpack_minutes
from streamusage.service.rules.stream_hours import FIGURE_NAMES, StreamHour, roll_up_streams, streams_of
from streamusage.service.rules.stream_slots import StreamShare, share_columns
from streamusage.service.store.streams.stream_hours import compress_minutes, decode_hour, encode_hour, expand_minutes

MINUTE = 60_000
HOUR = 500_000 * HOUR_MS


def share(name: str, traffic: StreamTraffic, *figures: int, scope: str = "live") -> StreamShare:
    return StreamShare(scope, name, traffic, *figures, *[0] * (len(FIGURE_NAMES) - len(figures)))


def roll_up(slots: list[tuple[int, list[StreamShare]]]) -> dict[int, StreamHour]:
    return roll_up_streams((slot, share_columns(shares)) for slot, shares in slots)


def test_quarters_have_sums_and_the_least_exact_word() -> None:
    slots = [
        (HOUR, [share("a", "measured", 1, 2, 3, 4, 1, 1, 1, 1)]),
        (HOUR + 14 * MINUTE, [share("a", "apportioned", 10, 20, 30, 40)]),
        (HOUR + 15 * MINUTE, [share("b", "none", 5)]),
        (HOUR + 59 * MINUTE, [share("a", "measured", 0, 7, 9)]),
    ]
    (hour,) = roll_up(slots).values()
    assert streams_of(hour) == [StreamId("live", "a"), StreamId("live", "b")]
    assert hour.traffic == ("a-", "-n", "--", "m-")
    of_figure = dict(zip(FIGURE_NAMES, hour.sums, strict=True))
    assert of_figure["connections"] == ((11, 0), (0, 5), (), ())
    assert of_figure["bytes_out"] == ((33, 0), (), (), (9, 0))
    assert of_figure["late_view_time_ms"] == ((1, 0), (), (), ())
    minutes = unpack_minutes(hour.minutes.bytes_out)
    assert {at: sent for at, sent in enumerate(minutes) if sent} == {0: 3, 14: 30, 59: 9}
    assert len(minutes) == 2 * MINUTES_OF_HOUR


def test_epochs_that_share_a_minute_add_up() -> None:
    slots = [(HOUR, [share("a", "measured", 1, 2, 3)]), (HOUR, [share("a", "measured", 10, 20, 30)])]
    assert roll_up(slots) == roll_up([(HOUR, [share("a", "measured", 11, 22, 33)])])


def test_hour_without_figures_by_stream_is_absent() -> None:
    assert roll_up([(HOUR, [])]) == {}
    assert set(roll_up([(HOUR - MINUTE, [share("a", "none", 1)]), (HOUR, [])])) == {HOUR - HOUR_MS}


@pytest.mark.parametrize("seed", range(20))
def test_sums_of_an_hour_equal_those_of_its_minutes_in_any_order(seed: int) -> None:
    random = Random(seed)
    slots = [
        (
            HOUR + random.randrange(MINUTES_OF_HOUR) * MINUTE,
            [
                share(name, random.choice(("measured", "none")), *(random.randrange(2**40) for _ in FIGURE_NAMES))
                for name in random.sample("abcd", random.randrange(5))
            ],
        )
        for _ in range(50)
    ]
    (hour,) = roll_up(slots).values()
    for name, quarters in zip(FIGURE_NAMES, hour.sums, strict=True):
        assert sum(map(sum, quarters)) == sum(getattr(row, name) for _, shares in slots for row in shares)
    for packed, name in ((hour.minutes.bytes_in, "bytes_in"), (hour.minutes.bytes_out, "bytes_out")):
        assert sum(unpack_minutes(packed)) == sum(map(sum, hour.sums[SUM_NAMES.index(name)]))
    random.shuffle(slots)
    assert list(roll_up(slots).values()) == [hour]
    stored = encode_hour(hour)
    assert decode_hour(*stored) == hour
    assert decode_hour(stored.figures) == StreamHour(
        hour.scopes, hour.names, hour.traffic, hour.sums, MinuteTraffic(b"", b"")
    )


def test_minutes_of_unequal_directions_are_refused() -> None:
    assert expand_minutes(compress_minutes(MinuteTraffic(b"", b""))) == MinuteTraffic(b"", b"")
    with pytest.raises(ValueError, match="same length"):
        expand_minutes(compress_minutes(MinuteTraffic(bytes(8), bytes(16))))
