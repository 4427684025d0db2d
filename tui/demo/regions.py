"""The demo's two services: what the estate of each consists of, and the time of the demo."""

from dataclasses import dataclass
from datetime import UTC, datetime

from streamusage.api.report import Role

MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS
DAY_MS = 24 * HOUR_MS

MONTH_FROM_MS = int(datetime(2026, 11, 1, tzinfo=UTC).timestamp()) * 1000
"""Start of the accounting of both services."""
BEGINS_MS = int(datetime(2026, 11, 28, 23, 50, tzinfo=UTC).timestamp()) * 1000
"""Time of the demo at its start: a Saturday, ten minutes before its accounting day is over."""
EVENING_FROM_MS = BEGINS_MS - 65 * MINUTE_MS
"""When the broadcasts that are on air at the start begin."""
HISTORY_FROM_MS = BEGINS_MS - 45 * MINUTE_MS
"""From then on the agents read and report as often as in the demo."""


@dataclass(frozen=True)
class Member:
    """A media server of an estate."""

    server: str
    role: Role
    share: float
    """Share of every stream's audience."""


@dataclass(frozen=True)
class Region:
    """A usage service with its media servers. `name` is the profile under which the console shows it."""

    name: str
    members: tuple[Member, ...]
    poll_interval_ms: int
    """Interval of the readings of its agents."""
    audience: float
    """Factor on the audience of the programme."""
    number: int
    """Makes its audience another one than that of the other region."""


EU = Region(
    "eu",
    (Member("origin", "origin", 0.05), Member("edge-1", "edge", 0.55), Member("edge-2", "edge", 0.40)),
    poll_interval_ms=2_000,
    audience=1.0,
    number=0,
)
US = Region(
    "us",
    (Member("origin", "origin", 0.1), Member("edge-6", "edge", 0.9)),
    poll_interval_ms=5_000,
    audience=0.4,
    number=1,
)
REGIONS = (EU, US)

CUT_OFF = "edge-2"
"""The server of the first region whose agent loses its network."""
