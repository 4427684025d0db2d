"""The lines under the gap view's grid at every height."""

from streamusage.api.extension import CoverageSpan
from streamusage.core.coverage import Provenance
from tui.widgets.gap_lines import Lines, delta_lines, fit_description, wrap_states

SPAN = CoverageSpan(from_ms=0, to_ms=60_000, state=Provenance.BACKFILLED)
STATES = [("edge-1 · backfilled · +3 connections · 4 GB out", SPAN), ("also live", SPAN), ("also lost", SPAN)]


def block(name: str, lines: int) -> Lines:
    return [[(f"{name}{number}", "")] for number in range(lines)]


def texts(lines: Lines) -> list[str]:
    return ["".join(text for text, _ in line).strip() for line in lines]


def test_states_wrap_between_facts_and_mark_a_cut() -> None:
    assert texts(wrap_states(STATES, 30, 9)) == [
        "edge-1 · backfilled", "+3 connections · 4 GB out", "also live", "also lost",
    ]  # fmt: skip
    assert texts(wrap_states(STATES, 30, 2)) == ["edge-1 · backfilled", "+3 connections · 4 GB out  … ⏎ details"]


def test_blocks_are_shown_completely_or_not_at_all_above_the_legend() -> None:
    states, blocks, last = block("state", 2), [block("event", 3), block("delta", 4)], block("legend", 2)
    assert texts(fit_description(states, None, blocks, last, 3)) == ["state0", "state1"]
    assert texts(fit_description(states, None, blocks, last, 6)) == [
        "state0",
        "state1",
        "",
        "event0",
        "event1",
        "event2",
    ]
    nine = texts(fit_description(states, None, blocks, last, 9))
    assert nine == ["state0", "state1", "", "event0", "event1", "event2", "", "legend0", "legend1"]
    all_of_it = texts(fit_description(states, None, blocks, last, 20))
    assert (len(all_of_it), all_of_it[7], all_of_it[-2:]) == (20, "delta0", ["legend0", "legend1"])


def test_notice_is_always_shown() -> None:
    assert texts(fit_description(block("state", 3), ("recovered", ""), [], [], 3)) == ["state0", "state1", "recovered"]
    assert texts(fit_description(block("state", 1), ("recovered", ""), [], [], 3)) == ["state0", "recovered"]


def test_delta_that_is_not_known_says_why() -> None:
    assert "no longer known" in texts(delta_lines(SPAN, None))[0], "its minutes were discarded"
    owed = CoverageSpan(from_ms=0, to_ms=60_000, state=Provenance.MISSING)
    assert "Not reported yet" in texts(delta_lines(owed, None))[0]
