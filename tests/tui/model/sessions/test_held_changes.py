"""Changes of polls during a pause, merged into one."""

from hypothesis import given
from hypothesis import strategies as st

from tests.support.console.records import session
from tui.model.sessions.held_changes import HeldChanges
from tui.model.sessions.store import Session, SessionStore

sessions = st.builds(session, st.sampled_from("abc"), st.integers(1, 2), active=st.integers(0, 5))
polls = st.lists(st.tuples(st.lists(sessions, max_size=4), st.lists(sessions, max_size=3), st.booleans()), max_size=6)


def test_newest_state_of_a_session_is_kept() -> None:
    held = HeldChanges()
    held.add([session("a", active=1), session("b")], [], reset=False)
    held.add([session("a", active=2)], [session("b").key, session("c").key], reset=False)
    assert len(held) == 3
    assert held.take() == ([session("a", active=2)], [session("b").key, session("c").key], False)
    assert held.take() == ([], [], False), "taken changes are forgotten"


def test_reset_drops_earlier_changes_and_stays_set() -> None:
    held = HeldChanges()
    held.add([session("a")], [], reset=False)
    held.add([session("b")], [], reset=True)
    held.add([session("c")], [], reset=False)
    assert held.take() == ([session("b"), session("c")], [], True)


@given(st.lists(sessions, max_size=5), polls)
def test_merged_changes_give_the_same_store_as_every_poll(
    before: list[Session], polls: list[tuple[list[Session], list[Session], bool]]
) -> None:
    every_poll, merged, held = SessionStore(), SessionStore(), HeldChanges()
    every_poll.apply(before)
    merged.apply(before)
    for changed, removed, reset in polls:
        changed_keys = {known.key for known in changed}
        gone = [] if reset else [known.key for known in removed if known.key not in changed_keys]
        every_poll.apply(changed, gone, reset=reset)
        held.add(changed, gone, reset=reset)
    changed, gone, reset = held.take()
    merged.apply(changed, gone, reset=reset)
    assert {known.key: known for known in merged} == {known.key: known for known in every_poll}
