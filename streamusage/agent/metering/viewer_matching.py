"""Which counted viewer a line of the server's log is about. Pure.

Ids begin again after a restart, so the start must fit as well. Some logs have no ids but tell whose connection it was.
"""

from collections.abc import Collection, Iterable, Mapping

from streamusage.agent.reading import EndedConnection
from streamusage.api.report import ViewerRow

CLOCK_SLACK_MS = 500
"""How far the start of a connection may differ between the server's page and its log."""

LONGEST_ANSWER_MS = 5_000
"""How late a page may be made after it was asked for. An age is reckoned from the asking, so that a viewer's start is
never later than the truth, and so much earlier at most. By far a start tells one life of an id from the next."""


def viewer_of(
    line: EndedConnection, started_at: int, viewers: Mapping[str, ViewerRow], boots: list[str], seen: Collection[str]
) -> ViewerRow | None:
    """The viewer whose end a line tells, among those of the boots; `None` for one that nobody saw.

    Of several it is the one whose start is nearest. `seen` are those that are still there: of several connections of
    one peer, one that is gone is meant first.
    """
    by_peer = line.connection_id.startswith("@")
    slack = min(CLOCK_SLACK_MS, line.granularity_ms)
    earlier = later = line.granularity_ms + slack
    if by_peer:
        candidates = list(_of_peer(line, viewers, boots))
    else:
        candidates = [viewers[key] for boot in boots if (key := f"{boot}/{line.connection_id}") in viewers]
        earlier, later = earlier + (LONGEST_ANSWER_MS if line.granularity_ms else 0), slack
    fitting = (viewer for viewer in candidates if -earlier <= viewer.started_at - started_at <= later)
    return min(
        fitting,
        key=lambda viewer: (by_peer and viewer.viewer_id in seen, abs(viewer.started_at - started_at)),
        default=None,
    )


def _of_peer(line: EndedConnection, viewers: Mapping[str, ViewerRow], boots: list[str]) -> Iterable[ViewerRow]:
    return (
        viewer
        for viewer in viewers.values()
        if viewer.viewer_id.endswith(line.connection_id)
        and (viewer.scope, viewer.name) == (line.scope, line.name)
        and viewer.viewer_id.rpartition("/")[0] in boots
    )
