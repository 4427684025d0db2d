"""Match a line of the server's log with the viewer connection that it ends. Pure.

The ids of a media server start again after its restart, so the start time must match as well. Some logs have no ids
and name only the peer of a connection.
"""

from collections.abc import Collection, Iterable, Mapping

from streamusage.agent.reading import EndedConnection
from streamusage.api.report import ViewerRow

CLOCK_SLACK_MS = 500
"""How far the start of a connection may differ between the server's statistics and its log."""

LONGEST_ANSWER_MS = 5_000
"""Longest time from a request to the moment that its reply describes. An age is subtracted from the time of the
request, so that the computed start of a viewer is never late, and early by at most this time. Two connections that use
one id are much further apart."""


def match_viewer(
    line: EndedConnection, started_at: int, viewers: Mapping[str, ViewerRow], boots: list[str], seen: Collection[str]
) -> ViewerRow | None:
    """Return the viewer of the given boots that a log line ends; `None` where no reading showed it.

    Of several candidates the one with the nearest start is chosen. `seen` contains the viewers that are still
    connected: among connections of one peer, a connection that is no longer there is preferred.
    """
    by_peer = line.connection_id.startswith("@")
    slack = min(CLOCK_SLACK_MS, line.granularity_ms)
    earlier = later = line.granularity_ms + slack
    if by_peer:
        candidates = list(_viewers_of_peer(line, viewers, boots))
    else:
        candidates = [viewers[key] for boot in boots if (key := f"{boot}/{line.connection_id}") in viewers]
        earlier, later = earlier + (LONGEST_ANSWER_MS if line.granularity_ms else 0), slack
    matching = (viewer for viewer in candidates if -earlier <= viewer.started_at - started_at <= later)
    return min(
        matching,
        key=lambda viewer: (by_peer and viewer.viewer_id in seen, abs(viewer.started_at - started_at)),
        default=None,
    )


def _viewers_of_peer(line: EndedConnection, viewers: Mapping[str, ViewerRow], boots: list[str]) -> Iterable[ViewerRow]:
    return (
        viewer
        for viewer in viewers.values()
        if viewer.viewer_id.endswith(line.connection_id)
        and (viewer.scope, viewer.name) == (line.scope, line.name)
        and viewer.viewer_id.rpartition("/")[0] in boots
    )
