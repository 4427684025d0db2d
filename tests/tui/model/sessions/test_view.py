"""The view of the session table: filter and order."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamusage.core.usage import SessionKey
from tests.support.console.records import session
from tui.model.sessions.columns import sort_names
from tui.model.sessions.filter import parse
from tui.model.sessions.store import Session, SessionStore
from tui.model.sessions.view import SessionView


def names(view: SessionView) -> list[str]:
    return [row.name for row in view.rows(0, 100)]


def make_view(*sessions: Session) -> tuple[SessionStore, SessionView]:
    store = SessionStore()
    view = SessionView(store)
    view.update(store.apply(sessions))
    return store, view


class TestOrder:
    def test_live_sessions_are_first_in_every_order(self) -> None:
        _, view = make_view(session("a", active=1), session("b", active=9, live=False), session("c", active=5))
        assert names(view) == ["c", "a", "b"]
        for column in sort_names():
            for descending in (True, False):
                view.sort(column, descending=descending)
                assert names(view)[2] == "b"

    def test_unknown_figures_are_last_in_both_directions(self) -> None:
        _, view = make_view(session("a", peak=None), session("b", peak=1), session("c", peak=2))
        view.sort("peak", descending=True)
        assert names(view) == ["c", "b", "a"]
        view.sort("peak", descending=False)
        assert names(view) == ["b", "c", "a"]

    def test_ended_sessions_of_equal_figures_are_newest_first(self) -> None:
        _, view = make_view(*(session(f"s{n}", 1000 + n, live=False, active=0) for n in range(4)))
        assert names(view) == ["s3", "s2", "s1", "s0"]

    def test_stream_column_sorts_case_insensitively_in_both_directions(self) -> None:
        _, view = make_view(session("b"), session("A"), session("c"))
        view.sort("stream", descending=False)
        assert names(view) == ["A", "b", "c"]
        view.sort("stream", descending=True)
        assert names(view) == ["c", "b", "A"]

    def test_row_is_found_by_its_key(self) -> None:
        _, view = make_view(session("a", active=1), session("b", active=9, live=False), session("c", active=5))
        for row in range(3):
            found = view.at(row)
            assert found is not None
            assert view.row_of(found.key) == row
        assert view.row_of(SessionKey("live", "nobody", 1)) is None
        assert view.at(3) is None
        assert view.at(-1) is None


class TestFilter:
    @pytest.mark.parametrize(
        ("text", "found"),
        [
            ("", ["Cam", "[red]x", "b"]),
            ("CAM", ["Cam"]),
            ("cam live", ["Cam"]),
            ("cam event", []),
            ("[red]", ["[red]x"]),
            ("scope=live", ["Cam", "b"]),
            ("scope=ev*", ["[red]x"]),
            ("name=?am", ["Cam"]),
            ("state=ended", ["b"]),
            ("state=live scope=live", ["Cam"]),
            ("scope=[", []),
        ],
    )
    def test_view_shows_matching_sessions(self, text: str, found: list[str]) -> None:
        _, view = make_view(session("Cam"), session("[red]x", scope="event/1"), session("b", live=False))
        view.show(parse(text))
        assert sorted(names(view)) == sorted(found)
        assert view.hidden() == 3 - len(found)

    def test_sessions_of_later_polls_are_filtered(self) -> None:
        store, view = make_view(session("cam"), session("b"))
        view.show(parse("cam"))
        view.update(store.apply([session("cam-2"), session("c")], [session("cam").key]))
        assert names(view) == ["cam-2"]
        assert view.row_of(session("b").key) is None


sessions = st.builds(
    session,
    st.sampled_from(["a", "A", "b", "Cam"]),
    st.integers(0, 3),
    st.sampled_from(["live", "Live"]),
    active=st.none() | st.integers(0, 3),
    live=st.booleans(),
    duration_ms=st.none() | st.integers(0, 2),
)
polls = st.lists(st.tuples(st.lists(sessions, max_size=6), st.lists(sessions, max_size=3), st.booleans()), max_size=6)


@settings(max_examples=200)
@given(polls, st.sampled_from(sort_names()), st.booleans(), st.sampled_from(["", "a", "state=live"]))
def test_updated_view_equals_a_new_view(
    polls: list[tuple[list[Session], list[Session], bool]], column: str, descending: bool, text: str
) -> None:
    store = SessionStore()
    view = SessionView(store)
    view.sort(column, descending=descending)
    view.show(parse(text))
    for changed, removed, reset in polls:
        unique = {known.key: known for known in changed}
        gone = [known.key for known in removed if known.key not in unique]
        view.update(store.apply(unique.values(), gone, reset=reset))
        new_view = SessionView(store)
        new_view.sort(column, descending=descending)
        new_view.show(parse(text))
        assert view.rows(0, 100) == new_view.rows(0, 100)
        assert len(view) + view.hidden() == len(store)
        for row, known in enumerate(view.rows(0, 100)):
            assert view.row_of(known.key) == row
        live = [known for known in store if known.live]
        assert store.totals() == (len(live), len(list(store)), sum(known.active or 0 for known in live))
        assert sorted(known.key for known in store.live()) == sorted(known.key for known in live)


@settings(max_examples=200)
@given(polls, st.data())
def test_order_completed_between_polls_equals_a_new_view(
    polls: list[tuple[list[Session], list[Session], bool]], data: st.DataObject
) -> None:
    store = SessionStore()
    view = SessionView(store)
    for changed, removed, reset in polls:
        match data.draw(st.sampled_from(["sort", "show", "time", "nothing"])):
            case "sort":
                view.begin_sort(data.draw(st.sampled_from(sort_names())), descending=data.draw(st.booleans()))
            case "show":
                texts = ["", "a", "a l", "l", "state=live", "a state=live", "a or b", "age>1s"]
                view.begin_show(parse(data.draw(st.sampled_from(texts))))
            case "time":
                view.begin_time(data.draw(st.integers(0, 3000)))
        for _ in zip(range(data.draw(st.integers(0, 4))), view.steps(), strict=False):
            pass
        unique = {known.key: known for known in changed}
        gone = [known.key for known in removed if known.key not in unique]
        view.update(store.apply(unique.values(), gone, reset=reset))
    view.at_time(2000)
    view.finish()
    new_view = SessionView(store)
    new_view.at_time(2000)
    new_view.sort(view.column, descending=view.descending)
    new_view.show(view.filter)
    assert view.rows(0, 100) == new_view.rows(0, 100)
    assert len(view) + view.hidden() == len(store)


class TestCounts:
    SESSIONS = (
        session("a", active=5),
        session("b", active=7),
        session("c", active=9, live=False),
        session("d", active=11, scope="event"),
    )

    def test_totals_are_those_of_the_sessions_shown(self) -> None:
        store, view = make_view(*self.SESSIONS)
        assert view.totals() == store.totals() == (3, 4, 23)
        view.show(parse("scope=live"))
        assert view.totals() == (2, 3, 12)
        view.update(store.apply([session("b", active=8), session("e", active=100)], [self.SESSIONS[0].key]))
        assert view.totals() == (2, 3, 108)
        view.show(parse("nobody"))
        assert view.totals() == (0, 0, 0)

    def test_sessions_are_numbered_without_the_headings_of_groups(self) -> None:
        _, view = make_view(*self.SESSIONS)
        assert [view.number(row) for row in range(4)] == [1, 2, 3, 4]
        view.group(True)
        assert [view.number(row) for row in range(len(view))] == [None, 1, None, 2, 3, 4]
        assert view.sessions == 4
