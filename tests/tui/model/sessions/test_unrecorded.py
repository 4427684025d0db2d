"""Streams on air without a record: from the deleted record of a live session until the stream ends or begins again."""

import msgspec

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


MINUTE = 60_000


class Seen:
    """Trends in which these streams were on air last in these minutes."""

    def __init__(self, **minutes: int) -> None:
        self._minutes = minutes

    def last_figure_ms(self, stream: StreamId) -> int | None:
        minute = self._minutes.get(stream.name)
        return None if minute is None else minute * MINUTE


def test_stream_of_the_trends_without_a_session_is_found_unless_its_newest_session_has_just_ended() -> None:
    def ended(name: str, minute: int) -> Session:
        return msgspec.structs.replace(session(name, 1, live=False), end_time=minute * MINUTE)

    followed = Followed(ended("earlier", 5), ended("just-ended", 9))
    names = ["never", "earlier", "just-ended", "not-seen"]
    seen = Seen(**{"never": 9, "earlier": 9, "just-ended": 9})
    for _ in followed.unrecorded.find([StreamId("live", name) for name in names], seen, followed.store):
        pass
    assert len(followed.unrecorded) == 2
    followed.apply((session("earlier", 20),))
    assert len(followed.unrecorded) == 1, "it has begun again"
    followed.unrecorded.keep({StreamId("live", "never")})
    assert len(followed.unrecorded) == 1


def test_live_streams_are_those_of_one_service() -> None:
    store = SessionStore()
    store.apply([A, B, session("c", 1, live=False), msgspec.structs.replace(session("d", 1), service="eu")])
    assert set().union(*store.live_streams()) == {A.stream, B.stream}
    assert set().union(*store.live_streams("eu")) == {StreamId("live", "d")}
    assert set().union(*store.live_streams("us")) == set()
