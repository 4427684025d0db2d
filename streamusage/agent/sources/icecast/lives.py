"""Lives of mounts, each from the connect of a source to its disconnect, and which lives a listener was on. Pure.

A listener whose mount loses its source moves to the fallback mount, and back when a source returns. Its one line names
the mount that it requested and has the bytes of all mounts that it was on; the counter of each of them has its part.
"""

from collections.abc import Mapping

from streamusage.access_logs.icecast import IcecastLogLine, normalize_path
from streamusage.agent.sources.icecast.statistics import mount_life_id

SAME_SECOND_S = 2
"""How far the start of a source on the page may differ from that of its line."""

END_SLACK_S = 1
"""How much later than its source a listener may be logged that leaves together with it."""

UNKNOWN_END_S = 2**52


class MountLives:
    """The lives that are known of the mounts of a server, by their normalized paths. Times are Icecast's seconds."""

    def __init__(self) -> None:
        self._ends_s: dict[str, dict[int, int]] = {}
        """When each life ended at the latest, by mount and start; `UNKNOWN_END_S` while it lasts."""
        self._paths: dict[str, str] = {}
        """The path on the page."""

    def add_present(self, mounts: Mapping[str, int]) -> None:
        """Add lives that last, as `IcecastCursor.mounts`."""
        for path, began_s in mounts.items():
            self._add(path, began_s, UNKNOWN_END_S)

    def add_ended(self, ended: Mapping[str, tuple[int, int]]) -> None:
        """Add the start and the latest possible end of lives that ended, as `IcecastCursor.left`."""
        for path, (began_s, ended_s) in ended.items():
            self._add(path, began_s, ended_s)

    def end_source(self, line: IcecastLogLine) -> int:
        """Add the life of a source's line. Returns its start on the page, or that of the line if no page showed it."""
        starts_s = self._ends_s.get(line.path, {})
        nearest_s = min(starts_s, key=lambda start_s: abs(start_s - line.started_s), default=line.started_s)
        began_s = nearest_s if abs(nearest_s - line.started_s) <= SAME_SECOND_S else line.started_s
        self._add(self._paths.get(line.path, line.path), began_s, line.ended_s)
        return began_s

    def is_mount(self, line: IcecastLogLine) -> bool:
        """Return whether the path of a line ever had a source; else it is a page, or has a fallback only."""
        return line.path in self._ends_s

    def path_of(self, line: IcecastLogLine) -> str:
        """Return the path of a line as the page shows it."""
        return self._paths.get(line.path, line.path)

    def life_of(self, line: IcecastLogLine) -> str | None:
        """Return the id of the life on which a listener was all the time; None if it was on several, or on another
        mount.
        """
        starts_s = self._ends_s.get(line.path, {})
        began_s = max((start_s for start_s in starts_s if start_s <= line.ended_s), default=None)
        if began_s is None or line.started_s < began_s or line.ended_s > starts_s[began_s] + END_SLACK_S:
            return None
        return mount_life_id(self.path_of(line), began_s)

    def _add(self, path: str, began_s: int, ended_s: int) -> None:
        key = normalize_path(path)
        ends_s = self._ends_s.setdefault(key, {})
        ends_s[began_s] = min(ended_s, ends_s.get(began_s, UNKNOWN_END_S))
        self._paths.setdefault(key, path)
