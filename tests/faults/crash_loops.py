"""A media server that crashes again and again in simulated time, and logs whole seconds, as nginx does.

Its connection ids begin again each time, so that viewers who joined within seconds of a crash have the ids of those
before it.
"""

from random import Random

import msgspec

from streamusage.agent.reading import EndedConnection, Reading
from streamusage.core.coverage import Provenance
from tests.faults.invariants import InvariantViolationError, check_replicated, service_totals
from tests.faults.media_server import MediaServer
from tests.faults.simulator import Simulation

SECOND_MS = 1_000


class WholeSecondsServer(MediaServer):
    """A server whose start and whose log lines are known to the second only. Its page is exact."""

    def read(self, now: int, cursor: str | None) -> Reading:
        reading = super().read(now, cursor)
        return msgspec.structs.replace(
            reading,
            started_at=(reading.started_at // SECOND_MS + 1) * SECOND_MS,
            started_granularity_ms=SECOND_MS,
            ended=tuple(map(_in_whole_seconds, reading.ended)),
        )

    def ended_between(self, from_cursor: str, to_cursor: str) -> tuple[EndedConnection, ...]:
        return tuple(map(_in_whole_seconds, super().ended_between(from_cursor, to_cursor)))


def _in_whole_seconds(line: EndedConnection) -> EndedConnection:
    return msgspec.structs.replace(
        line,
        ended_at=line.ended_at // SECOND_MS * SECOND_MS,
        duration_ms=line.duration_ms // SECOND_MS * SECOND_MS,
        granularity_ms=SECOND_MS,
    )


class CrashLoopSimulation(Simulation):
    """A schedule in which crashes come in rows, and viewers join just before and just after them."""

    LOST_COMMITS_WEIGHT = 0.0
    PARTS_CHANCE = 0.0

    def __init__(self, seed: int, steps: int = 40) -> None:
        super().__init__(seed, steps)
        self.server = WholeSecondsServer(self.random, self.now)
        self.loops = Random(f"crash loops {seed}")
        self.crash_loops = 0

    def happened(self) -> dict[str, int]:
        return super().happened() | ({"crash loop": self.crash_loops} if self.crash_loops else {})

    def _step(self) -> None:
        if self.loops.random() < 0.1:
            self._crash_in_a_row()
        super()._step()

    def _restart_media_server(self) -> None:
        died_at = self.now
        self.now += self.loops.choice((1, 300, 900, 90_000))
        restart = self.server.crash if self.loops.random() < 0.7 else self.server.quit
        restart(died_at, self.now)

    def _crash_in_a_row(self) -> None:
        """Crash two to four times. Viewers join after each, and the agent sees them or not."""
        self.crash_loops += 1
        for _ in range(self.loops.randint(2, 4)):
            self._restart_media_server()
            for _ in range(self.loops.randint(0, 2)):
                self.now += self.loops.choice((1, 100, 700))
                self._connect()
            self.now += self.loops.choice((1, 100, 700))
            if self.loops.random() < 0.5:
                self._read_or_crash()
            self.now += self.loops.choice((0, 1, 100))


def check_loops(simulation: CrashLoopSimulation) -> None:
    """Check that nothing counts twice, and that what is missing lies in time that is declared as incomplete.

    A log line shows the view time of its viewer to the second. Raises `InvariantViolationError`.
    """
    truth, service = simulation.server.truth, service_totals(simulation)
    views = [ended - began for began, ended in truth.views]
    error_ms = 2 * SECOND_MS * len(views)
    incomplete = [
        (piece.from_ms, piece.to_ms)
        for piece in simulation.store.pieces
        if piece.state in (Provenance.LOST, Provenance.PARTIAL)
    ]
    connections = sum(truth.connections_between(*interval) for interval in incomplete)
    view_time_ms = sum(truth.view_time_between(*interval) for interval in incomplete)
    moved = [truth.bytes_between(began - 1, ended - 1) for began, ended in incomplete]
    least = {
        "connections": len(truth.connections) - connections,
        "bytes_in": truth.bytes_in[-1] - sum(bytes_in for bytes_in, _ in moved),
        "bytes_out": truth.bytes_out[-1] - sum(bytes_out for _, bytes_out in moved),
        "view_time_ms": sum(views) - view_time_ms - error_ms,
    }
    most = {
        "connections": len(truth.connections),
        "bytes_in": truth.bytes_in[-1],
        "bytes_out": truth.bytes_out[-1],
        "view_time_ms": sum(views) + error_ms,
    }
    try:
        check_replicated(simulation)
        for metric, counted in service.items():
            within = least[metric] <= counted <= most[metric]
            assert within, f"{metric}: {counted} counted, not {least[metric]} to {most[metric]}"
    except AssertionError as error:
        raise InvariantViolationError(f"seed {simulation.seed}: {error}") from None
