"""Runs the migrations of a store, all of them in one transaction, and reports how far they are.

Until its commit the store has its former tables, whatever happens to the process or the database. Only 0017 has a
preparation that is committed by itself on PostgreSQL (`divided_tables`): it changes no row, and is continued or undone.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from streamusage.service.store.migrations.estimates import describe_estimate, estimate_migrations

MIGRATIONS = Path(__file__).parent
BEAT_SECONDS = 10.0
"""How often work is reported that is still under way."""
LONG_SECONDS = 1.0
"""From which duration on it is reported how long a step took."""

Reporter = Callable[[str], None]
"""Receives a line about long work on a store; it may be called in another thread."""


class MigrationProgress:
    """What is being done to a store before it is open, reported every `BEAT_SECONDS`, from any thread."""

    def __init__(self, report: Reporter) -> None:
        self.report = report
        self._lock = threading.Lock()
        self._doing, self._is_step, self._since = "", False, time.monotonic()
        self._ended = threading.Event()

    def begin(self, step: str) -> None:
        """Note the step that is being done from now on. Its end is reported, too, if it takes long."""
        self._set(step, is_step=True)

    def wait(self, cause: str) -> None:
        """Note what is being waited for from now on; nothing if it is empty."""
        self._set(cause, is_step=False)

    def _set(self, doing: str, *, is_step: bool) -> None:
        with self._lock:
            before, was_step, took = self._doing, self._is_step, time.monotonic() - self._since
            self._doing, self._is_step, self._since = doing, is_step, time.monotonic()
        if was_step and took >= LONG_SECONDS:
            self.report(f"{before}: done after {took:.0f} s")

    def _beat(self) -> None:
        while not self._ended.wait(BEAT_SECONDS):
            with self._lock:
                doing, took = self._doing, time.monotonic() - self._since
            if doing:
                self.report(f"{doing}: for {took:.0f} s now")

    @contextmanager
    def beating(self) -> Iterator[None]:
        """Report within the block."""
        thread = threading.Thread(target=self._beat, name="migration progress", daemon=True)
        thread.start()
        try:
            yield
            self.wait("")
        finally:
            self._ended.set()
            thread.join()


def migrate(connection: Connection, progress: MigrationProgress | None = None) -> None:
    """Run the migrations that the store lacks, in the open transaction. Raises `CommandError` for a newer store."""
    config = _config()
    config.attributes["connection"] = connection
    version = read_schema_version(connection)
    missing = [] if version is None else missing_migrations(version)
    if progress is not None:
        progress.wait("")
    if progress is None or not missing:
        command.upgrade(config, "head")
        return
    began = time.monotonic()
    estimate = describe_estimate(estimate_migrations(connection, missing))
    progress.report(
        f"migrating the store from {version} to {missing[-1]} in {len(missing)} steps, {estimate}; the service answers "
        "afterwards; if this is interrupted, the store stays as it was"
    )

    def begin(number: int) -> None:
        is_end = number == len(missing)
        step = "committing the migrations" if is_end else f"migration {number + 1} of {len(missing)}, {missing[number]}"
        progress.begin(step)

    def step_ended(*, step: Any, **_others: Any) -> None:
        begin(missing.index(step.up_revision_id) + 1)

    config.attributes["step_ended"] = step_ended
    begin(0)
    command.upgrade(config, "head")
    progress.report(f"migrated the store to {missing[-1]} in {time.monotonic() - began:.1f} s; committing")


def read_schema_version(connection: Connection) -> str | None:
    """Return the newest migration of the store; `None` if it is not a store."""
    return MigrationContext.configure(connection).get_current_revision()


def newest_schema_version() -> str:
    """Return the newest migration of this program."""
    return migration_order()[-1]


def missing_migrations(version: str) -> list[str]:
    """Return the migrations that a store lacks, oldest first; none for a version that is not known."""
    known = migration_order()
    return list(known[known.index(version) + 1 :]) if version in known else []


@cache
def migration_order() -> tuple[str, ...]:
    """Return all migrations of this program, oldest first."""
    revisions = ScriptDirectory.from_config(_config()).walk_revisions()
    return tuple(reversed([script.revision for script in revisions]))


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.set_main_option("recursive_version_locations", "true")
    config.set_main_option("path_separator", "os")
    return config
