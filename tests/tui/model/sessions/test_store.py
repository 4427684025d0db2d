"""The session store: changes of polls, totals, and the live list of a plain Stream Manager."""

from streamusage.api.extension import LiveStream
from streamusage.core.usage import SessionKey, StreamId, UsageRecord
from tests.support.console.records import session
from tui.model.sessions.live_list import with_live_list
from tui.model.sessions.store import Session, SessionStore, from_record
from tui.model.sessions.view import SessionView


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
