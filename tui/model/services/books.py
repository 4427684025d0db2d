"""History, trends and unrecorded streams of several services: each session uses those of its own service. Pure."""

from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from itertools import groupby

from streamusage.core.usage import SessionKey, StreamId
from tui.model.services.keys import service_of
from tui.model.sessions.history import PollHistory
from tui.model.sessions.session import Session
from tui.model.sessions.sparkline import Point
from tui.model.sessions.store import Change, SessionStore
from tui.model.sessions.trends import TrendBook
from tui.model.sessions.unrecorded import UnrecordedStreams


class HistoryOfServices(PollHistory):
    """The history of each service's own polls. `polled` is the service whose poll is being applied."""

    def __init__(self, books: Mapping[str, PollHistory]) -> None:
        super().__init__()
        self._books = books
        self.polled = ""

    def add_changes(self, changes: Iterable[Change]) -> None:
        """Record some changes of the poll that `end_poll` ends."""
        for service, some in _by_service(changes):
            self._books[service].add_changes(some)

    def end_poll(self, at_ms: int) -> None:
        """Record that a successful poll is complete."""
        if self.polled in self._books:
            self._books[self.polled].end_poll(at_ms)

    def add_failure(self) -> None:
        """Do nothing: a poll fails at one service, whose own history records it."""

    def points(self, key: SessionKey, width: int, polls_per_point: int = 1) -> list[Point]:
        """Return the newest `width` points, oldest first."""
        return self._books[service_of(key)].points(key, width, polls_per_point)

    def oldest(self, key: SessionKey, polls: int) -> int | None:
        """Return the oldest known figure of the last `polls` polls."""
        return self._books[service_of(key)].oldest(key, polls)

    def highest(self, key: SessionKey) -> int:
        """Return the highest kept figure."""
        return self._books[service_of(key)].highest(key)

    def first_poll(self, key: SessionKey) -> int:
        """Return the oldest kept poll at which the session was known."""
        return self._books[service_of(key)].first_poll(key)

    def times(self, key: SessionKey) -> list[tuple[int, Point]]:
        """Return every kept successful poll since the session was first known: the service's time and the point."""
        return self._books[service_of(key)].times(key)


class TrendsOfServices(TrendBook):
    """The trends of each service. `ahead_ms` returns how far a service's clock is ahead of the console's time."""

    def __init__(self, books: Mapping[str, TrendBook], ahead_ms: Callable[[str], int]) -> None:
        super().__init__()
        self._books = books
        self._ahead_ms = ahead_ms

    def __bool__(self) -> bool:
        return any(self._books.values())

    def oldest(self, session: Session, minutes: int, now_ms: int) -> int | None:
        """Return the oldest known figure of a live session in the last minutes."""
        return self._books[session.service].oldest(session, minutes, now_ms + self._ahead_ms(session.service))

    def points(self, session: Session, cells: int, now_ms: int, *, counts_unseen: bool = False) -> list[Point] | None:
        """Return the newest `cells` minutes of a live session, oldest first; `None` without a trend of it."""
        at_ms = now_ms + self._ahead_ms(session.service)
        return self._books[session.service].points(session, cells, at_ms, counts_unseen=counts_unseen)


class StoreOfService:
    """The sessions of one service in a store of several."""

    def __init__(self, store: SessionStore, service: str) -> None:
        self._store, self._service = store, service

    def of_stream(self, stream: StreamId) -> list[Session]:
        """Return every session of a stream of the service."""
        return self._store.of_stream(stream, self._service)


class UnrecordedOfServices(UnrecordedStreams):
    """The streams of each service that are on air without a record."""

    def __init__(self, books: Mapping[str, tuple[UnrecordedStreams, Container[StreamId]]], store: SessionStore) -> None:
        super().__init__()
        self._store = store
        self._books = books
        """The book of each service, and its streams with trends."""

    def __len__(self) -> int:
        return sum(len(streams) for streams, _ in self._books.values())

    def update(self, changes: Sequence[Change], store: object, on_air: Container[StreamId]) -> None:
        """Follow the changes of a poll that the store has applied."""
        for service, some in _by_service(changes):
            streams, known = self._books[service]
            streams.update(some, StoreOfService(self._store, service), known)


def _by_service(changes: Iterable[Change]) -> Iterator[tuple[str, list[Change]]]:
    for service, some in groupby(changes, lambda change: service_of(change.key)):
        yield service, list(some)
