"""A media server that is reloaded and upgraded in simulated time: earlier boots go on serving their connections.

Only the present boot has a page. The log has the lines of all. As nginx's source does, the server's boots are its
workers, the cursor remembers the earlier ones, and `sources.nginx_rtmp.workers` decides which of them may still serve
connections: by the running processes in some schedules, and by their names only in the others.
"""

from dataclasses import dataclass
from random import Random

import msgspec

from streamusage.agent.reading import EndedConnection, Reading
from streamusage.agent.sources.nginx_rtmp.page_reader import WorkerBoot
from streamusage.agent.sources.nginx_rtmp.source import NginxRtmpCursor
from streamusage.agent.sources.nginx_rtmp.workers import continued_ids, drained, draining, earlier_workers, masters
from tests.faults.media_server import Connection, MediaServer
from tests.faults.simulator import Simulation

FIRST_PID = 1_000


@dataclass
class EarlierBoot:
    """A boot that a reload or an upgrade replaced, with all that it needs to become the present one again."""

    boot: str
    started_at: int
    next_number: int
    bytes_in: int
    bytes_out: int
    open: dict[int, Connection]
    can_return: bool = True
    """Whether it was not told to end: one that ends its connections does not come back."""


class ReloadedMediaServer(MediaServer):
    """A server with a log and with counters of its own, whose boots overlap."""

    def __init__(self, random: Random, now: int, is_certain: bool, keeps_numbers: bool) -> None:
        self.earlier: list[EarlierBoot] = []
        self.reloads = self.rollbacks = self.published = 0
        self.is_certain, self.keeps_numbers = is_certain, keeps_numbers
        super().__init__(random, now)

    def reload(self, now: int) -> None:
        """Replace the boot, which goes on serving its connections. Ids go on, or start again as with a new binary."""
        self.reloads += 1
        number = self.next_number
        self.earlier.append(self._present())
        self._boot(now)
        if self.keeps_numbers:
            self.next_number = number

    def roll_back(self) -> None:
        """Make the newest earlier boot the present one again, as after an upgrade that is rolled back."""
        if self.earlier and self.earlier[-1].can_return:
            self.rollbacks += 1
            resumed = self.earlier.pop()
            self.earlier.append(self._present())
            for name in ("boot", "started_at", "next_number", "bytes_in", "bytes_out", "open"):
                setattr(self, name, getattr(resumed, name))

    def _present(self) -> EarlierBoot:
        return EarlierBoot(self.boot, self.started_at, self.next_number, self.bytes_in, self.bytes_out, self.open)

    def connect(self, now: int, kind: str, name: str) -> None:
        before = len(self.open)
        super().connect(now, kind, name)
        self.published += kind == "publish" and len(self.open) > before

    def move_bytes(self, now: int) -> None:
        super().move_bytes(now)
        present = self._present()
        for earlier in self.earlier:
            self._become(earlier)
            super().move_bytes(now)
            earlier.bytes_in, earlier.bytes_out = self.bytes_in, self.bytes_out
        self._become(present)

    def disconnect_drained(self, now: int) -> None:
        """End a connection of an earlier boot."""
        served = [(earlier, number) for earlier in self.earlier for number in earlier.open]
        if served:
            earlier, number = self.random.choice(served)
            present = self._present()
            self._become(earlier)
            self.disconnect(now, number)
            self._become(present)
            earlier.can_return = False
        # One that has served its last connection ends, and cannot come back.
        self.earlier = [earlier for earlier in self.earlier if earlier.open]

    def _become(self, boot: EarlierBoot) -> None:
        self.boot, self.open = boot.boot, boot.open
        self.bytes_in, self.bytes_out = boot.bytes_in, boot.bytes_out

    def read(self, now: int, cursor: str | None) -> Reading:
        known, present = NginxRtmpCursor.parse(cursor), self._worker()
        serving = earlier_workers(known.boot, known.earlier, present, self._find_worker)
        reading = super().read(now, None if cursor is None else _position(cursor))
        known_masters = masters(known.masters, serving, present, self._find_worker, self.master_of)
        return msgspec.structs.replace(
            reading,
            cursor=f"{NginxRtmpCursor(present, None, tuple(serving), known_masters)}{reading.cursor}",
            draining=draining(serving),
            drained=drained(known.earlier, present, self._find_worker),
            continued_ids=continued_ids((*serving, *known.earlier), present, known_masters),
        )

    def ended_between(self, from_cursor: str, to_cursor: str) -> tuple[EndedConnection, ...]:
        return super().ended_between(_position(from_cursor), _position(to_cursor))

    def _find_worker(self, pid: int, present_pid: int) -> bool | None:
        """As `FindWorker`: a boot runs as long as it is the present one or serves connections."""
        running = (self.boot, *(earlier.boot for earlier in self.earlier))
        return any(pid == _parse_worker(boot).pid for boot in running) if self.is_certain else None

    def master_of(self, pid: int) -> int:
        """As `FindMaster`: each boot has a master of its own where ids begin again."""
        return 1 if self.keeps_numbers else pid

    def _worker(self) -> WorkerBoot:
        return _parse_worker(self.boot)

    def _boot(self, now: int) -> None:
        super()._boot(now)
        self.boot = str(WorkerBoot(now // 1000, FIRST_PID + self.boots))


def _parse_worker(boot: str) -> WorkerBoot:
    worker = WorkerBoot.parse(boot)
    assert worker is not None, boot
    return worker


def _position(cursor: str) -> str:
    """Return the position in the log of a cursor."""
    return cursor.rpartition("|")[2]


class ReloadSimulation(Simulation):
    """A schedule in which the media server is reloaded, upgraded and rolled back, and never cuts a connection."""

    LOST_COMMITS_WEIGHT = 0.0

    server: ReloadedMediaServer

    def __init__(self, seed: int, steps: int = 60) -> None:
        super().__init__(seed, steps)
        chooses = Random(f"reloads {seed}")
        self.server = ReloadedMediaServer(
            self.random, self.now, is_certain=chooses.random() < 0.5, keeps_numbers=chooses.random() < 0.5
        )

    def happened(self) -> dict[str, int]:
        counts = {"reloaded": self.server.reloads, "rolled back": self.server.rollbacks}
        return super().happened() | {name: count for name, count in counts.items() if count}

    def _destroy_journal(self) -> None:
        """Keep the journal: a new one knows no viewer of an earlier boot before its first contact with the service."""

    def _restart_media_server(self) -> None:
        self.server.reload(self.now)

    def _step(self) -> None:
        if self.random.random() < 0.1:
            self.server.disconnect_drained(self.now)
        if self.random.random() < 0.01:
            self.server.roll_back()
        super()._step()

    def _heal(self) -> None:
        while self.server.earlier:
            self.server.disconnect_drained(self.now)
        super()._heal()

    def open_viewers(self) -> list[str]:
        """Return the viewers that the agent's journal has as open."""
        with self.journal.transaction() as tx:
            return [viewer.viewer_id for viewer in tx.open_viewers()]
