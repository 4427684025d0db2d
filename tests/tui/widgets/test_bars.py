"""The header and the status line at any width: the most important facts are left out last."""

from datetime import UTC

import pytest
from msgspec import UNSET

from streamusage.api.alerts import AlertSummary
from streamusage.api.extension import ServerStatus, ServiceClock, SessionRecord, Trend, Trends
from streamusage.core.coverage import Provenance
from tests.support.console.records import session
from tests.support.console.scripted_service import SettableClock
from tui.app.messages import PollFailed, SessionsPolled
from tui.app.state import ConsoleState
from tui.config.settings import ConnectionSettings
from tui.model.sessions.filter import parse
from tui.model.sessions.session import Session, from_record
from tui.model.sessions.view import Heading
from tui.model.text import width
from tui.widgets import bars
from tui.widgets.lines import Part


def state_with_every_fact() -> ConsoleState:
    """Return a state that is offline, paused and armed, with waiting sessions, wrong clocks and missing time."""
    clock = SettableClock(100 * 60_000)
    state = ConsoleState(
        clock=clock, host="sm", settings=ConnectionSettings(profile="prod", poll_interval_s=1, read_only=True)
    )
    server = ServerStatus(server="edge-2", role="edge", state="unreachable", owed_ms=250_000)
    now_ms = clock.at_ms + 12_000
    state.apply_poll(SessionsPolled([session("a", 1)], [], True, now_ms, [server], ""))
    state.pause()
    doubt = ServiceClock(state="doubtful", wall_ahead_ms=0, machines=0)
    waiting = [session(f"b{number}", 1) for number in range(31)]
    state.apply_poll(SessionsPolled(waiting, [], False, now_ms, [server], "", clock=doubt))
    clock.at_ms += 250_000
    for _ in range(3):
        state.record_failure(PollFailed("sm: nothing answers there", False, 28_000))
    state.arm(200_000)
    return state


def text_of(parts: list[Part]) -> str:
    return "".join(text for text, _ in parts)


def test_wide_header_shows_every_fact_in_order() -> None:
    left, right = bars.header(state_with_every_fact(), "gaps", 200)
    assert text_of(left) == " streamtop  prod  gaps"
    assert text_of(right) == (
        "▲ offline 4m, next try in 28s   ‖ paused, +31 waiting   clock +12s   clock doubtful   · edge-2 owes 4m   "
        "ARMED 3m "
    )


def test_header_counts_the_alerts_that_fire() -> None:
    state = state_with_every_fact()
    for summary, mark in (
        (AlertSummary(firing=2, severity="critical", newest="x"), "! 2 alerts"),
        (AlertSummary(firing=1, severity="info", newest="x"), "! 1 alert "),
        (AlertSummary(silenced=3), ""),
        (AlertSummary(failing_receivers=1), "! alerts not sent"),
    ):
        state.alerts = summary
        text = text_of(bars.header(state, "gaps", 200)[1])
        assert (mark in text) if mark else ("!" not in text)
        assert not mark or text.index(mark) < text.index("edge-2 owes")


@pytest.mark.parametrize("cells", range(1, 150))
def test_narrow_header_keeps_freshness_then_read_only(cells: int) -> None:
    left, right = bars.header(state_with_every_fact(), "gaps", cells)
    freshness = "▲ offline 4m, next try in 28s"
    if cells < width(freshness) + 3:
        assert (text_of(left), right) == (freshness, [])
        return
    assert width(text_of(right)) + 2 <= cells, "the line fits the width"
    assert text_of(right).startswith(freshness)
    facts = [fact for fact in ("ARMED", "doubtful", "paused", "owes", "clock +", "waiting") if fact in text_of(right)]
    assert facts == ["ARMED", "doubtful", "paused", "owes", "clock +", "waiting"][: len(facts)]
    assert not facts or cells - width(text_of(right)) > width(" streamtop  prod"), "the profile is visible beside them"


def test_notice_precedes_a_failure_and_a_quiet_notice_yields_to_it() -> None:
    left, _ = bars.status(state_with_every_fact(), ("deletes are off: the figures are too old to decide on", "bad"), 0)
    assert text_of(left) == " deletes are off: the figures are too old to decide on  sm: nothing answers there"
    left, _ = bars.status(state_with_every_fact(), ("sorted by peak", "quiet"), 0)
    assert text_of(left) == " sm: nothing answers there"


def test_header_shows_no_age_until_the_figures_are_late_and_counts_then() -> None:
    clock = SettableClock(100 * 60_000)
    state = ConsoleState(clock=clock, host="sm", settings=ConnectionSettings(poll_interval_s=2))
    state.apply_poll(SessionsPolled([session("a", 1)], [], True, clock.at_ms, [], ""))
    shown = []
    for _ in range(9):
        shown.append(text_of(bars.header(state, "", 80)[1]))
        clock.at_ms += 1000
    assert shown == ["● "] * 7 + ["▲ late 7s ", "▲ late 8s "]


def test_header_of_a_terminal_without_focus_allows_its_slower_polls() -> None:
    clock = SettableClock(100 * 60_000)
    state = ConsoleState(clock=clock, host="sm", settings=ConnectionSettings(poll_interval_s=2))
    state.apply_poll(SessionsPolled([session("a", 1)], [], True, clock.at_ms, [], ""))
    state.times_slower = 5
    clock.at_ms += 30_000
    assert text_of(bars.header(state, "", 80)[1]) == "● "
    state.times_slower = 1
    assert text_of(bars.header(state, "", 80)[1]).startswith("▲ STALE 30s")


def state_with_an_outage(*sessions: Session) -> ConsoleState:
    """Return a state of which edge-3 had 437 subscribers two minutes ago, and is not seen now."""
    clock = SettableClock(100 * 60_000)
    state = ConsoleState(clock=clock, host="sm", settings=ConnectionSettings(poll_interval_s=2, tz=UTC))
    seen = ServerStatus(server="edge-3", role="edge", state="live", active_subscribers=437)
    state.apply_poll(SessionsPolled([*sessions], [], True, clock.at_ms, [seen], ""))
    unseen = ServerStatus(
        server="edge-3", role="edge", state="unreachable", owed_ms=120_000, watermark=clock.at_ms - 120_000
    )
    state.apply_poll(SessionsPolled([], [], False, clock.at_ms, [unseen], ""))
    return state


def test_summary_of_an_outage_is_a_lower_bound_with_the_name_of_the_server() -> None:
    state = state_with_an_outage(session("a", active=680), session("b", live=False))
    assert text_of(bars.summary(state, 200)[0]) == (
        " 1 on air of 2 sessions   ≥ 680 watching (edge-3 unseen since 01:38: had 437)"
    )


def state_after_midnight(*servers: str) -> ConsoleState:
    """Return a state of 12 sessions on air, 437 subscribers of which were at these servers before midnight."""
    clock = SettableClock(25 * 3_600_000)
    state = ConsoleState(clock=clock, host="sm", settings=ConnectionSettings(poll_interval_s=2, tz=UTC))
    sessions = [session(f"cam-{number}", active=50) for number in range(12)]
    seen = [ServerStatus(server=name, role="edge", state="live", active_subscribers=437) for name in servers]
    state.apply_poll(SessionsPolled([*sessions, session("b", live=False)], [], True, clock.at_ms, seen, ""))
    unseen = [
        ServerStatus(server=name, role="edge", state="unreachable", owed_ms=1, watermark=clock.at_ms - 2 * 3_600_000)
        for name in servers
    ]
    state.apply_poll(SessionsPolled([], [], False, clock.at_ms, unseen, ""))
    return state


@pytest.mark.parametrize(
    ("servers", "cells", "expected"),
    [
        (1, 83, "12 on air of 13 sessions   ≥ 600 watching (edge-1 unseen since Thu 23:00: had 437)"),
        (1, 80, "12 on air of 13 sessions   ≥ 600 watching (edge-1 unseen: had 437)"),
        (2, 80, "12 on air of 13 sessions   ≥ 600 watching (edge-1, edge-2 unseen: had 874)"),
        (2, 70, "12 on air of 13 sessions   ≥ 600 watching (without edge-1, edge-2)"),
        (3, 70, "12 on air of 13 sessions   ≥ 600 watching (without edge-1 and 2 more)"),
    ],
)
def test_summary_of_an_outage_leaves_out_what_does_not_fit(servers: int, cells: int, expected: str) -> None:
    state = state_after_midnight(*(f"edge-{number + 1}" for number in range(servers)))
    assert text_of(bars.summary(state, cells)[0]).strip() == expected


def test_summary_of_an_outage_keeps_the_mark_of_streams_without_a_record() -> None:
    state = state_after_midnight("edge-1")
    trend = Trend(scope="live", name="x", active=[], state=[])
    state.apply_trends(Trends(now=0, from_ms=0, step_ms=60_000, streams=[trend]))
    for changed, removed in (([session("x")], []), ([], [session("x").key])):
        state.apply_poll(SessionsPolled(changed, removed, False, state.now_ms(), state.servers, ""))
    assert text_of(bars.summary(state, 80)[0]) == (
        " 12 on air of 13   ≥ 600 watching (without edge-1)   1 on air without a record"
    )


def test_sums_of_the_past_are_lower_bounds_where_a_server_was_not_seen_then() -> None:
    clock = SettableClock(100 * 60_000)
    state = ConsoleState(clock=clock, host="sm", settings=ConnectionSettings(poll_interval_s=2, tz=UTC))
    seen = ServerStatus(server="edge-3", role="edge", state="live", watermark=clock.at_ms)
    unseen = ServerStatus(server="edge-3", role="edge", state="unreachable", owed_ms=120_000, watermark=clock.at_ms)

    def poll(active: int, provenance: Provenance, server: ServerStatus) -> None:
        changed = [session("a", active=active, provenance=provenance)]
        state.apply_poll(SessionsPolled(changed, [], False, clock.at_ms, [server], ""))

    def shown() -> tuple[str, bool]:
        return text_of(bars.summary(state, 200)[0]), state.leaves_out_server

    poll(1_117, Provenance.LIVE, seen)
    poll(680, Provenance.MISSING, unseen)
    state.pause()
    state.step(-1)
    assert shown() == (" 1 on air of 1 session   1,117 watching", False)
    state.resume()
    assert shown()[0] == " 1 on air of 1 session   ≥ 680 watching (edge-3 unseen since 01:40)"
    poll(1_100, Provenance.LIVE, seen)
    assert shown() == (" 1 on air of 1 session   1,100 watching", False)
    state.pause()
    state.step(-1)
    assert shown() == (" 1 on air of 1 session   ≥ 680 watching", True)


def test_summary_with_a_filter_counts_what_is_shown() -> None:
    state = state_with_an_outage(session("a", active=680), session("b", active=20), session("c", live=False))
    state.view.show(parse("name=b or name=c"))
    assert text_of(bars.summary(state, 200)[0]) == (
        " 1 on air of 2 sessions   ≥ 20 watching (without edge-3)   name=b or name=c  (1 hidden)"
    )


def counted_while_overdue(*, service_gives_apart: bool) -> ConsoleState:
    """Return a state of a server that is overdue: 437 of 457 subscribers are counted by its last report."""
    state = state_with_an_outage()
    counts = {"active_subscribers": 437} | ({"unseen_subscribers": 437} if service_gives_apart else {})
    overdue = ServerStatus(server="edge-3", role="edge", state="unreachable", owed_ms=40_000, **counts)
    unseen = {"a": 430, "b": 7} if service_gives_apart else {}
    records = [
        SessionRecord(name, "live", 1, 2, 1, active, active, 0, active, 2, True, provenance, unseen_subscribers=apart)
        for name, active, provenance in (
            ("a", 440, Provenance.MISSING),
            ("b", 7, Provenance.MISSING),
            ("c", 10, Provenance.LIVE),
        )
        for apart in [unseen.get(name, UNSET)]
    ]
    state.apply_poll(SessionsPolled([*map(from_record, records)], [], True, state.now_ms(), [overdue], ""))
    return state


@pytest.mark.parametrize("service_gives_apart", [True, False], ids=["apart", "service of an earlier version"])
def test_lower_bounds_leave_out_what_only_an_overdue_report_counts(service_gives_apart: bool) -> None:
    state = counted_while_overdue(service_gives_apart=service_gives_apart)
    assert state.totals().watching == 20
    seen = {"name=a": 10, "name=b": 0, "name=c": 10} if service_gives_apart else {"name=a": 3, "name=b": 0, "name=c": 0}
    for text, watching in seen.items():
        state.view.show(parse(text))
        assert state.totals().watching == watching, text
    state.view.show(parse(""))
    state.view.group(True)
    heading = state.view.row(0)
    assert isinstance(heading, Heading)
    assert state.watching_below(heading) == 20


def test_place_of_the_cursor_counts_sessions_and_not_headings() -> None:
    state = state_with_an_outage(session("a"), session("b"), session("c", scope="event"))
    state.view.group(True)
    assert [text_of(bars.status(state, None, row)[1]) for row in range(5)] == [
        "3 ", "1 of 3 ", "3 ", "2 of 3 ", "3 of 3 ",
    ]  # fmt: skip
