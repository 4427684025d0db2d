"""How a simulated media server shows viewers to an agent, and how the agent learns that they left.

With identities, viewers end by a log line, by a callback, or by a page without them. A callback that arrives while the
agent's process does not run is lost. Without identities only numbers are known.
"""

from collections import Counter
from random import Random
from typing import Literal

from msgspec.structs import replace

from streamusage.agent.reading import AudienceReading, Reading
from streamusage.core.reasons import CALLBACKS_LOST, RED5PRO_NUMBERS
from tests.faults.media_server import MediaServer

Ends = Literal["log", "callbacks", "polling", "numbers"]


class SeenViewers:
    """What an agent sees of the viewers of one media server in one schedule."""

    def __init__(self, seed: int, server: MediaServer) -> None:
        chosen = Random(f"viewers {seed}").random()
        self.server = server
        self.ends: Ends = "log" if server.keeps_log else "polling"
        if chosen < 0.15:
            self.ends = "numbers"
            server.keeps_log = False
            server.counts_by = "stream" if server.counts_by == "connection" else server.counts_by
        elif chosen < 0.35 and server.keeps_log:
            self.ends = "callbacks"
        self.lost: list[range] = []
        """Positions of the lines whose callbacks nobody received."""
        self._deaf_from: int | None = 0

    @property
    def description(self) -> str:
        return {
            "log": "viewers ended by log lines",
            "callbacks": "viewers ended by callbacks",
            "polling": "viewers without log lines",
            "numbers": "numbers of viewers only",
        }[self.ends]

    def stop_listening(self) -> None:
        """The agent's process does not run: callbacks are lost from now on."""
        if self._deaf_from is None:
            self._deaf_from = len(self.server.log)

    def listen(self) -> None:
        """The agent's process listens from now on."""
        if self._deaf_from is not None and self.ends == "callbacks" and self._deaf_from < len(self.server.log):
            self.lost.append(range(self._deaf_from, len(self.server.log)))
        self._deaf_from = None

    def is_lost(self, line: int) -> bool:
        return any(line in lines for lines in self.lost)

    def show(self, reading: Reading, log_from: int, is_first: bool) -> Reading:
        """Return what the source makes of a page with identities and of the log from a position on."""
        if self.ends == "numbers":
            return replace(reading, viewers=(), audiences=self._audiences(reading), misses=RED5PRO_NUMBERS)
        if self.ends != "callbacks":
            return reading
        is_lost = any(line >= log_from for lines in self.lost for line in lines)
        misses = CALLBACKS_LOST if is_lost or is_first else ""
        return replace(reading, logs_ends=not is_lost, misses=misses)

    def _audiences(self, reading: Reading) -> tuple[AudienceReading, ...]:
        present = Counter((viewer.name, viewer.protocol) for viewer in reading.viewers)
        return tuple(
            AudienceReading(
                key=f"{name} {protocol}",
                scope="live",
                name=name,
                protocol=protocol,
                viewers=present[name, protocol],
                joined=joined,
            )
            for (name, protocol), joined in self.server.joined.items()
        )
