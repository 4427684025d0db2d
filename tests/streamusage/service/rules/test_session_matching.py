"""Matching of publishes to sessions, and the figures of a session."""

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from streamusage.core.coverage import Provenance
from streamusage.service.rules.session_matching import (
    MATCH_TOLERANCE_MS,
    Anchor,
    Anchors,
    SessionPart,
    session_figures,
)

LIVE, MISSING, HELD = Provenance.LIVE, Provenance.MISSING, Provenance.HELD


def part(server: str = "a", **values: object) -> SessionPart:
    defaults = {
        "server": server, "epoch": 1, "publish_id": "p", "end_time": 100, "live": True, "active": 1, "highest": 1,
        "total": 1, "late": False, "epoch_is_active": True, "owes": None,
    }  # fmt: skip
    return SessionPart(**defaults | values)  # type: ignore[arg-type]


def test_edge_joins_the_newest_session_that_had_begun_and_not_ended() -> None:
    anchors = [Anchor(0, 50_000, False), Anchor(200_000, 300_000, False), Anchor(600_000, 700_000, True)]
    assert Anchors(anchors).match_session(40_000) == 0
    assert Anchors(anchors).match_session(145_000) == 200_000, "an edge's clock may be a minute behind"
    assert Anchors(anchors).match_session(139_999) == 139_999
    assert Anchors(anchors).match_session(350_000) == 200_000
    assert Anchors(anchors).match_session(400_000) == 400_000, "that session had ended"
    assert Anchors(anchors).match_session(9_000_000) == 600_000, "a live session has not ended"
    assert Anchors([]).match_session(5) == 5


def test_totals_add_up_over_epochs_and_active_is_of_the_newest() -> None:
    old = part(epoch=1, active=9, total=9, highest=9, epoch_is_active=False)
    new = part(epoch=2, active=2, total=3, highest=4, end_time=200)
    result = session_figures(50, [new, old, part("b", active=5, total=6, highest=6)], largest_sum=0)
    assert (result.active_subscribers, result.total_subscribers, result.lost_subscribers) == (7, 18, 11)
    assert (result.max_subscribers, result.end_time, result.duration, result.live) == (9, 200, 150, True)


def test_subscribers_of_a_silent_server_are_neither_active_nor_lost() -> None:
    parts = [part("a", active=5, total=8), part("b", active=30, total=40)]
    seen = session_figures(0, parts, 0)
    assert (seen.active_subscribers, seen.lost_subscribers, seen.total_subscribers) == (35, 13, 48)
    silent = [parts[0], parts[1]._replace(unreachable=True, owes=MISSING)]
    during = session_figures(0, silent, 0)
    assert (during.active_subscribers, during.lost_subscribers, during.total_subscribers) == (5, 13, 48)
    removed = session_figures(0, [parts[0], silent[1]._replace(removed=True, unreachable=False)], 0)
    assert (removed.active_subscribers, removed.lost_subscribers) == (5, 43), "removed in order: they are gone"
    ended = session_figures(0, [parts[0], silent[1]._replace(live=False, active=0)], 0)
    assert ended.lost_subscribers == 43


def test_subscribers_that_only_an_overdue_report_counts_are_given_apart() -> None:
    seen, overdue = part("a", active=5, total=8), part("b", active=30, total=40, owes=MISSING)
    assert session_figures(0, [seen, part("b", active=30)], 0).unseen_subscribers == 0
    late = session_figures(0, [seen, overdue], 0)
    assert (late.active_subscribers, late.unseen_subscribers) == (35, 30)
    for gone in (overdue._replace(unreachable=True), overdue._replace(removed=True), overdue._replace(live=False)):
        assert session_figures(0, [seen, gone], 0).unseen_subscribers == 0


@given(
    st.lists(st.tuples(st.integers(0, 50), st.integers(0, 50)), min_size=1, max_size=12),
    st.lists(st.booleans(), min_size=12, max_size=12),
)
def test_lost_and_total_never_fall_while_a_server_is_silent_and_reports_again(
    steps: list[tuple[int, int]], silent: list[bool]
) -> None:
    active, total, told = 0, 0, part("b", active=0, total=0, highest=0)
    lost_before = total_before = 0
    for (came, left), is_silent in zip(steps, silent, strict=False):
        total, active = total + came, max(0, active + came - left)
        told = told._replace(unreachable=True) if is_silent else part("b", active=active, total=total, highest=active)
        figures = session_figures(0, [part("a", active=5, total=8), told], 0)
        assert figures.lost_subscribers >= lost_before
        assert figures.total_subscribers >= total_before
        lost_before, total_before = figures.lost_subscribers, figures.total_subscribers


def test_newer_session_ends_an_older_one_only_while_all_servers_of_that_are_silent() -> None:
    silent = part(unreachable=True, owes=MISSING, end_time=100)
    seen = part("b", end_time=160)
    assert session_figures(0, [silent], 0).live
    ended = session_figures(0, [silent], 0, newest_start=101)
    assert (ended.live, ended.provenance, ended.end_time) == (False, MISSING, 100), "and it says so"
    assert session_figures(0, [silent], 0, newest_start=100).live, "two that were seen at once"
    assert session_figures(0, [silent], 0, newest_start=0).live, "it is the newest itself"
    assert session_figures(0, [silent, seen], 0, newest_start=200).live, "another server still has it"
    assert session_figures(0, [part(end_time=100)], 0, newest_start=200).live, "two origins at once"
    over = part("b", live=False, active=0, end_time=90)
    assert not session_figures(0, [silent, over], 0, newest_start=101).live
    for owes in (MISSING, HELD):
        unread = part(owes=owes, end_time=100)
        assert not session_figures(0, [unread], 0, newest_start=101).live, "its agent answers and cannot read it"
        assert session_figures(0, [unread, seen], 0, newest_start=200).live


def test_session_has_the_worst_provenance_of_its_live_figures() -> None:
    assert session_figures(0, [part(), part("b", late=True)], 0).provenance == Provenance.BACKFILLED
    assert session_figures(0, [part(late=True), part("b", owes=MISSING)], 0).provenance == MISSING
    assert session_figures(0, [part(), part("b", owes=MISSING, live=False)], 0).provenance == LIVE, (
        "an ended part has no missing time"
    )


def test_search_by_blocks_finds_the_same_session_as_a_full_search() -> None:
    chance = Random(7)
    for count in (1, 2, 3, 10, 50, 101):
        anchors = [
            Anchor(start := chance.randrange(10_000_000), start + chance.randrange(900_000), chance.random() < 0.02)
            for _ in range(count)
        ]
        blocks = Anchors(anchors)
        for start_time in (chance.randrange(-100_000, 12_000_000) for _ in range(300)):
            joined = [
                anchor.start_time
                for anchor in anchors
                if anchor.start_time <= start_time + MATCH_TOLERANCE_MS
                and (anchor.live or anchor.end_time >= start_time - MATCH_TOLERANCE_MS)
            ]
            assert blocks.match_session(start_time) == max(joined, default=start_time)
