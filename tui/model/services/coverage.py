"""Coverage of several services together: each keeps a book of its own, the rows have qualified names. Pure."""

from collections.abc import Callable, Iterable, Sequence

from streamusage.api.extension import Coverage, CoverageSpan, Outage, Placement
from streamusage.core.coverage import SLOT_MS, Provenance
from tui.model.gaps.accounts import CoverageTimeline
from tui.model.gaps.coverage_book import CoverageBook
from tui.model.services.servers import qualified_name, split_name

NO_ANSWER = "its service does not answer; nothing is known of this time"


class CoverageOfServices(CoverageBook):
    """The coverage of the servers of several services.

    `silent` returns the services that do not answer. What they accounted for after their last answer is not known: that
    time is missing here, whatever they have of it.
    """

    def __init__(self, services: Iterable[str], silent: Callable[[], Iterable[str]]) -> None:
        super().__init__()
        self._books = {service: CoverageBook() for service in services}
        self._silent = silent

    def service_of(self, row: str) -> str:
        """Return the service of a row."""
        return split_name(row, self._books)[0]

    def apply(self, coverage: Coverage, service: str = "") -> bool:
        """Apply a response of a service, as `CoverageBook.apply` does."""
        replaced = self._books[service].apply(coverage)
        self._join()
        return replaced

    def apply_placements(self, carriers: Iterable[Placement], service: str = "") -> None:
        """Apply placements of a service."""
        self._books[service].apply_placements(carriers)
        self._join()

    def changes_from(self) -> int:
        """Return the start of the time that can still change at any service."""
        return min((book.changes_from() for book in self._known()), default=0)

    def changes_from_of(self, shown_from_ms: int, fetch_from_ms: int) -> dict[str, int]:
        """Return from when each service's coverage is to be fetched: what can change, where the rest that is shown is
        known.
        """
        return {
            service: book.changes_from()
            if book.from_ms is not None and book.from_ms <= shown_from_ms
            else fetch_from_ms
            for service, book in self._books.items()
        }

    @property
    def without(self) -> list[str]:
        """The services of which no coverage is known."""
        return [service for service, book in self._books.items() if book.from_ms is None]

    def _known(self) -> list[CoverageBook]:
        return [book for book in self._books.values() if book.from_ms is not None]

    def _join(self) -> None:
        known = self._known()
        self.from_ms = max((book.from_ms or 0 for book in known), default=None)
        self.now_ms = max((book.now_ms for book in known), default=0)
        silent = set(self._silent())
        self.servers, self.outages, self.streams = {}, dict[str, list[Outage]](), {}
        for service, book in self._books.items():
            for own, joined in ((book.servers, self.servers), (book.streams, self.streams)):
                for name, timeline in own.items():
                    if service in silent:
                        timeline = _with_silence(timeline, book.now_ms, self.now_ms)
                    joined[qualified_name(service, name)] = timeline
            self.outages |= {qualified_name(service, server): found for server, found in book.outages.items()}


def _with_silence(timeline: CoverageTimeline, answered_ms: int, now_ms: int) -> CoverageTimeline:
    """Return a row whose time since the last answer is missing. The row of a removed server had ended, and stays."""
    spans: Sequence[CoverageSpan] = timeline.spans
    if not spans or not answered_ms - SLOT_MS <= spans[-1].to_ms < now_ms:
        return timeline
    silence = CoverageSpan(from_ms=spans[-1].to_ms, to_ms=now_ms, state=Provenance.MISSING, reason=NO_ANSWER)
    return CoverageTimeline([*spans, silence], timeline, len(spans))
