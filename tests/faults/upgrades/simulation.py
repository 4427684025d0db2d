"""A media server that is upgraded and reloaded again and again in simulated time, as nginx by USR2, QUIT and HUP.

Each new binary counts connection ids from the beginning, a reload continues them. Until the old master quits, its
worker accepts connections beside the new one; no page shows these. Then it drains. A log line has its end to the
millisecond and its duration in whole seconds, and the start of a worker is known to the second.
"""

from collections.abc import Collection
from random import Random

import msgspec

from streamusage.agent.journal.ledger import Ledger
from streamusage.agent.reading import EndedConnection, Reading
from streamusage.core.coverage import Provenance
from tests.faults.invariants import InvariantViolationError, check_replicated, service_totals
from tests.faults.reloads import ReloadedMediaServer
from tests.faults.simulator import Simulation

SECOND_MS = 1_000

RECOGNIZED_AFTER_MS = 3_000
"""By their names alone, workers that were started within 2 seconds are taken for one that crashed and its successor."""


class UpgradedMediaServer(ReloadedMediaServer):
    """A server of several binaries at once. `accepting` are the earlier boots that still accept connections."""

    def __init__(self, random: Random, now: int, is_certain: bool) -> None:
        self.binary = 0
        self.upgrades = self.most_earlier = self.killed = 0
        self.numbers: dict[int, int] = {}
        """The next connection id of each binary."""
        self.binaries: dict[str, int] = {}
        """The binary of each boot."""
        self.boot_bytes: dict[str, tuple[int, int]] = {}
        """The bytes in and out of each boot."""
        super().__init__(random, now, is_certain, keeps_numbers=False)

    def _boot(self, now: int) -> None:
        super()._boot(now)
        self.binaries[self.boot] = self.binary

    def master_of(self, pid: int) -> int:
        """As `FindMaster`: each binary has a master of its own."""
        return next(binary for boot, binary in self.binaries.items() if boot.endswith(f"-{pid}"))

    def upgrade(self, now: int) -> None:
        """Start a newer binary, whose connection ids begin again. The old worker accepts connections until it quits."""
        self.upgrades += 1
        self.numbers[self.binary] = self.next_number
        self.earlier.append(self._present())
        self.binary = len(self.numbers)
        self._boot(now)
        self.numbers[self.binary] = self.next_number
        self.most_earlier = max(self.most_earlier, len(self.earlier))

    def reload(self, now: int) -> None:
        """Start a new worker of the same binary. The old one drains from now on."""
        self.reloads += 1
        number = self.next_number
        replaced = self._present()
        replaced.can_return = False
        self.earlier.append(replaced)
        self._boot(now)
        self.next_number = number
        self.most_earlier = max(self.most_earlier, len(self.earlier))
        self.end_drained()

    def quit_old_masters(self) -> None:
        """Let all earlier workers drain: they accept nobody, and none of them comes back."""
        for earlier in self.earlier:
            earlier.can_return = False
        self.end_drained()

    def roll_back(self) -> None:
        if self.earlier and self.earlier[-1].can_return:
            self.numbers[self.binary] = self.next_number
            super().roll_back()
            self.binary = self.binaries[self.boot]
            self.next_number = self.numbers[self.binary]
            self.earlier[-1].can_return = False
            self.end_drained()

    def kill_earlier(self, now: int, read_boots: Collection[str]) -> None:
        """Kill an earlier worker: its connections end without a line. One that was never read would leave no trace."""
        known = [earlier for earlier in self.earlier if earlier.boot in read_boots]
        if known:
            killed = self.random.choice(known)
            self.earlier.remove(killed)
            self.killed += 1
            for connection in killed.open.values():
                self._record_view(connection, now)

    def end_drained(self) -> None:
        """End the earlier workers that accept nobody and have no connection left."""
        self.earlier = [earlier for earlier in self.earlier if earlier.open or earlier.can_return]

    def connect(self, now: int, kind: str, name: str) -> None:
        accepting = [earlier for earlier in self.earlier if earlier.can_return]
        chosen = self.random.choice([None, *accepting])
        if chosen is None:
            super().connect(now, kind, name)
            return
        present, number = self._present(), self.next_number
        binary = self.binaries[chosen.boot]
        is_same = binary == self.binary
        self._become(chosen)
        self.next_number = number if is_same else self.numbers[binary]
        super().connect(now, kind, name)
        if is_same:
            number = self.next_number
        else:
            self.numbers[binary] = self.next_number
        self._become(present)
        self.next_number = number

    def move_bytes(self, now: int) -> None:
        super().move_bytes(now)
        for boot in (self._present(), *self.earlier):
            self.boot_bytes[boot.boot] = boot.bytes_in, boot.bytes_out

    def disconnect_drained(self, now: int) -> None:
        """End a connection of an earlier boot."""
        served = [(earlier, number) for earlier in self.earlier for number in earlier.open]
        if served:
            earlier, number = self.random.choice(served)
            present = self._present()
            self._become(earlier)
            self.disconnect(now, number)
            self._become(present)
        self.end_drained()

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
        line, duration_ms=line.duration_ms // SECOND_MS * SECOND_MS, granularity_ms=SECOND_MS
    )


class UpgradeSimulation(Simulation):
    """A schedule of upgrades in rows, in which the agent sees the server's processes or only the names of workers."""

    LOST_COMMITS_WEIGHT = 0.0
    PARTS_CHANCE = 0.0

    server: UpgradedMediaServer

    def __init__(self, seed: int, steps: int = 60) -> None:
        super().__init__(seed, steps)
        self.read_boots: set[str] = set()
        """The boots that a reading in the journal showed."""
        self.upgrades = Random(f"upgrades {seed}")
        self.is_certain = self.upgrades.random() < 0.6
        self.kills = self.upgrades.random() < 0.2
        self.overlaps = self.is_certain and self.upgrades.random() < 0.5
        self.server = UpgradedMediaServer(self.random, self.now, self.is_certain)

    def happened(self) -> dict[str, int]:
        server = self.server
        counts = {
            "upgraded": server.upgrades,
            "reloaded": server.reloads,
            "rolled back": server.rollbacks,
            "several earlier workers at once": int(server.most_earlier > 1),
            "earlier worker killed": server.killed,
        }
        return super().happened() | {name: count for name, count in counts.items() if count}

    def record(self, ledger: Ledger, reading: Reading) -> None:
        super().record(ledger, reading)
        self.read_boots.add(reading.boot)

    @property
    def unread_boots(self) -> set[str]:
        """The boots that came and were replaced between two readings."""
        return self.server.binaries.keys() - self.read_boots

    def _destroy_journal(self) -> None:
        """Keep the journal: a new one knows no viewer of an earlier boot before its first contact with the service."""

    def _restart_media_server(self) -> None:
        if not self.is_certain:
            self.now += RECOGNIZED_AFTER_MS
        if self.upgrades.random() < 0.7:
            self._upgrade()
        else:
            self.server.reload(self.now)

    def _upgrade(self) -> None:
        self.server.upgrade(self.now)
        if not self.overlaps or self.upgrades.random() < 0.3:
            self.server.quit_old_masters()

    def _step(self) -> None:
        chance = self.upgrades.random()
        if chance < 0.06:
            self._upgrade_in_a_row()
        elif chance < 0.16:
            self.server.disconnect_drained(self.now)
        elif chance < 0.18:
            self.server.roll_back()
        elif chance < 0.22:
            self.server.quit_old_masters()
        elif chance < 0.23 and self.kills:
            self.server.kill_earlier(self.now, self.read_boots)
        super()._step()

    def _upgrade_in_a_row(self) -> None:
        """Upgrade two to four times. Viewers join and leave after each, and the agent sees them or not."""
        for _ in range(self.upgrades.randint(2, 4)):
            self._restart_media_server()
            for _ in range(self.upgrades.randint(0, 3)):
                self.now += self.upgrades.choice((1, 100, 700))
                self._connect()
            self.now += self.upgrades.choice((1, 100, 700, 5_000))
            if self.upgrades.random() < 0.6:
                self._read_or_crash()
            self.now += self.upgrades.choice((0, 1, 100))
            if self.upgrades.random() < 0.3:
                self.server.disconnect_drained(self.now)

    def _heal(self) -> None:
        self.server.quit_old_masters()
        while self.server.earlier:
            self.server.disconnect_drained(self.now)
        super()._heal()


def check_upgrades(simulation: UpgradeSimulation) -> None:
    """Check that nothing counts twice, and that what is missing lies in time that is declared as incomplete.

    A log line shows the view time of its viewer to the second. Of a boot that came and was replaced between two
    readings nobody knows before its lines arrive, and those of connections that began within the second in which the
    next boot did may be of that one: their bytes are a lower bound. Raises `InvariantViolationError`.
    """
    truth, service = simulation.server.truth, service_totals(simulation)
    views = [ended - began for began, ended in truth.views]
    error_ms = 2 * SECOND_MS * len(views)
    incomplete = [
        (piece.from_ms, piece.to_ms)
        for piece in simulation.store.pieces
        if piece.state in (Provenance.LOST, Provenance.PARTIAL)
    ]
    moved = [truth.bytes_between(began - 1, ended - 1) for began, ended in incomplete]
    least = {
        "connections": len(truth.connections) - sum(truth.connections_between(*interval) for interval in incomplete),
        "bytes_in": truth.bytes_in[-1] - sum(bytes_in for bytes_in, _ in moved),
        "bytes_out": truth.bytes_out[-1] - sum(bytes_out for _, bytes_out in moved),
        "view_time_ms": sum(views) - sum(truth.view_time_between(*interval) for interval in incomplete) - error_ms,
    }
    for boot in simulation.unread_boots:
        bytes_in, bytes_out = simulation.server.boot_bytes.get(boot, (0, 0))
        least["bytes_in"] -= bytes_in
        least["bytes_out"] -= bytes_out
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
