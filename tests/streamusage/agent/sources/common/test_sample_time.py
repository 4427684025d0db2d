"""A server's wall clock, estimated from its dated responses."""

from hypothesis import given
from hypothesis import strategies as st

from streamusage.agent.sources.common.http_probe import ProbeResponse
from streamusage.agent.sources.common.sample_time import REMEMBERED_DATES, Instant, ServerClock
from tests.support.agent.manual_clock import HandClock, SteppedClock

OFFSET_MS = 1_795_288_680_137
"""The server's wall time minus the agent's elapsed time."""


def respond(server_clock: ServerClock, sent_ms: int, written_ms: int, first_byte_ms: int, offset_ms: int) -> None:
    date_s = (written_ms + offset_ms) // 1000
    server_clock.observe(ProbeResponse(b"", date_s, sent_ms, first_byte_ms))


def test_dates_of_many_responses_narrow_the_time_to_the_round_trip() -> None:
    server_clock = ServerClock(HandClock(0))
    for number in range(50):
        respond(server_clock, number * 1_020, number * 1_020 + 5, number * 1_020 + 10, OFFSET_MS)
    server_time = server_clock.at(Instant(0, 60_000))
    assert server_time.low_ms <= 60_000 + OFFSET_MS <= server_time.high_ms
    assert server_time.slack_ms < 100


def test_step_of_the_server_clock_replaces_earlier_dates() -> None:
    server_clock = ServerClock(HandClock(0))
    for offset_ms in (OFFSET_MS, OFFSET_MS - 3_600_000):
        respond(server_clock, 0, 4, 8, offset_ms)
        server_time = server_clock.at(Instant(0, 8))
        assert server_time.low_ms <= 8 + offset_ms <= server_time.high_ms


def test_without_a_date_the_agents_clock_is_used() -> None:
    server_clock = ServerClock(SteppedClock(0))
    server_clock.observe(ProbeResponse(b"", None, 0, 4))
    server_time = server_clock.at(Instant(1_000, 10))
    assert (server_time.age_ms(400), server_time.slack_ms) == (600, 0)
    assert server_time.age_ms(5_000) == 0


@given(
    st.lists(
        st.tuples(st.integers(0, 5_000), st.integers(0, 4_000), st.integers(0, 4_000)),
        min_size=1,
        max_size=2 * REMEMBERED_DATES,
    )
)
def test_true_time_is_within_the_bounds_for_any_delays(exchanges: list[tuple[int, int, int]]) -> None:
    server_clock = ServerClock(HandClock(0))
    now_ms = 0
    for pause_ms, before_ms, after_ms in exchanges:
        sent_ms = now_ms + pause_ms
        now_ms = sent_ms + before_ms + after_ms
        respond(server_clock, sent_ms, sent_ms + before_ms, now_ms, OFFSET_MS)
        server_time = server_clock.at(Instant(0, now_ms))
        assert server_time.low_ms <= now_ms + OFFSET_MS <= server_time.high_ms
        assert server_time.slack_ms <= before_ms + after_ms + 1_000
