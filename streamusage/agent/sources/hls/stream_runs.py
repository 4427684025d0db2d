"""When streams are on air, as far as an access log shows it: while segments of them are delivered. Pure.

A run of a stream begins with the first segment that was delivered and ends with the last one before a pause longer
than `idle_after`. The stream itself was published earlier or at that time: its start is a lower bound of its duration.
"""

from collections.abc import Mapping

from streamusage.agent.reading import PublishReading
from streamusage.agent.sources.common.identifiers import short_digest

MOST_STORED = 2_000
"""How many starts a cursor has. Of more streams, those beyond may begin a new session after a restart."""


class StreamRuns:
    """The runs at a position in the log."""

    def __init__(self, idle_after_ms: int) -> None:
        self._idle_after_ms = idle_after_ms
        self._runs: dict[tuple[str, str], list[int]] = {}
        """Times of the first and the last segment of each stream."""

    def add_segment(self, stream: tuple[str, str], at: int, *, is_new_visit: bool) -> None:
        """Take a delivered segment into account. After a pause, a viewer who continues shows that a clock was set."""
        run = self._runs.get(stream)
        if run is None:
            self._runs[stream] = [at, at]
        elif 0 <= at - run[1] <= self._idle_after_ms:
            run[1] = at
        elif at > run[1]:
            run[0] = at if is_new_visit else run[0]
            run[1] = at
        elif run[1] - at > self._idle_after_ms:
            run[1] = at  # the clock was set back

    def remove_before(self, since: int) -> None:
        """Remove the runs whose last segment is earlier."""
        self._runs = {stream: run for stream, run in self._runs.items() if run[1] >= since}

    def publishes(self, at: int) -> tuple[PublishReading, ...]:
        """Return the streams that are on air at a time in UTC milliseconds."""
        return tuple(
            PublishReading(
                publish_id=f"{short_digest(scope, name)}-{first_at}",
                scope=scope,
                name=name,
                age_ms=max(0, at - first_at),
            )
            for (scope, name), (first_at, last_at) in self._runs.items()
            if at - last_at <= self._idle_after_ms
        )

    def starts(self) -> dict[str, int]:
        """Return the start of each run, by a digest of its stream, for a cursor."""
        newest = sorted(self._runs.items(), key=lambda item: item[1][1], reverse=True)[:MOST_STORED]
        return {short_digest(*stream): first_at for stream, (first_at, _) in newest}

    def restore_starts(self, starts: Mapping[str, int]) -> None:
        """Set the starts that a cursor has: the lines from which the runs were computed may begin later."""
        for (scope, name), (first_at, _) in self._runs.items():
            self._runs[scope, name][0] = starts.get(short_digest(scope, name), first_at)
