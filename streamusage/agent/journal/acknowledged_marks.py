"""What the service had acknowledged when, so that rows are kept for some time after their acknowledgement. Pure.

Times are the service's: the clock of the agent's machine may be set, and an outage may be longer than rows are kept.
"""

from collections.abc import Sequence

from streamusage.agent.journal.protocol import AcknowledgedMark, Head

MARK_EVERY_MS = 24 * 3600 * 1000
_NOTHING = AcknowledgedMark(0, 0, 0)


def mark_acknowledged(head: Head, received_at: int, needed_from: int) -> tuple[AcknowledgedMark, ...]:
    """Return the marks after an acknowledgement, with a new one if the last is a day old. Of those up to `needed_from`
    only the newest is kept.

    Marks of what the service has no longer, after a restore, and those of a later time, when its clock was wrong, are
    left out.
    """
    marks = [
        mark for mark in head.acknowledged_marks if mark.revision <= head.acknowledged and mark.at_ms <= received_at
    ]
    if not marks or received_at - marks[-1].at_ms >= MARK_EVERY_MS:
        marks.append(AcknowledgedMark(received_at, head.acknowledged, head.acknowledged_to or 0))
    old = newest_mark(marks, needed_from)
    return tuple(mark for mark in marks if mark.at_ms >= old.at_ms)


def newest_mark(marks: Sequence[AcknowledgedMark], upto_ms: int) -> AcknowledgedMark:
    """Return the newest mark of a time up to `upto_ms`; one of nothing if there is none."""
    return max((mark for mark in marks if mark.at_ms <= upto_ms), key=lambda mark: mark.at_ms, default=_NOTHING)
