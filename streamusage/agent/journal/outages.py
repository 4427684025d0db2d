"""Record of an outage: its phases with their times, and the number of failed syncs. Pure."""

import re

import msgspec

from streamusage.api.report import AgentPhase, OutageRow, PhaseChange

MOST_PHASES = 32
"""Most phases of one outage. An agent that restarts again and again has more: the first and the newest are kept."""

MOST_ERROR_CHARACTERS = 512
_ADDRESS = re.compile(r"https?://\S+?(?=:?(?:\s|$))")


def record_failure(outage: OutageRow | None, phase: AgentPhase, error: str, at_ms: int, revision: int) -> OutageRow:
    """Return the outage after one more failed sync, or the new outage that begins with it."""
    if outage is None:
        outage = OutageRow(began_at=at_ms, revision=revision, phases=(PhaseChange(phase, at_ms),), failed_attempts=0)
    return msgspec.structs.replace(
        _in_phase(outage, phase, at_ms),
        revision=revision,
        failed_attempts=outage.failed_attempts + 1,
        error=remove_address(error)[:MOST_ERROR_CHARACTERS],
    )


def remove_address(error: str) -> str:
    """Return an error of the link without the address of the service, because viewers of the service can read it."""
    return _ADDRESS.sub("the service", error)


def begin_recovery(outage: OutageRow, at_ms: int) -> OutageRow:
    """Return the outage as it is after the report that carries it arrives: that report ends it."""
    return _in_phase(outage, "recovering", at_ms)


def end(outage: OutageRow, recovering_at_ms: int, at_ms: int, revision: int) -> OutageRow:
    """Return the outage after a report was acknowledged."""
    ended = _in_phase(begin_recovery(outage, recovering_at_ms), "online", at_ms)
    return msgspec.structs.replace(ended, revision=revision)


def _in_phase(outage: OutageRow, phase: AgentPhase, at_ms: int) -> OutageRow:
    phases, left_out = outage.phases, outage.left_out
    if phases[-1].phase == phase:
        return outage
    phases = (*phases, PhaseChange(phase, at_ms))
    if len(phases) > MOST_PHASES:
        phases, left_out = (phases[0], *phases[2:]), left_out + 1
    return msgspec.structs.replace(outage, phases=phases, left_out=left_out)
