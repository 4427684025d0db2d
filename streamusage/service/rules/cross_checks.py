"""Cross-checks: figures of one hour that were counted in two ways and must agree. Pure.

Each comparison has a tolerance that an honest estate never exceeds, on top of the threshold, and is not made where
nothing follows from it. An unfounded alarm costs more than a small difference that is not found.

- **Sessions against slots**: the subscribers of a server's streams, sampled once a minute, bound the view time of its
  slots. Viewers of a minute were present at the sample before it, or came since. Viewers who came before
  the sample before it, and were present at the one after it, watched all of it. The connections of the minutes are the
  tolerance.
- **Origins against edges**: what the only origin of a stream sent, against what its edges received. Edges that pull
  from each other receive more than the origin sent, but no more than what the edges sent themselves. An origin with
  viewers of its own sends more than its edges receive.
- **Counters against logs**: the agent compares the viewers who left by the server's counters with the lines of its log,
  and reports both numbers in the reason of a `partial` span.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from streamusage.api.disagreements import ComparedFigure, DisagreementKind
from streamusage.api.report import Role
from streamusage.core.coverage import SLOT_MS
from streamusage.core.reasons import parse_counter_disagreement
from streamusage.core.usage import StreamId

DEFAULT_PERCENT = 2.0
LEAST_BYTES = 10_000_000
LEAST_VIEW_TIME_MS = 600_000
"""Smaller differences of an hour are never disagreements."""

WAITING_UNITS_MS = 120_000
"""After a clock was set back, units of this time at most wait at the end of coverage, and are filed in one slot."""
_BOUNDARY_SHARE = 4
"""A reading is this share of a minute at most from the next one: bytes between the two may be on either side of a
boundary.
"""

Minutes = Mapping[int, int]
"""A number by slot."""


class Threshold(NamedTuple):
    """From which difference on two figures disagree."""

    percent: float = DEFAULT_PERCENT
    """Of the larger figure. 0 turns cross-checks off."""
    least_bytes: int = LEAST_BYTES
    least_view_time_ms: int = LEAST_VIEW_TIME_MS

    def is_exceeded(self, larger: int, smaller: int, least: int, uncertain: int = 0) -> bool:
        """Return whether one figure exceeds the other by more than is tolerated. `uncertain` may belong to either."""
        difference = larger - smaller - uncertain
        return difference >= least and difference * 100 > larger * self.percent


DEFAULT_THRESHOLD = Threshold()


class HourFinding(NamedTuple):
    """A disagreement of one hour. `first` and `second` are as in `streamusage.api.disagreements`."""

    kind: DisagreementKind
    server: str
    figure: ComparedFigure
    first: int
    second: int
    stream: StreamId | None = None
    edges: tuple[str, ...] = ()


class MinutesOfStream(NamedTuple):
    """One stream of a server, by the minutes of an hour. A minute without figures is absent."""

    connections: Minutes
    view_time_ms: Minutes
    active: Minutes
    """Subscribers at the last reading of the minute; a minute without a reading is absent."""


class ServerHour(NamedTuple):
    """An origin or edge that was in service in the hour."""

    server: str
    role: Role
    is_counted: bool
    """Whether all of its bytes are accounted for."""
    rest_in: int = 0
    rest_out: int = 0
    """Bytes that are not by stream, which may belong to any."""


class CarriedStream(NamedTuple):
    """One stream on one server in the hour."""

    server: str
    connections: int
    view_time_ms: int
    bytes_in: int
    bytes_out: int
    is_measured: bool


class RelayComparison(NamedTuple):
    """The result of a comparison of an origin with its edges."""

    finding: HourFinding | None = None
    impossible: str = ""
    """Why nothing follows from the figures; empty where they were compared."""


NOT_COUNTED = "an origin or edge of the estate is not accounted for"
NO_ORIGIN = "no origin carried the stream"
SEVERAL_ORIGINS = "several origins carried the stream, which may send it to each other"
NO_EDGE = "no edge carried the stream"
STANDALONE = "a standalone server carried the stream"
NOT_MEASURED = "bytes of the stream are not measured on every server"
OWN_VIEWERS = "the origin has viewers of its own"


def compare_view_time(
    server: str, streams: Iterable[MinutesOfStream], threshold: Threshold, rest_ms: int = 0
) -> HourFinding | None:
    """Return whether the view time of a server's slots lies outside of what the samples of its sessions allow.

    Only minutes are compared that have a sample in the minute before, in themselves and in the one after. `rest_ms` is
    the server's view time that is not by stream.
    """
    sampled = counted = least = most = 0
    for connections, view_time_ms, active in streams:
        minutes = [slot for slot in active if slot - SLOT_MS in active and slot + SLOT_MS in active]
        for slot in minutes:
            before, present, after = active[slot - SLOT_MS], active[slot], active[slot + SLOT_MS]
            joined = connections.get(slot - SLOT_MS, 0) + connections.get(slot, 0)
            least += SLOT_MS * max(0, after - joined - connections.get(slot + SLOT_MS, 0))
            most += SLOT_MS * (before + joined)
            sampled += SLOT_MS * (before + present) // 2
            counted += view_time_ms.get(slot, 0)
        most += WAITING_UNITS_MS * max((active[slot] for slot in minutes), default=0)
    too_much = threshold.is_exceeded(counted, most, threshold.least_view_time_ms)
    too_little = threshold.is_exceeded(least, counted, threshold.least_view_time_ms, rest_ms)
    return HourFinding("sessions-slots", server, "view_time_ms", sampled, counted) if too_much or too_little else None


def compare_relays(
    stream: StreamId,
    carriers: Sequence[CarriedStream],
    estate: Mapping[str, ServerHour],
    threshold: Threshold,
    uncertain_bytes: int = 0,
) -> RelayComparison:
    """Return whether what the origin of a stream sent is what its edges received.

    `estate` has the origins and edges in service in the hour by name; any other server is a standalone one.
    """
    origins = [carrier for carrier in carriers if _role(estate, carrier) == "origin"]
    edges = [carrier for carrier in carriers if _role(estate, carrier) == "edge"]
    if impossible := _why_impossible(carriers, origins, edges, estate):
        return RelayComparison(impossible=impossible)
    (origin,) = origins
    sent, received = origin.bytes_out, sum(edge.bytes_in for edge in edges)
    finding = HourFinding(
        "origin-edges", origin.server, "bytes", sent, received, stream, tuple(sorted(edge.server for edge in edges))
    )
    between_edges = sum(edge.bytes_out for edge in edges) if len(edges) > 1 else 0
    rest_sent = uncertain_bytes + estate[origin.server].rest_out + between_edges
    if threshold.is_exceeded(received, sent, threshold.least_bytes, rest_sent):
        return RelayComparison(finding)
    if origin.connections or origin.view_time_ms:
        return RelayComparison(impossible=OWN_VIEWERS)
    rest_received = uncertain_bytes + sum(server.rest_in for server in estate.values() if server.role == "edge")
    if threshold.is_exceeded(sent, received, threshold.least_bytes, rest_received):
        return RelayComparison(finding)
    return RelayComparison()


def _role(estate: Mapping[str, ServerHour], carrier: CarriedStream) -> Role:
    return estate[carrier.server].role if carrier.server in estate else "standalone"


def _why_impossible(
    carriers: Sequence[CarriedStream],
    origins: Sequence[CarriedStream],
    edges: Sequence[CarriedStream],
    estate: Mapping[str, ServerHour],
) -> str:
    if not origins:
        return NO_ORIGIN
    if len(origins) > 1:
        return SEVERAL_ORIGINS
    if not edges:
        return NO_EDGE
    if len(carriers) > len(origins) + len(edges):
        return STANDALONE
    if not all(carrier.is_measured for carrier in carriers):
        return NOT_MEASURED
    return "" if all(server.is_counted for server in estate.values()) else NOT_COUNTED


def boundary_bytes(minutes_sent: Sequence[int], minutes_received: Sequence[int]) -> int:
    """Return how many bytes of a stream may be on the other side of an hour's boundary on one of two servers.

    The arguments are bytes by minute of the hour.
    """
    at_ends = (minutes[0] + minutes[-1] for minutes in (minutes_sent, minutes_received))
    return max(at_ends) // _BOUNDARY_SHARE


def compare_log(server: str, reasons: Iterable[str], threshold: Threshold) -> HourFinding | None:
    """Return whether the agent found that the log lacks viewers. `reasons` are those of a server's spans.

    Where the agent reported several numbers, the last ones count: they are sums since the log began to lack viewers.
    """
    numbers = [found for reason in reasons if (found := parse_counter_disagreement(reason)) is not None]
    if not numbers:
        return None
    left, explained = max(numbers)
    if not threshold.is_exceeded(left, explained, 1):
        return None
    return HourFinding("counters-log", server, "viewers", left, explained)
