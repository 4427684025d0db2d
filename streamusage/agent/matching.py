"""Which counted viewer a line of the server's log is about. Pure.

Ids begin again after a restart, so the start must fit as well. Some logs have no ids but tell whose connection it was.
"""

from collections.abc import Collection, Iterable, Mapping

from streamusage.agent.source import EndedConnection
from streamusage.report import ViewerRow

CLOCK_SLACK_MS = 500
"""How far the start of a connection may differ between the server's page and its log."""


def viewer_of(
    line: EndedConnection, started_at: int, viewers: Mapping[str, ViewerRow], boots: list[str], seen: Collection[str]
) -> ViewerRow | None:
    """The viewer whose end a line tells, among those of the boots, newest first; `None` for one that nobody saw.

    `seen` are those that are still there: of several connections of one peer, one that is gone is meant first.
    """
    slack = min(CLOCK_SLACK_MS, line.granularity_ms)
    if line.connection_id.startswith("@"):
        candidates: Iterable[ViewerRow] = sorted(
            _of_peer(line, viewers, boots),
            key=lambda viewer: (viewer.viewer_id in seen, abs(viewer.started_at - started_at)),
        )
    else:
        candidates = [viewers[key] for boot in boots if (key := f"{boot}/{line.connection_id}") in viewers]
    for viewer in candidates:
        if -line.granularity_ms - slack <= viewer.started_at - started_at <= slack:
            return viewer
    return None


def _of_peer(line: EndedConnection, viewers: Mapping[str, ViewerRow], boots: list[str]) -> Iterable[ViewerRow]:
    return (
        viewer
        for viewer in viewers.values()
        if viewer.viewer_id.endswith(line.connection_id)
        and (viewer.scope, viewer.name) == (line.scope, line.name)
        and viewer.viewer_id.rpartition("/")[0] in boots
    )
