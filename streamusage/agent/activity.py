"""What one agent did since its process started: counters for its metrics. Pure."""

from collections import Counter

from streamusage.agent.reading import SourceError


class AgentActivity:
    """Counters that only grow. The agent changes them, a scrape reads them."""

    def __init__(self) -> None:
        self.readings = 0
        """Readings that are recorded in the journal."""
        self.log_lines = 0
        """Lines of logs in these readings."""
        self.unreadable_lines = 0
        """Those of them that could not be read."""
        self.source_errors: Counter[str] = Counter(dict.fromkeys(SourceError.KINDS, 0))
        """Failed readings by kind."""
        self.syncs = 0
        """Syncs after which the service had everything."""
        self.failed_syncs = 0
        self.last_sync_at: int | None = None
        """Time of the last successful sync, UTC milliseconds of the agent's clock."""

    def record_reading(self, log_lines: int, unreadable_lines: int) -> None:
        """Count a recorded reading and the lines of logs in it."""
        self.readings += 1
        self.log_lines += log_lines
        self.unreadable_lines += unreadable_lines

    def record_source_error(self, error: SourceError) -> None:
        """Count a failed reading."""
        self.source_errors[error.kind] += 1

    def record_sync(self, now_ms: int) -> None:
        """Count a successful sync."""
        self.syncs += 1
        self.last_sync_at = now_ms

    def record_failed_sync(self) -> None:
        """Count a sync that failed."""
        self.failed_syncs += 1
