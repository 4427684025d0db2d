"""Descriptions of an agent's outage: the phases and attempts that it reported afterwards. Pure."""

from collections.abc import Iterable
from typing import NamedTuple

from streamusage.api.extension import CoverageSpan, Outage
from streamusage.core.coverage import Provenance
from tui.model import formats


class ReportedPhase(NamedTuple):
    """A phase of the agent and what it did."""

    at_ms: int
    what: str
    state: Provenance


def outages_of(span: CoverageSpan, outages: Iterable[Outage]) -> list[Outage]:
    """Return the outages of a gap's agent until the gap was backfilled, oldest first."""
    until_ms = max(span.to_ms, span.filled_at or 0)
    return [outage for outage in outages if outage.from_ms <= until_ms and outage.to_ms > span.from_ms]


def list_phases(outage: Outage) -> list[ReportedPhase]:
    """Return the phases of an outage, oldest first."""
    phases = []
    before = ""
    for number, change in enumerate(outage.phases):
        match change.phase:
            case "retrying" if before == "":
                what, state = "first failed sync", Provenance.MISSING
            case "retrying" if before == "accumulating":
                what, state = "the agent was restarted and continued its journal", Provenance.MISSING
            case "retrying" | "accumulating":
                what, state = "it retries at growing intervals, without limit", Provenance.MISSING
            case "recovering":
                what = f"attempt {formats.count(outage.failed_attempts + 1)} delivered the delta"
                state = Provenance.BACKFILLED
            case _:
                what, state = "the service acknowledged everything", Provenance.LIVE
        if number == 1 and outage.left_out:
            what = f"{what} ({formats.count(outage.left_out)} earlier phases are not listed)"
        phases.append(ReportedPhase(change.at, f"{change.phase}: {what}", state))
        before = change.phase
    return phases


def describe_attempts(outage: Outage) -> str:
    """Return `9 attempts failed: …` with the last error."""
    failed = formats.count(outage.failed_attempts)
    attempts = f"{failed} attempt{'' if outage.failed_attempts == 1 else 's'} failed"
    return f"{attempts}: {outage.error}" if outage.error else attempts
