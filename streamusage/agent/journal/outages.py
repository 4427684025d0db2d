"""What an agent keeps of an outage while it lasts: its phases with their times, and how many sync-ups failed. Pure."""

import re

import msgspec

from streamusage.api.report import AgentPhase, OutageRow, PhaseChange

MOST_PHASES = 32
"""Of one outage. Only an agent that is started over and over comes to more; the first and the newest are kept."""

LONGEST_ERROR = 512
_ADDRESS = re.compile(r"https?://\S+")


def failed(outage: OutageRow | None, phase: AgentPhase, error: str, at_ms: int, revision: int) -> OutageRow:
    """The outage after one more failed sync-up, or the one that begins with it."""
    if outage is None:
        outage = OutageRow(began_at=at_ms, revision=revision, phases=(PhaseChange(phase, at_ms),), failed_attempts=0)
    return msgspec.structs.replace(
        _in_phase(outage, phase, at_ms),
        revision=revision,
        failed_attempts=outage.failed_attempts + 1,
        error=without_address(error)[:LONGEST_ERROR],
    )


def without_address(error: str) -> str:
    """An error of the link without the service's address as this agent reaches it: the service's viewers read it."""
    return _ADDRESS.sub("the service", error)


def recovering(outage: OutageRow, at_ms: int) -> OutageRow:
    """The outage as the report tells it that will have ended it, should it get through."""
    return _in_phase(outage, "recovering", at_ms)


def ended(outage: OutageRow, recovering_at_ms: int, at_ms: int, revision: int) -> OutageRow:
    """The outage once a report got through."""
    over = _in_phase(recovering(outage, recovering_at_ms), "online", at_ms)
    return msgspec.structs.replace(over, revision=revision)


def _in_phase(outage: OutageRow, phase: AgentPhase, at_ms: int) -> OutageRow:
    phases, left_out = outage.phases, outage.left_out
    if phases[-1].phase == phase:
        return outage
    phases = (*phases, PhaseChange(phase, at_ms))
    if len(phases) > MOST_PHASES:
        phases, left_out = (phases[0], *phases[2:]), left_out + 1
    return msgspec.structs.replace(outage, phases=phases, left_out=left_out)
