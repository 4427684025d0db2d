"""A gap, and outages that its agent reported."""

from streamusage.api.extension import CoverageSpan, Outage
from streamusage.api.report import PhaseChange
from streamusage.core.coverage import Provenance

BEGAN = 1_795_262_400_000


MINUTE = 60_000


GAP = CoverageSpan(
    from_ms=BEGAN,
    to_ms=BEGAN + 10 * MINUTE,
    state=Provenance.BACKFILLED,
    detected_at=BEGAN + 30_000,
    filled_at=BEGAN + 10 * MINUTE + 200,
)


def outage(*phases: tuple[str, int], failed: int = 9, left_out: int = 0) -> Outage:
    changes = [PhaseChange(phase, at_ms) for phase, at_ms in phases]  # type: ignore[arg-type]
    return Outage(
        from_ms=changes[0].at,
        to_ms=changes[-1].at,
        phases=changes,
        failed_attempts=failed,
        error="cannot be reached",
        left_out=left_out,
    )


KILLED = outage(
    ("retrying", BEGAN + 10_000),
    ("accumulating", BEGAN + 40_000),
    ("retrying", BEGAN + 5 * MINUTE),
    ("recovering", BEGAN + 10 * MINUTE),
    ("online", BEGAN + 10 * MINUTE + 300),
)
