"""Three PostgreSQL servers, a primary and two standbys, and the failovers that a cluster manager would carry out."""

import os
import shutil
import signal
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import psycopg

from tests.support.needs import postgresql_programs
from tests.support.postgresql import PASSWORD, runner_as_owner
from tests.support.real.processes import free_port
from tests.support.waiting import wait_until_blocking

NODES = 3
QUORUM = "ANY 1 (*)"
"""A commit waits until one standby, whichever, has it on its disk."""


class DatabaseNode:
    """One of the servers, on a port that stays its own."""

    def __init__(self, folder: Path, run: Callable[[list[str | Path]], None], *, has_fsync: bool = False) -> None:
        self.port = free_port()
        self.data = folder / f"node-{self.port}"
        self._options = () if has_fsync else ("-F",)
        self._folder = folder
        self._run = run
        programs = postgresql_programs()
        assert programs is not None
        self._programs = programs

    def create(self, standbys: str = "", archive: Path | None = None) -> None:
        """Create a database cluster, whose commits wait for standbys as `synchronous_standby_names` says.

        With `archive`, a folder that exists, it keeps its whole write-ahead log there.
        """
        (self._folder / "password").write_text(PASSWORD)
        (self._folder / "password").chmod(0o644)
        self._run(
            [self._programs / "initdb", "-D", self.data, "-U", "postgres", "-A", "scram-sha-256", "--no-sync",
             f"--pwfile={self._folder / 'password'}", "--locale=C", "--encoding=UTF8"],
        )  # fmt: skip
        settings = f"synchronous_standby_names = '{standbys}'\nwal_keep_size = 512MB\nmax_connections = 60\n"
        if archive is not None:
            settings += f"archive_mode = on\narchive_command = 'cp %p {archive}/%f'\n"
        with (self.data / "postgresql.conf").open("a") as file:
            file.write(settings)

    def back_up(self, target: Path) -> None:
        """Write a base backup of a running server."""
        address = f"postgresql://postgres:{PASSWORD}@127.0.0.1:{self.port}/"
        self._run([self._programs / "pg_basebackup", "-D", target, "-c", "fast", "-N", "-d", address])

    def restore(self, backup: Path, archive: Path, until: str) -> None:
        """Start with a base backup, followed by the archived log up to a time."""
        self._run(["cp", "-a", backup, self.data])
        settings = (
            f"restore_command = 'cp {archive}/%f %p'\nrecovery_target_time = '{until}'\n"
            "recovery_target_action = promote\narchive_mode = off\n"
        )
        with (self.data / "postgresql.conf").open("a") as file:
            file.write(settings)
        (self.data / "recovery.signal").touch()
        self.start()
        with self.connected() as connection:
            recovered = b"SELECT NOT pg_is_in_recovery()"
            wait_until_blocking(lambda: connection.execute(recovered).fetchone() == (True,), "the end of recovery")

    def finish_log(self) -> None:
        """Archive the log up to now."""
        with self.connected() as connection:
            found = connection.execute("SELECT pg_walfile_name(pg_switch_wal())").fetchone()
            assert found is not None
            archived = f"SELECT last_archived_wal >= '{found[0]}' FROM pg_stat_archiver"
            wait_until_blocking(lambda: connection.execute(archived.encode()).fetchone() == (True,), "the log archived")

    def now(self) -> str:
        """Return the server's time."""
        with self.connected() as connection:
            found = connection.execute("SELECT clock_timestamp()::text").fetchone()
        assert found is not None
        return str(found[0])

    def url(self, database: str = "postgres") -> str:
        """Return the URL of a database. It contains no password."""
        return f"postgresql://postgres@127.0.0.1:{self.port}/{database}"

    def copy(self, source: "DatabaseNode") -> None:
        """Become a standby of a running server, without any content of before."""
        shutil.rmtree(self.data, ignore_errors=True)
        for left in self._folder.glob(f".s.PGSQL.{self.port}*"):  # its lock counts while its process is a zombie
            left.unlink()
        address = f"postgresql://postgres:{PASSWORD}@127.0.0.1:{source.port}/"
        self._run([self._programs / "pg_basebackup", "-D", self.data, "-R", "-c", "fast", "-N", "-d", address])

    def start(self) -> None:
        options = " ".join((f"-p {self.port} -h 127.0.0.1 -k {self._folder}", *self._options))
        log = self._folder / f"log-{self.port}"
        try:
            self._control("-l", log, "-o", options, "start")
        except AssertionError as error:
            raise AssertionError(f"{error}\n{log.read_text()[-2000:]}") from None

    def stop(self) -> None:
        with suppress(AssertionError):  # it was killed, and its test failed before it was started again
            self._control("-m", "immediate", "stop")

    def promote(self) -> None:
        self._control("promote")

    def follow(self, primary: "DatabaseNode | None") -> None:
        """Receive changes from another server, or from none."""
        address = f"host=127.0.0.1 port={primary.port} user=postgres password={PASSWORD}" if primary else ""
        with self.connected() as connection:
            connection.execute(f"ALTER SYSTEM SET primary_conninfo = '{address}'".encode())
            connection.execute("SELECT pg_reload_conf()")

    def received(self) -> int:
        """Return the place up to which a standby has received changes."""
        with self.connected() as connection:
            found = connection.execute(
                "SELECT greatest(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn()) - '0/0'::pg_lsn"
            ).fetchone()
        assert found is not None
        return int(str(found[0]))

    def receives(self) -> bool:
        """Return whether a standby has a connection to a primary."""
        with self.connected() as connection:
            receiving = "SELECT count(*) FROM pg_stat_wal_receiver WHERE status = 'streaming'"
            return connection.execute(receiving).fetchone() != (0,)

    def has_standby(self) -> bool:
        """Return whether a standby receives this server's changes."""
        with self.connected() as connection:
            streaming = "SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'"
            return connection.execute(streaming).fetchone() != (0,)

    def send(self, number: signal.Signals) -> None:
        """Send a signal to all of the server's processes, as what happens to its machine."""
        main = int((self.data / "postmaster.pid").read_text().split()[0])
        try:
            children = Path(f"/proc/{main}/task/{main}/children").read_text().split()
        except FileNotFoundError:
            return  # it was killed before
        processes = [main, *map(int, children)]
        for process in processes:
            with suppress(ProcessLookupError):
                os.kill(process, number)
        if number == signal.SIGKILL:
            wait_until_blocking(lambda: not any(map(_is_running, processes)), "the server's processes are gone")

    def last_log_lines(self) -> list[str]:
        """Return the newest lines of its log."""
        return (self._folder / f"log-{self.port}").read_text().splitlines()[-8:]

    def connected(self) -> "psycopg.Connection[tuple[object, ...]]":
        """Return a connection to the server's first database."""
        return psycopg.connect(self.url(), password=PASSWORD, autocommit=True)

    def _control(self, *arguments: str | Path) -> None:
        self._run([self._programs / "pg_ctl", "-D", self.data, "-w", "-t", "120", *arguments])


def _is_running(process: int) -> bool:
    try:
        return ") Z " not in Path(f"/proc/{process}/stat").read_text()
    except OSError:
        return False


class DatabaseNodes:
    """The servers, of which one is the primary. All of them run, but for the moments of a failover."""

    def __init__(self, nodes: list[DatabaseNode]) -> None:
        """Take servers that run, the primary first."""
        self.nodes = nodes
        self.primary = nodes[0]

    @property
    def standbys(self) -> list[DatabaseNode]:
        return [node for node in self.nodes if node is not self.primary]

    def url(self, database: str = "postgres") -> str:
        """Return libpq's URL of whichever of the servers is the primary. It contains no password."""
        hosts = ",".join(f"127.0.0.1:{node.port}" for node in self.nodes)
        return f"postgresql://postgres@{hosts}/{database}?target_session_attrs=read-write"

    def take_over(self) -> None:
        """Make the standby that has received most the primary, and let the others follow it."""
        former = self.primary
        self.cut_off_standbys()  # one that is ahead of the next primary could not follow it
        self.primary = max(self.standbys, key=lambda node: node.received())
        self.primary.promote()
        for node in self.standbys:
            if node is not former:
                node.follow(self.primary)

    def rejoin(self, node: DatabaseNode) -> None:
        """Let a former primary begin again, as a standby without any content of before."""
        node.send(signal.SIGKILL)
        node.copy(self.primary)
        node.start()
        wait_until_blocking(self.primary.has_standby, "a standby receives changes")

    def cut_off_standbys(self) -> None:
        """Let the standbys receive nothing more."""
        for node in self.standbys:
            node.follow(None)
            wait_until_blocking(lambda node=node: not node.receives(), "the standby is cut off")

    def replace_hanging_primary(self) -> DatabaseNode:
        """Let a standby take over from a primary that hangs, and is back at once. Return it: it works as before."""
        former = self.primary
        former.send(signal.SIGSTOP)
        try:
            self.take_over()
        finally:
            former.send(signal.SIGCONT)
        return former

    def fail_over(self) -> None:
        """Kill the primary and let a standby take over; later the former primary is a standby."""
        former = self.primary
        former.send(signal.SIGKILL)
        self.take_over()
        self.rejoin(former)


@contextmanager
def database_nodes(standbys: str, *, has_fsync: bool = False, how_many: int = NODES) -> Iterator[DatabaseNodes]:
    """Run servers for the block, the first as the primary. `standbys` is their `synchronous_standby_names`.

    Without fsync, committed data survives a killed server, but no power loss.
    """
    with owned_folder() as (folder, run):
        nodes = [DatabaseNode(folder, run, has_fsync=has_fsync) for _ in range(how_many)]
        nodes[0].create(standbys)
        with ExitStack() as running:
            for node in nodes:
                if node is not nodes[0]:
                    node.copy(nodes[0])
                node.start()
                running.callback(node.stop)
            yield DatabaseNodes(nodes)


@contextmanager
def owned_folder() -> Iterator[tuple[Path, Callable[[list[str | Path]], None]]]:
    """Yield a folder for servers, and the function that runs programs as its owner."""
    folder = Path(tempfile.mkdtemp(prefix="streamtop-postgresql-"))
    try:
        yield folder, runner_as_owner(folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
