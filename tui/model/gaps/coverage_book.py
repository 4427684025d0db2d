"""Coverage known to the gap view: responses merged, so that only what can still change is fetched again. Pure."""

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from streamusage.api.extension import Coverage, CoverageSpan, Outage, Placement
from streamusage.core.usage import StreamId
from tui.model.gaps.accounts import CoverageTimeline, overlaid


class CoverageBook:
    """Coverage from `from_ms` up to the last response."""

    def __init__(self) -> None:
        self.from_ms: int | None = None
        """Start of the known time; `None` before the first response."""
        self.now_ms = 0
        """The service's time at the last response."""
        self.servers: dict[str, CoverageTimeline] = {}
        self.outages: dict[str, list[Outage]] = {}
        """Outages that the servers' agents reported, oldest first."""
        self.streams: dict[str, CoverageTimeline] = {}
        self._changes_from: int | None = None

    @property
    def without(self) -> Sequence[str]:
        """The services of which no coverage is known, where there are several."""
        return ()

    def service_of(self, _row: str) -> str:
        """Return the service of a row, where there are several; else nothing."""
        return ""

    def changes_from_of(self, _shown_from_ms: int, _fetch_from_ms: int) -> Mapping[str, int]:
        """Return from when each service's coverage is to be fetched, where there are several; else nothing."""
        return {}

    def apply(self, coverage: Coverage, service: str = "") -> bool:
        """Apply a response: a newer one of the end, or one that reaches further back and replaces everything.

        Returns whether it replaced everything. `service` is the one that answered, where there are several.
        """
        splice = self.from_ms is not None and self.from_ms < coverage.from_ms <= self.now_ms
        known = self.servers if splice else {}
        nothing = CoverageTimeline([])
        self.servers = {
            server.server: known.get(server.server, nothing).spliced(coverage.from_ms, server.spans)
            for server in coverage.servers
        }
        before = self.outages if splice else {}
        self.outages = {
            server.server: _newest_of(before.get(server.server, ()), server.outages) for server in coverage.servers
        }
        if not splice:
            self.from_ms = coverage.from_ms
        self.now_ms = coverage.now
        self._changes_from = None
        return not splice

    def apply_placements(self, carriers: Iterable[Placement], service: str = "") -> None:
        """Apply placements: a stream has the worst state of the servers that carried it, at each instant."""
        pieces: dict[StreamId, list[list[CoverageSpan]]] = {}
        for carrier in carriers:
            timeline = self.servers.get(carrier.server)
            if timeline is None:
                continue
            to_ms = self.now_ms if carrier.to_ms is None else carrier.to_ms
            pieces.setdefault(carrier.stream, []).append(
                [_cut(span, carrier.from_ms, to_ms) for span in timeline.between(carrier.from_ms, to_ms)]
            )
        self.streams = {str(stream): CoverageTimeline(overlaid(spans)) for stream, spans in pieces.items()}

    def newest_missing(self, server: str | None = None) -> tuple[str, CoverageSpan] | None:
        """Return the missing span that began last, with its server: of all servers, or of one."""
        found = [
            (span.from_ms, name, span)
            for name, timeline in self.servers.items()
            if server in (None, name)
            for span in timeline.missing()
        ]
        return None if not found else max(found, key=lambda entry: entry[:2])[1:]

    def changes_from(self) -> int:
        """Return the start of the time that can still change. A known gap may cross it: `spliced` keeps it whole."""
        if self._changes_from is None:
            settled = (timeline.settled_before(self.now_ms) for timeline in self.servers.values())
            self._changes_from = max(0, min(settled, default=0))
        return self._changes_from


def _newest_of(before: Iterable[Outage], after: Iterable[Outage]) -> list[Outage]:
    found = {outage.from_ms: outage for outage in (*before, *after)}
    return [found[from_ms] for from_ms in sorted(found)]


def _cut(span: CoverageSpan, from_ms: int, to_ms: int) -> CoverageSpan:
    if span.from_ms >= from_ms and span.to_ms <= to_ms:
        return span
    return msgspec.structs.replace(span, from_ms=max(span.from_ms, from_ms), to_ms=min(span.to_ms, to_ms))
