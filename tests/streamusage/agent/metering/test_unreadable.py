"""Unreadable lines make their own minutes partial: not the whole time of a reading, and not less."""

import pytest

from streamusage.agent.metering import meter
from streamusage.agent.sources.common.logs.line_form import LineForms
from streamusage.core.coverage import SLOT_MS
from streamusage.core.reasons import LINES_UNREADABLE
from tests.support.agent.readings import T0, line, reading, run

MINUTE = SLOT_MS


def spans_after(minutes: int, forms: LineForms, **fields: object) -> list[tuple[float, float, str, str]]:
    _, added = run(reading(0), reading(minutes * MINUTE, ended=forms.entries(), **fields))
    return [((s.from_ms - T0) / MINUTE, (s.to_ms - T0) / MINUTE, s.state, s.reason) for s in added.spans]


def forms_of(*lines: tuple[float, bool]) -> LineForms:
    """Return forms of lines, each with its time in minutes and whether it has one that can be read."""
    forms = LineForms()
    for minute, is_readable in lines:
        if is_readable:
            forms.add_readable(T0 + int(minute * MINUTE))
        else:
            forms.add_unreadable()
    return forms


def test_line_between_two_others_makes_their_minute_partial_after_hours_without_a_reading() -> None:
    forms = forms_of((30.1, True), (90.2, True), (90.3, False), (90.4, True), (170.5, True))
    assert spans_after(240, forms) == [
        (0, 90, "counted", ""),
        (90, 91, "partial", LINES_UNREADABLE),
        (91, 240, "counted", ""),
    ]


def test_line_between_two_minutes_makes_both_partial() -> None:
    assert spans_after(10, forms_of((3.9, True), (4, False), (4.1, True))) == [
        (0, 3, "counted", ""),
        (3, 5, "partial", LINES_UNREADABLE),
        (5, 10, "counted", ""),
    ]


@pytest.mark.parametrize(
    ("lines", "partial"),
    [
        ([(5.5, True), (6, False)], (5, 10)),
        ([(1, False), (5.5, True)], (0, 6)),
        ([(1, False)], (0, 10)),
    ],
)
def test_line_without_a_neighbour_may_be_as_old_as_the_last_reading_or_as_new_as_this_one(
    lines: list[tuple[float, bool]], partial: tuple[int, int]
) -> None:
    spans = spans_after(10, forms_of(*lines))
    assert [span[:2] for span in spans if span[2] == "partial"] == [partial]


def test_last_line_is_dated_by_the_time_at_which_the_log_was_written_last() -> None:
    for lines, minutes in (([(5.5, True), (6, False)], (7, 8)), ([(5.5, True), (6, False), (6, False)], (5, 8))):
        forms = forms_of(*lines)
        entries = forms.entries(T0 + 7 * MINUTE + 1)
        _, added = run(reading(0), reading(10 * MINUTE, ended=entries))
        marked = [(span.from_ms - T0, span.to_ms - T0) for span in added.spans if span.state == "partial"]
        assert marked == [(minutes[0] * MINUTE, minutes[1] * MINUTE)]
    older = forms_of((5.5, True), (6, False)).entries(T0 + 2 * MINUTE)
    assert older[0].ended_at > T0 + 10 * MINUTE, "a time before the last readable line is wrong"


def test_own_time_of_a_line_is_used_unless_it_contradicts_its_neighbours() -> None:
    forms = LineForms()
    forms.add_unreadable(T0 + 4 * MINUTE + 1)
    forms.add_readable(T0 + 8 * MINUTE)
    forms.add_unreadable(T0 + 2 * MINUTE)
    forms.add_readable(T0 + 8 * MINUTE + 5)
    assert [span[:2] for span in spans_after(10, forms) if span[2] == "partial"] == [(4, 5), (8, 9)]


def test_many_lines_of_one_minute_are_one_entry() -> None:
    forms = forms_of((1.1, True), *[(1.2, False)] * 5_000, (1.3, True))
    assert (forms.readable, forms.unreadable, len(forms.entries())) == (2, 5_000, 1)


def test_line_that_was_written_late_marks_the_nearest_minute() -> None:
    state, _ = meter.start(reading(0))
    state, _ = meter.step(state, reading(2 * MINUTE + 30_000))
    _, added = meter.step(
        state, reading(2 * MINUTE + 31_000, ended=forms_of((1.1, True), (1, False), (1.2, True)).entries())
    )
    assert [(s.from_ms - T0, s.to_ms - T0, s.state) for s in added.spans] == [(150_000, 151_000, "partial")]


def test_line_is_marked_although_the_clock_went_back() -> None:
    state, _ = meter.start(reading(0))
    state, _ = meter.step(state, reading(90_000))
    _, added = meter.step(state, reading(80_000, ended=forms_of((1, False)).entries()))
    assert [s.state for s in added.spans] == ["partial"]


def test_restart_and_a_reason_for_the_whole_time_cover_the_mark() -> None:
    forms = forms_of((3.1, True), (3, False), (3.2, True))
    assert spans_after(10, forms, misses="a reason") == [(0, 10, "partial", "a reason")]
    restarted = spans_after(10, forms, boot="b2", started_at=T0 + 2 * MINUTE)
    assert [(*span[:2], span[2]) for span in restarted] == [
        (0, 2, "partial"),
        (2, 3, "counted"),
        (3, 4, "partial"),
        (4, 10, "counted"),
    ]


def test_readable_lines_beside_it_count() -> None:
    forms = forms_of((1.1, True), (1, False), (1.2, True))
    _, added = run(reading(0), reading(5 * MINUTE, ended=(line(9, MINUTE, 2_000), *forms.entries())))
    assert sum(added.slots[T0].connections.values()) == 1
