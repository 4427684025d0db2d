"""A PostgreSQL server for the tests, with its own directory and port, and databases in it."""

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import psycopg

from tests.support.needs import postgresql_programs
from tests.support.waiting import wait_until_blocking

PASSWORD = "db-s3cret"


class Standby:
    """A running hot standby of a cluster."""

    def __init__(self, port: int, control: "Callable[[str], None]") -> None:
        self.port = port
        self._control = control

    def cut_off(self) -> None:
        """Receive nothing more from the primary."""
        self._set("primary_conninfo", "")

    def pause_replay(self) -> None:
        """Show nothing more of what is received."""
        with self._connected() as connection:
            connection.execute("SELECT pg_wal_replay_pause()")
            paused = "SELECT pg_get_wal_replay_pause_state() = 'paused'"
            wait_until_blocking(lambda: connection.execute(paused).fetchone() == (True,), "the replay paused")

    def is_asked(self) -> bool:
        """Return whether a service has a connection to it."""
        with self._connected() as connection:
            asking = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'streamtop'"
            return connection.execute(asking).fetchone() != (0,)

    def end_sessions(self) -> None:
        """End all connections of services, as a restart does."""
        with self._connected() as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'streamtop'"
            )

    def promote(self) -> None:
        """Take over as the primary, with the changes received by now."""
        self._control("promote")

    def _set(self, name: str, value: str) -> None:
        with self._connected() as connection:
            connection.execute(f"ALTER SYSTEM SET {name} = '{value}'".encode())
            connection.execute("SELECT pg_reload_conf()")
            receiver = "SELECT count(*) FROM pg_stat_wal_receiver WHERE status = 'streaming'"
            wait_until_blocking(lambda: connection.execute(receiver).fetchone() == (0,), "the standby cut off")

    def wait_for(self, lsn: str) -> None:
        """Wait until it has everything up to a place in the primary's log."""
        with self._connected() as connection:
            replayed = f"SELECT pg_last_wal_replay_lsn() >= '{lsn}'"
            wait_until_blocking(lambda: connection.execute(replayed.encode()).fetchone() == (True,), "the log replayed")

    def _connected(self) -> "psycopg.Connection[tuple[object, ...]]":
        url = f"postgresql://postgres@127.0.0.1:{self.port}/postgres"
        return psycopg.connect(url, password=PASSWORD, autocommit=True)


class Cluster:
    """A running server. `database` yields the URL of an empty database; the URL contains no password."""

    def __init__(self, port: int, folder: Path, as_owner: "Callable[[list[str | Path]], None]") -> None:
        self.port = port
        self._folder = folder
        self._as_owner = as_owner
        self._numbers = count(1)
        self._free: list[str] = []
        self.is_running = True

    @contextmanager
    def database(self) -> Iterator[str]:
        """Yield an empty database. It is reused later: creating one takes longer than most tests."""
        name = self._free.pop() if self._free else self._create_database()
        try:
            yield self.url(name)
        finally:
            if self.is_running:
                self._empty(name)
                self._free.append(name)

    def _empty(self, name: str) -> None:
        with self._connected(name) as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
            connection.execute("DROP SCHEMA public CASCADE")
            connection.execute("CREATE SCHEMA public")

    @contextmanager
    def standby(self, *options: str) -> Iterator[Standby]:
        """Run a hot standby of the server for the block, with more options of `postgres`."""
        programs = postgresql_programs()
        assert programs is not None
        data = Path(tempfile.mkdtemp(prefix="standby-", dir=self._folder))
        data.rmdir()
        source = f"postgresql://postgres:{PASSWORD}@127.0.0.1:{self.port}/"
        self._as_owner([programs / "pg_basebackup", "-D", data, "-R", "-c", "fast", "-d", source])
        with socket.create_server(("127.0.0.1", 0)) as free:
            port: int = free.getsockname()[1]
        settings = " ".join((f"-p {port} -h 127.0.0.1 -k {self._folder} -F -c max_connections=60", *options))
        control = [programs / "pg_ctl", "-D", data, "-w", "-t", "120"]
        self._as_owner([*control, "-l", self._folder / "standby-log", "-o", settings, "start"])
        try:
            yield Standby(port, lambda verb: self._as_owner([*control, verb]))
        finally:
            self._as_owner([*control, "-m", "immediate", "stop"])

    @contextmanager
    def damaged_copy(self, url: str, table: str) -> Iterator[str]:
        """Yield a copy of a database that nobody uses, in which the first page of a table is overwritten."""
        source = url.rpartition("/")[2]
        copy = f"{source}_damaged"
        with self._connected("postgres") as connection:
            strategy = "STRATEGY FILE_COPY" if connection.info.server_version >= 150_000 else ""
            connection.execute(f"CREATE DATABASE {copy} TEMPLATE {source} {strategy}".encode())
        with self._connected(copy) as connection:  # reads no page of the table
            found = connection.execute("SELECT pg_relation_filepath(%s::regclass)", (table,)).fetchone()
        assert found is not None
        with (self._folder / "data" / str(found[0])).open("r+b") as file:
            file.write(b"\xff" * 8192)
        try:
            yield self.url(copy)
        finally:
            with self._connected("postgres") as connection:
                connection.execute(f"DROP DATABASE {copy} WITH (FORCE)".encode())

    @contextmanager
    def plain_user(self, url: str) -> Iterator[str]:
        """Yield the URL of a database for a user with its tables, who may not see the cluster's control data."""
        name = url.rpartition("/")[2]
        with self._connected(name) as connection:
            connection.execute(f"CREATE ROLE plain LOGIN PASSWORD '{PASSWORD}'".encode())
            connection.execute("GRANT ALL ON SCHEMA public TO plain")
            connection.execute("REVOKE EXECUTE ON FUNCTION pg_control_system() FROM public")
        yield url.replace("postgres@", "plain@")

    def kill(self) -> None:
        """End the server at once, as a failure of its machine."""
        programs = postgresql_programs()
        assert programs is not None
        self._as_owner([programs / "pg_ctl", "-D", self._folder / "data", "-w", "-m", "immediate", "stop"])
        self.is_running = False

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Pause the server for the block, as a machine that hangs: its connections stay open."""
        main = int((self._folder / "data" / "postmaster.pid").read_text().split()[0])
        processes = [main, *map(int, Path(f"/proc/{main}/task/{main}/children").read_text().split())]
        for process in processes:
            os.kill(process, signal.SIGSTOP)
        try:
            yield
        finally:
            for process in processes:
                os.kill(process, signal.SIGCONT)

    def configure(self, **settings: str) -> None:
        """Change settings of the running server."""
        with self._connected("postgres") as connection:
            for name, value in settings.items():
                connection.execute(f"ALTER SYSTEM SET {name} = '{value}'".encode())
            connection.execute("SELECT pg_reload_conf()")

    def cancel_commits(self) -> int:
        """Cancel the wait of commits for a synchronous standby. Return how many waited."""
        waiting = "FROM pg_stat_activity WHERE wait_event = 'SyncRep'"
        with self._connected("postgres") as connection:
            return len(connection.execute(f"SELECT pg_cancel_backend(pid) {waiting}".encode()).fetchall())

    def lsn(self) -> str:
        """Return the newest place in the server's log."""
        with self._connected("postgres") as connection:
            found = connection.execute("SELECT pg_current_wal_insert_lsn()::text").fetchone()
        assert found is not None
        return str(found[0])

    def url(self, database: str) -> str:
        return f"postgresql://postgres@127.0.0.1:{self.port}/{database}"

    def _create_database(self) -> str:
        name = f"usage_{next(self._numbers)}"
        with self._connected("postgres") as connection:
            connection.execute(f"CREATE DATABASE {name} TEMPLATE template0".encode())
        return name

    def _connected(self, database: str) -> "psycopg.Connection[tuple[object, ...]]":
        return psycopg.connect(self.url(database), password=PASSWORD, autocommit=True)


@contextmanager
def cluster(*, has_lasting_commits: bool = False) -> Iterator[Cluster]:
    """Run a server for the block, without fsync: committed data survives a killed process, but no power loss.

    Unless it has lasting commits, `synchronous_commit` is off and cannot be changed.
    """
    programs = postgresql_programs()
    assert programs is not None
    folder = Path(tempfile.mkdtemp(prefix="streamtop-postgresql-"))
    as_owner = runner_as_owner(folder)
    try:
        (folder / "password").write_text(PASSWORD)
        (folder / "password").chmod(0o644)
        data = folder / "data"
        as_owner(
            [programs / "initdb", "-D", data, "-U", "postgres", "-A", "scram-sha-256", "--no-sync",
             f"--pwfile={folder / 'password'}", "--locale=C", "--encoding=UTF8"],
        )  # fmt: skip
        start = [programs / "pg_ctl", "-D", data, "-w", "-t", "120", "-l", folder / "log"]
        for last_try in (False, False, True):  # another process may take the port first
            with socket.create_server(("127.0.0.1", 0)) as free:
                port = free.getsockname()[1]
            options = f"-p {port} -h 127.0.0.1 -k {folder} -F -c max_connections=60"
            options += "" if has_lasting_commits else " -c synchronous_commit=off"
            try:
                as_owner([*start, "-o", options, "start"])
                break
            except AssertionError:
                if last_try:
                    raise
        running = Cluster(port, folder, as_owner)
        try:
            yield running
        finally:
            if running.is_running:
                running.kill()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def runner_as_owner(folder: Path) -> Callable[[list[str | Path]], None]:
    """Return a function that runs a program as a user as which the server may run, which is never root."""
    options: dict[str, int] = {}
    if os.geteuid() == 0:
        owner = pwd.getpwnam("postgres")
        os.chown(folder, owner.pw_uid, owner.pw_gid)
        options = {"user": owner.pw_uid, "group": owner.pw_gid}

    def run(command: list[str | Path]) -> None:
        done = subprocess.run(
            list(map(str, command)), cwd=folder, text=True, check=False,
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, **options,
        )  # type: ignore[call-overload]  # fmt: skip
        assert done.returncode == 0, done.stderr

    return run
