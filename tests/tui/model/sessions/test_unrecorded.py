"""Streams on air without a record: from the deleted record of a live session until the stream ends or begins again."""

from streamusage.core.usage import SessionKey, StreamId
from tests.support.console.records import session
from tui.model.sessions.store import Session, SessionStore
from tui.model.sessions.unrecorded import UnrecordedStreams


class Followed:
    """A store whose changes are followed; its sessions at first are in the service's trends."""

    def __init__(self, *sessions: Session) -> None:
        self.store, self.unrecorded = SessionStore(), UnrecordedStreams()
        self.trends = {known.stream for known in sessions}
        self.apply(sessions)

    def apply(self, changed: tuple[Session, ...] = (), removed: tuple[SessionKey, ...] = ()) -> int:
        self.unrecorded.update(self.store.apply(changed, removed), self.store, self.trends)
        return len(self.unrecorded)


A, B = session("a", 1), session("b", 1)


def test_deleted_record_of_a_live_session_is_counted_once() -> None:
    followed = Followed(A, B, session("c", 1, live=False))
    assert followed.apply(removed=(A.key, session("c", 1).key)) == 1
    assert followed.apply(removed=(A.key,)) == 1
    assert followed.apply(removed=(B.key,)) == 2


def test_stream_that_begins_again_has_a_record() -> None:
    followed = Followed(A)
    assert followed.apply(removed=(A.key,)) == 1
    assert followed.apply((session("a", 9, live=False),)) == 1
    assert followed.apply((session("a", 20),)) == 0
    assert Followed(A).apply((session("a", 20),), (A.key,)) == 0


def test_session_that_joined_another_one_of_its_stream_is_recorded() -> None:
    assert Followed(A, session("a", 20)).apply(removed=(session("a", 20).key,)) == 0


def test_stream_that_is_no_longer_on_air_is_forgotten() -> None:
    followed = Followed(A, B)
    followed.apply(removed=(A.key, B.key))
    followed.unrecorded.keep({StreamId("live", "b")})
    assert len(followed.unrecorded) == 1


def test_many_deleted_records_are_counted_without_a_search_for_each() -> None:
    sessions = tuple(session(f"s{number}", 1) for number in range(200))
    assert Followed(*sessions).apply(removed=tuple(row.key for row in sessions)) == 200


def test_stream_without_trends_is_never_counted() -> None:
    followed = Followed()
    for number in range(100):
        followed.apply((session(f"s{number}", 1),))
        assert followed.apply(removed=(session(f"s{number}", 1).key,)) == 0
