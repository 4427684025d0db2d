"""What an agent went through in an outage, in words: its phases and attempts, as it told them afterwards. Pure."""

from collections.abc import Iterable
from typing import NamedTuple

from streamusage.api.extension import CoverageSpan, Outage
from streamusage.core.coverage import Provenance
from tui.model import formats


class PhaseTold(NamedTuple):
    """A phase of the agent and what it did in it."""

    at_ms: int
    what: str
    state: Provenance


def outages_of(span: CoverageSpan, outages: Iterable[Outage]) -> list[Outage]:
    """Those that the agent of a gap's server went through until the gap was filled, oldest first."""
    until_ms = max(span.to_ms, span.filled_at or 0)
    return [outage for outage in outages if outage.from_ms <= until_ms and outage.to_ms > span.from_ms]


def phases_told(outage: Outage) -> list[PhaseTold]:
    """The phases of an outage, oldest first."""
    told = []
    before = ""
    for number, change in enumerate(outage.phases):
        match change.phase:
            case "retrying" if before == "":
                what, state = "the first sync-up that failed", Provenance.MISSING
            case "retrying" if before == "accumulating":
                what, state = "the agent was started again; its journal went on", Provenance.MISSING
            case "retrying" | "accumulating":
                what, state = "it tries less and less often, without end", Provenance.MISSING
            case "recovering":
                what = f"attempt {formats.count(outage.failed_attempts + 1)} got through, with the delta"
                state = Provenance.BACKFILLED
            case _:
                what, state = "the service has acknowledged all of it", Provenance.LIVE
        if number == 1 and outage.left_out:
            what = f"{what} ({formats.count(outage.left_out)} earlier phases are not told)"
        told.append(PhaseTold(change.at, f"{change.phase}: {what}", state))
        before = change.phase
    return told


def attempts_in_words(outage: Outage) -> str:
    """`9 attempts failed: …`, with the last one's error."""
    failed = formats.count(outage.failed_attempts)
    attempts = f"{failed} attempt{'' if outage.failed_attempts == 1 else 's'} failed"
    return f"{attempts}: {outage.error}" if outage.error else attempts
