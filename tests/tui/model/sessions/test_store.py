"""The session store: changes of polls, totals, and the live list of a plain Stream Manager."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamusage.api.extension import LiveStream
from streamusage.core.usage import SessionKey, StreamId, UsageRecord
from tests.support.console.records import session
from tui.model.sessions.live_list import with_live_list
from tui.model.sessions.session_columns import SessionColumns
from tui.model.sessions.store import Session, SessionStore, from_record
from tui.model.sessions.view import SessionView

CAM = StreamId("live", "cam")
STEP = 100


def names(view: SessionView) -> list[str]:
    return [row.name for row in view.rows(0, 100)]


def make_view(*sessions: Session) -> tuple[SessionStore, SessionView]:
    store = SessionStore()
    view = SessionView(store)
    view.update(store.apply(sessions))
    return store, view


class TestStore:
    def test_totals_follow_every_change(self) -> None:
        store, _ = make_view(session("a", active=5), session("b", active=7), session("c", live=False))
        assert store.totals() == (2, 3, 12)
        store.apply([session("a", active=5, live=False)], [session("b").key])
        assert store.totals() == (0, 2, 0)

    def test_unchanged_session_is_no_change(self) -> None:
        store, _ = make_view(session("a"))
        assert store.apply([session("a")]) == []
        (change,) = store.apply([session("a", active=9)])
        assert change.before is not None
        assert (change.before.active, change.after and change.after.active) == (2, 9)

    def test_reset_removes_absent_sessions(self) -> None:
        store, view = make_view(session("a"), session("b"))
        view.update(store.apply([session("b"), session("c")], reset=True))
        assert sorted(names(view)) == ["b", "c"]

    def test_sessions_of_a_stream_are_newest_first(self) -> None:
        store, _ = make_view(
            session("a", 1), session("a", 3), session("a", 2), session("b", 9), session("a", 5, scope="x")
        )
        assert [known.start_time for known in store.of_stream(StreamId("live", "a"))] == [3, 2, 1]

    def test_sessions_of_a_stream_follow_every_change(self) -> None:
        store, _ = make_view(session("a", 1))
        stream = StreamId("live", "a")
        assert [known.start_time for known in store.of_stream(stream)] == [1]
        store.apply([session("a", 2), session("a", 1, active=7), session("b", 3)])
        assert [(known.start_time, known.active) for known in store.of_stream(stream)] == [(2, 2), (1, 7)]
        store.apply([session("c", 4)], [session("a", 1).key])
        store.apply([session("d", 5)])
        assert [known.start_time for known in store.of_stream(stream)] == [2]

    def test_plain_live_list_sums_servers_and_keeps_recorded_figures(self) -> None:
        record = from_record(
            UsageRecord(
                name="a", scope="live", start_time=5, end_time=9, duration=4, active_subscribers=0,
                max_subscribers=8, lost_subscribers=1, total_subscribers=9, updated=10,
            )
        )  # fmt: skip
        rows = [
            LiveStream(name="a", scope="/live", current_subscribers=3, start_time=7),
            LiveStream(name="a", scope="live", current_subscribers=4, start_time=5),
            LiveStream(name="new", scope="live", current_subscribers=1),
        ]
        merged = with_live_list({record.key: record}, rows)
        known, new = merged[record.key], merged[SessionKey("live", "new", 0)]
        assert (known.active, known.peak, known.live, known.recorded) == (7, 8, True, True)
        assert (new.active, new.peak, new.live, new.recorded) == (1, None, True, False)


def publish(start: int, length: int, *, live: bool = False) -> Session:
    return session("cam", start, end_time=start + length, live=live)


def expected_times(store: SessionStore, from_ms: int, to_ms: int) -> list[tuple[int, int]]:
    """Return the times by a pass over all sessions."""
    times = [
        (known.start_time, to_ms if known.live else known.end_time or known.start_time)
        for known in store
        if known.stream == CAM
    ]
    return sorted(((start, end) for start, end in times if start < to_ms and end > from_ms), reverse=True)


publishes = st.builds(publish, st.integers(1, 40), st.integers(0, 30), live=st.booleans())


@given(st.lists(st.lists(publishes, max_size=8), max_size=5), st.integers(0, 80), st.integers(0, 80))
def test_times_in_a_window_equal_those_of_a_pass_over_all(
    polls: list[list[Session]], from_ms: int, length_ms: int
) -> None:
    store, to_ms = SessionStore(), from_ms + length_ms
    shown = publish(1, 5)
    for poll in [[shown], *polls]:
        store.apply([*poll, session("other", 3, end_time=70)])
        assert store.on_air_times(shown, from_ms, to_ms) == expected_times(store, from_ms, to_ms)


@pytest.mark.parametrize("number", [100, 5_000])
def test_what_is_read_is_bounded_by_the_window(number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    store = SessionStore()
    store.apply([publish(STEP * place, STEP // 2) for place in range(1, number)])
    shown = publish(STEP * (number // 2), STEP // 2)
    store.stream_rows(CAM)
    read: list[int] = []
    is_live = SessionColumns.is_live

    def counted(self: SessionColumns, row: int) -> bool:
        read.append(row)
        return is_live(self, row)

    monkeypatch.setattr(SessionColumns, "is_live", counted)
    times = store.on_air_times(shown, shown.start_time - 5 * STEP, shown.start_time + 1)
    assert [start for start, _ in times] == [shown.start_time - STEP * place for place in range(6)][: len(times)]
    assert len(times) >= 5
    assert len(read) <= len(times) + 1


def test_ended_session_that_is_on_air_again_or_ends_later_is_found() -> None:
    store = SessionStore()
    old, new = publish(10, 5), publish(100, 5)
    store.apply([old, new])
    assert store.on_air_times(new, 50, 200) == [(100, 105)]
    store.apply([publish(10, 60)])
    assert store.on_air_times(new, 50, 200) == [(100, 105), (10, 70)]
    store.apply([publish(10, 60, live=True)])
    assert store.on_air_times(new, 80, 200) == [(100, 105), (10, 200)]
