"""What the days view shows by group while it reads, after failures, and when it reads again."""

from datetime import date

from tests.support.console.daily_statistics import NOVEMBER, a_sum
from tui.model.daily.group_reading import READ_EVERY_MS, GroupReading
from tui.model.daily.groups import GroupRequest, GroupRows, rows_of_groups

STREAMS = GroupRequest.of_month("stream", NOVEMBER)
SCOPES = GroupRequest.of_month("scope", NOVEMBER)
OCTOBER = GroupRequest.of_month("stream", date(2026, 10, 1))


def answer(request: GroupRequest, bytes_out: int = 1) -> GroupRows:
    return rows_of_groups(request, [a_sum("2026-11", bytes_out, "live/a", traffic="measured")], [])


def reading(*requests: GroupRequest, took_ms: int = 100) -> GroupReading:
    """Return a reading that was answered to these requests, all of them begun at 0."""
    made = GroupReading()
    for request in requests:
        made.begin(request, 0)
        made.receive(request, answer(request), took_ms)
    return made


def test_groups_are_cycled_in_both_directions_from_what_is_wanted() -> None:
    made = GroupReading()
    assert (made.next_group(1), made.next_group(-1)) == ("stream", "customer")
    made.begin(SCOPES, 0)
    assert (made.next_group(1), made.next_group(-1)) == ("customer", "stream")
    made.begin(GroupRequest.of_month("customer", NOVEMBER), 0)
    assert made.next_group(1) is None


def test_rows_stay_until_the_answer_arrives() -> None:
    made = reading(STREAMS)
    before = made.shown
    assert made.begin(SCOPES, 5_000)
    assert (made.shown, made.wanted, made.group) == (before, SCOPES, "scope")
    assert made.waited_ms(17_000) == 12_000
    assert made.receive(SCOPES, rows := answer(SCOPES), 17_000)
    assert (made.shown, made.wanted) == (rows, None)


def test_abandoned_answer_is_ignored() -> None:
    made = reading(STREAMS)
    before = made.shown
    made.begin(SCOPES, 5_000)
    assert made.abandon()
    assert not made.abandon()
    assert not made.receive(SCOPES, answer(SCOPES), 6_000)
    assert not made.receive(SCOPES, "broken", 6_000)
    assert (made.shown, made.failure) == (before, "")


def test_answer_to_an_earlier_request_is_ignored() -> None:
    made = reading(STREAMS)
    made.begin(SCOPES, 0)
    made.begin(OCTOBER, 0)
    assert not made.receive(SCOPES, answer(SCOPES), 1)
    assert made.wanted == OCTOBER


def test_servers_are_shown_again_if_what_a_key_requested_fails() -> None:
    made = reading(STREAMS)
    made.begin(SCOPES, 5_000)
    assert made.receive(SCOPES, "no such group", 6_000)
    assert (made.shown, made.wanted, made.failure) == (None, None, "no such group")
    assert made.begin(SCOPES, 7_000)
    assert made.failure == ""


def test_failed_refresh_keeps_the_rows() -> None:
    made = reading(STREAMS)
    assert made.due(READ_EVERY_MS) == STREAMS
    assert made.receive(STREAMS, "the service is away", 16_000)
    assert made.shown is not None
    assert made.failure == "the service is away"
    assert made.receive(STREAMS, rows := answer(STREAMS, 5), 32_000)
    assert (made.shown, made.failure) == (rows, "")


def test_known_rows_are_shown_at_once() -> None:
    made = reading(STREAMS, SCOPES)
    assert not made.begin(STREAMS, 1_000)
    assert made.shown is not None
    assert (made.shown.request, made.wanted) == (STREAMS, None)


def test_rows_are_read_again_after_a_while_that_grows_with_the_time_of_computing() -> None:
    made = reading(STREAMS)
    assert made.due(READ_EVERY_MS - 1) is None
    assert made.due(READ_EVERY_MS) == STREAMS
    assert made.due(READ_EVERY_MS + 1) is None, "it is on its way"
    slow = reading(STREAMS, took_ms=60_000)
    assert slow.due(6 * 60_000 - 1) is None
    assert slow.due(6 * 60_000) == STREAMS


def test_nothing_is_due_while_a_key_waits_and_for_servers() -> None:
    made = reading(STREAMS)
    made.begin(SCOPES, 0)
    assert made.due(10**9) is None
    made.show_servers()
    assert made.due(10**9) is None


def test_expired_rows_are_due_at_once_and_others_are_forgotten() -> None:
    made = reading(SCOPES, STREAMS, took_ms=60_000)
    made.expire(70_000)
    assert made.due(70_000) == STREAMS
    assert made.begin(SCOPES, 70_000), "it has to be fetched"


def test_few_answers_are_kept() -> None:
    months = [GroupRequest.of_month("stream", date(2026, month, 1)) for month in range(1, 9)]
    made = reading(*months)
    assert made.begin(months[0], 1)
    assert not made.begin(months[-2], 1)


def test_partial_answer_of_several_services_is_completed_by_the_next() -> None:
    made = GroupReading()
    made.begin(STREAMS, 0)
    assert made.receive(STREAMS, answer(STREAMS, 1), 2_000)
    assert made.receive(STREAMS, rows := answer(STREAMS, 2), 60_000)
    assert made.shown is rows
    assert made.due(5 * 60_000) is None, "the slowest service decides"
