"""Sentences of the line mode: the summary of a service that reports nothing else."""

import pytest

from tests.support.agent.manual_clock import HandClock
from tui.app.line_mode import LineMode
from tui.app.messages import PollFailed, SessionsPolled
from tui.app.state import ConsoleState
from tui.config.settings import ConnectionSettings

START_MS = 1_795_262_400_000


@pytest.fixture
def clock() -> HandClock:
    return HandClock(START_MS)


def poll(at_ms: int) -> SessionsPolled:
    return SessionsPolled([], [], False, at_ms, [], "")


def sentences_of(
    clock: HandClock, messages: list[tuple[int, PollFailed | None]], summary_ms: int = 60_000
) -> list[str]:
    """Return the sentences of polls, each so many seconds after the start; with a failure where one is given."""
    lines: list[str] = []
    state = ConsoleState(clock=clock, host="sm", settings=ConnectionSettings(poll_interval_s=2))
    mode = LineMode(state, lines.append, summary_ms=summary_ms)
    for at_s, failure in messages:
        clock.now = START_MS + at_s * 1000
        mode.receive(failure if failure is not None else poll(clock.now_ms()))
    return lines


def test_idle_service_is_summed_up_once_in_a_while(clock: HandClock) -> None:
    lines = sentences_of(clock, [(at_s, None) for at_s in range(0, 182, 2)])
    assert lines == [
        "12:00:00 sm: 0 on air of 0 sessions, 0 watching",
        "12:01:00 nothing new since 12:00:00: 0 on air of 0 sessions, 0 watching",
        "12:02:00 nothing new since 12:01:00: 0 on air of 0 sessions, 0 watching",
        "12:03:00 nothing new since 12:02:00: 0 on air of 0 sessions, 0 watching",
    ]


def test_interval_is_chosen_and_0_leaves_summaries_out(clock: HandClock) -> None:
    polls = [(at_s, None) for at_s in range(0, 62, 2)]
    assert len(sentences_of(HandClock(START_MS), polls, summary_ms=20_000)) == 4
    assert len(sentences_of(HandClock(START_MS), polls, summary_ms=0)) == 1


def test_outage_is_named_again_while_it_lasts(clock: HandClock) -> None:
    down = PollFailed("sm does not answer", False, 2_000)
    lines = sentences_of(clock, [(0, None), *((at_s, down) for at_s in range(2, 126, 2)), (126, None)])
    assert lines[1:] == [
        "12:00:02 sm does not answer; the figures above are the newest",
        "12:01:02 no answer for 1m: sm does not answer",
        "12:02:02 no answer for 2m: sm does not answer",
        "12:02:06 the service answers again",
    ]
