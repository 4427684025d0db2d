"""A process of the service whose writes run statement by statement: each statement and commit waits for a permit."""

import re
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, NamedTuple

from sqlalchemy import Connection, Engine, event

from streamusage.service.store.engines.locks import WHOLE_STORE, LockSet
from streamusage.service.store.store import Store, open_store
from streamusage.service.store.writing.writer import Writer
from tests.support.waiting import LONGEST_WAIT_S

COMMIT = "COMMIT"
FORMER_HISTORY = "of another timeline"
"""The history of the database before a failover."""

_ROW_LOCKS = re.compile(r"\bFOR (?:NO KEY UPDATE|UPDATE|KEY SHARE|SHARE)(?: OF [\w.]+)?(?: NOWAIT| SKIP LOCKED)?\b")
_ADVISORY_LOCKS = re.compile(r"\bpg_advisory_(?=\w*lock\b|\w*lock_shared\b)")


class Write(NamedTuple):
    """A write as the writer accepts it."""

    work: Callable[[Connection], Any]
    locks: LockSet = WHOLE_STORE


class Process:
    """An open store with its writer, as one process of the service has it."""

    def __init__(self, label: str, store_url: str, now_ms: int, *, has_locks: bool = True) -> None:
        """Without locks, the process's statements neither lock rows on purpose nor wait for an advisory lock."""
        self.label = label
        self.store_url = store_url
        self.store: Store = open_store(store_url, now_ms)
        self.writer = Writer(self.store)
        self.backend = 0
        """The process id of the database's backend that runs the statements."""
        self.passed: list[str] = []
        """What ran since the start of the present operation."""
        self.has_ended_transaction = False
        self._has_locks = has_locks
        self._threads = ThreadPoolExecutor(1, initializer=self._note_thread)
        self._thread = 0
        self._changed = threading.Condition()
        self._is_gated = False
        self._waits_for: str | None = None
        self._is_permitted = False
        self._future: Future[Any] | None = None
        self._listeners = [
            (self.store._writer, "before_cursor_execute", self._before_statement),
            (self.store._writer, "commit", self._before_commit),
            (self.store._writer, "rollback", self._before_rollback),
            (Engine, "before_cursor_execute", self._before_statement_of_thread),
            (Engine, "commit", self._before_commit_of_thread),
        ]
        for target, name, listener in self._listeners:
            event.listen(target, name, listener, **{"retval": True} if name == "before_cursor_execute" else {})
        self.writer.submit(_allow_long_steps).result(LONGEST_WAIT_S)
        self._history = self.store._history

    def remember_history(self, is_present: bool) -> None:
        """Let the next write find the history of the database as the last one left it, or another one, as the first
        write after a failover does.
        """
        self.store._history = self._history if is_present else FORMER_HISTORY

    def submit(self, write: Write) -> None:
        """Start a write through the writer."""
        self._begin()
        self._watch(self.writer.submit(write.work, write.locks))

    def run_in_thread(self, work: Callable[[], Any]) -> None:
        """Start work that makes connections of its own."""
        self._begin()
        self._watch(self._threads.submit(work))

    def close(self) -> None:
        self.open_gate()
        for listener in self._listeners:
            event.remove(*listener)
        self.writer.stop()
        self._threads.shutdown()
        self.store.close()

    @property
    def is_done(self) -> bool:
        return self._future is not None and self._future.done()

    @property
    def waits_for(self) -> str | None:
        """The statement that waits for a permit."""
        return self._waits_for

    @property
    def result(self) -> str:
        """The result of the operation, or its error, as text."""
        assert self._future is not None
        error = self._future.exception(LONGEST_WAIT_S)
        return repr(self._future.result()) if error is None else repr(error)

    def permit(self) -> str:
        """Let the waiting statement run, and return it."""
        with self._changed:
            assert self._waits_for is not None
            statement, self._waits_for = self._waits_for, None
            self.passed.append(statement)
            self._is_permitted = True
            self._changed.notify_all()
            return statement

    def wait(self, seconds: float) -> bool:
        """Wait until the permitted statement has ended, so that the next one waits. Return whether it has."""
        with self._changed:
            return self._changed.wait_for(lambda: self._waits_for is not None or self.is_done, seconds)

    def open_gate(self) -> None:
        """Let every statement run."""
        with self._changed:
            self._is_gated = False
            self._changed.notify_all()

    def _begin(self) -> None:
        self.passed = []
        self.has_ended_transaction = False
        self._future = None
        self._is_gated = True

    def _watch(self, future: "Future[Any]") -> None:
        self._future = future
        future.add_done_callback(self._finish)

    def _finish(self, _future: "Future[Any]") -> None:
        with self._changed:
            self._is_gated = False
            self._changed.notify_all()

    def _before_statement(
        self, connection: Connection, _cursor: Any, statement: str, parameters: Any, _context: Any, _many: bool
    ) -> tuple[str, Any]:
        if not self._has_locks:
            statement = _ADVISORY_LOCKS.sub("pg_try_advisory_", _ROW_LOCKS.sub("", statement))
        self._pass(connection, statement)
        return statement, parameters

    def _before_statement_of_thread(self, *call: Any) -> tuple[str, Any]:
        return self._before_statement(*call) if self._is_in_thread() else (call[2], call[3])

    def _before_commit_of_thread(self, connection: Connection) -> None:
        if self._is_in_thread():
            self._before_commit(connection)

    def _note_thread(self) -> None:
        self._thread = threading.get_ident()

    def _is_in_thread(self) -> bool:
        return threading.get_ident() == self._thread

    def _before_commit(self, connection: Connection) -> None:
        self._pass(connection, COMMIT)
        self.has_ended_transaction = True

    def _before_rollback(self, _connection: Connection) -> None:
        self.has_ended_transaction = True

    def _pass(self, connection: Connection, statement: str) -> None:
        with self._changed:
            if not self._is_gated:
                return
            self.backend = connection.connection.dbapi_connection.info.backend_pid  # type: ignore[union-attr]
            self._waits_for = statement
            self._changed.notify_all()
            in_time = self._changed.wait_for(lambda: self._is_permitted or not self._is_gated, LONGEST_WAIT_S)
            self._is_permitted = False
            self._waits_for = None
        assert in_time, f"process {self.label} got no permit for {statement}"


def _allow_long_steps(connection: Connection) -> None:
    """Let the session wait in a transaction as long as a busy machine makes it wait."""
    connection.exec_driver_sql("SET idle_in_transaction_session_timeout = 0")
