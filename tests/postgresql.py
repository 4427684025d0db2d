"""A PostgreSQL cluster of the tests' own, in a folder and on a port of its own, and databases in it."""

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import psycopg

from tests.needs import postgresql_programs

PASSWORD = "db-s3cret"


class Cluster:
    """A server that runs. `database` makes a new, empty database and gives its URL, which holds no password."""

    def __init__(self, port: int) -> None:
        self.port = port
        self._numbers = count(1)

    def database(self) -> str:
        name = f"usage_{os.getpid()}_{next(self._numbers)}"
        with psycopg.connect(self.url("postgres"), password=PASSWORD, autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name} TEMPLATE template0")
        return self.url(name)

    def url(self, database: str) -> str:
        return f"postgresql://postgres@127.0.0.1:{self.port}/{database}"


@contextmanager
def cluster() -> Iterator[Cluster]:
    """Runs a server while the block does. What is committed survives a killed process, not a power cut: no fsync."""
    programs = postgresql_programs()
    assert programs is not None
    folder = Path(tempfile.mkdtemp(prefix="streamtop-postgresql-"))
    as_owner = _owner(folder)
    try:
        (folder / "password").write_text(PASSWORD)
        (folder / "password").chmod(0o644)
        data = folder / "data"
        as_owner(
            [programs / "initdb", "-D", data, "-U", "postgres", "-A", "scram-sha-256", "--no-sync",
             f"--pwfile={folder / 'password'}", "--locale=C", "--encoding=UTF8"],
        )  # fmt: skip
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        options = f"-p {port} -h 127.0.0.1 -k {folder} -F -c synchronous_commit=off -c max_connections=60"
        as_owner([programs / "pg_ctl", "-D", data, "-w", "-l", folder / "log", "-o", options, "start"])
        try:
            yield Cluster(port)
        finally:
            as_owner([programs / "pg_ctl", "-D", data, "-w", "-m", "immediate", "stop"])
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _owner(folder: Path) -> Callable[[list[str | Path]], None]:
    """Runs a program as whom the server may run as: never root."""
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
