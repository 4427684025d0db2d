"""The single writer: a thread that runs every write of the service, several per commit.

A write is a callable that takes a connection, and names the servers and streams that it locks; without names it has the
whole store. The writes of a commit lock theirs together, before the first of them reads. A commit that conflicts with
one of another process is rolled back and run again. If a write fails, the whole commit is rolled back and each write
runs again in a commit of its own, so that it fails alone. A result is delivered after the commit that contains it,
never before. A caller may stop waiting: the write is still carried out, whole.
"""

import asyncio
import contextlib
import logging
import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, TypeVar

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from streamusage.service.errors import StoreError, UnconfirmedCommitError, UnreachableStoreError, UnusableStoreError
from streamusage.service.store.engines.locks import WHOLE_STORE, LockSet, NeedsWholeStoreError, join_locks
from streamusage.service.store.store import Store
from streamusage.service.store.writing.write_group import WriteGroup

log = logging.getLogger(__name__)

Result = TypeVar("Result")

GROUP_LIMIT = 256
"""The most writes in one commit: limits how long the first of them waits for the last."""

LOCK_LIMIT = 1_000
"""The most locks of one commit. With the defaults of PostgreSQL there is room for 6,400 in all processes together; a
write that needs more has the whole store.
"""

ATTEMPTS = 5
"""How often a commit is run that conflicts with others."""


@dataclass
class _Write:
    work: Callable[[Connection], Any]
    future: "Future[Any] | asyncio.Future[Any] | None"
    loop: asyncio.AbstractEventLoop | None
    """The loop that waits for it; `None` if a thread does."""
    callback: Callable[[Any, Exception | None], None] | None = None
    """Called instead of a future."""
    locks: LockSet = WHOLE_STORE
    result: Any = None
    error: Exception | None = None

    def deliver(self) -> None:
        if self.callback is not None:
            self.callback(self.result if self.error is None else None, self.error)
        if self.future is None or self.future.cancelled():
            return
        if self.error is None:
            self.future.set_result(self.result)
        else:
            self.future.set_exception(self.error)


class Writer:
    """Accepts writes until it is stopped; `stop` returns when all accepted writes are done."""

    def __init__(self, store: Store, on_commit: Callable[[int, float], None] = lambda _writes, _seconds: None) -> None:
        self._store = store
        self._on_commit = on_commit
        self._queue: queue.SimpleQueue[_Write | None] = queue.SimpleQueue()
        self._next: _Write | None = None
        """Taken from the queue, and left for the next commit."""
        self._stopped = False
        self._gate = threading.Lock()
        self._thread = threading.Thread(target=self._run, name="streamtop-writer", daemon=True)
        self._thread.start()

    def submit(self, work: Callable[[Connection], Result], locks: LockSet = WHOLE_STORE) -> "Future[Result]":
        """Accept a write. Its future has the result, the error it raised, or a `StoreError`: then nothing was kept."""
        future: Future[Result] = Future()
        # Marks it as running: a waiter that goes away cannot cancel an accepted write.
        future.set_running_or_notify_cancel()
        self._put(_Write(work, future, None, locks=locks))
        return future

    async def write(self, work: Callable[[Connection], Result], locks: LockSet = WHOLE_STORE) -> Result:
        """Return the result of the write after the commit that contains it."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Result] = loop.create_future()
        self._put(_Write(work, future, loop, locks=locks))
        return await future

    def submit_with_callback(
        self,
        work: Callable[[Connection], Result],
        callback: Callable[[Result | None, Exception | None], None],
        locks: LockSet = WHOLE_STORE,
    ) -> None:
        """Accept a write. After its commit the running loop calls `callback` with the result, or with the error."""
        self._put(_Write(work, None, asyncio.get_running_loop(), callback, locks))

    def _put(self, write: _Write) -> None:
        if write.locks.size > LOCK_LIMIT:
            write.locks = WHOLE_STORE
        with self._gate:
            if self._stopped:
                raise StoreError("the service is stopping; nothing was changed; retry when it is back")
            self._queue.put(write)

    def stop(self) -> None:
        """Finish the accepted writes and end the thread."""
        with self._gate:
            if not self._stopped:
                self._stopped = True
                self._queue.put(None)
        self._thread.join()

    def _run(self) -> None:
        while group := self._take_group():
            self._commit(group, join_locks(write.locks for write in group))

    def _take_group(self) -> list[_Write]:
        """Return the writes of the next commit: those that wait, as far as their locks go together."""
        first = self._next or self._queue.get()
        self._next = None
        if first is None:
            return []
        group, count = [first], first.locks.size
        while len(group) < GROUP_LIMIT:
            try:
                following = self._queue.get_nowait()
            except queue.Empty:
                break
            if following is None:
                self._queue.put(None)  # nothing is accepted after it
                break
            count += following.locks.size
            if following.locks.is_whole_store != first.locks.is_whole_store or count > LOCK_LIMIT:
                self._next = following
                break
            group.append(following)
        return group

    def _commit(self, group: list[_Write], locks: LockSet, attempt: int = 1) -> None:
        began = time.perf_counter()
        begun = committing = False
        try:
            with self._store.writing(locks) as connection:
                shared = WriteGroup(locks)
                shared.attach(connection)
                transaction = connection.begin()
                begun = True
                self._store.reachability.note_success("written")
                for write in group:
                    write.result = write.work(connection)
                shared.finish(connection)
                committing = True
                self._store.commit(connection, transaction)
            self._store.health.check_kept()
        except NeedsWholeStoreError:
            self._commit(group, WHOLE_STORE, attempt)
            return
        except (UnusableStoreError, UnconfirmedCommitError) as error:
            for write in group:
                write.error = error
        except Exception as error:
            if attempt < ATTEMPTS and self._store.is_conflict(error):
                self._commit(group, locks, attempt + 1)
                return
            failure: StoreError | None = self._store.health.note(error)
            if failure is None and (cause := self._store.reachability.note_failure("written", error)):
                failure = _unreachable(cause, committing)
            if failure is None and begun and len(group) > 1:
                for write in group:
                    self._commit([write], write.locks)
                return
            is_store_error = committing or not begun or isinstance(error, DBAPIError)
            for write in group:
                write.error = failure or (_store_error(error) if is_store_error else error)
        self._on_commit(len(group), time.perf_counter() - began)
        _deliver(group)


def _deliver(group: list[_Write]) -> None:
    """Deliver the results, those of one loop all at once: waking a loop costs more than a small write."""
    by_loop: dict[asyncio.AbstractEventLoop, list[_Write]] = {}
    for write in group:
        if write.loop is None:
            write.deliver()
        else:
            by_loop.setdefault(write.loop, []).append(write)
    for loop, writes in by_loop.items():
        # The loop may be closed, and its waiters gone; the write is kept anyway.
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(_deliver_all, writes)


def _deliver_all(writes: list[_Write]) -> None:
    for write in writes:
        try:
            write.deliver()
        except Exception:  # a failing callback must not block the others
            log.exception("the callback of a write failed")


def _unreachable(cause: str, committing: bool) -> UnreachableStoreError:
    """Return the error that waiting callers get where no database was reached, or the connection to it broke."""
    if committing:
        return UnreachableStoreError(
            f"the connection to the store broke ({cause}); whether the change was kept is unknown: check, or retry"
        )
    return UnreachableStoreError(f"the store is not reached: {cause}; nothing was changed; retry")


def _store_error(error: Exception) -> StoreError:
    """Return the error that waiting callers get for a failure of the store."""
    cause = error.orig if isinstance(error, DBAPIError) else error
    log.error("the store could not write: %s", cause)
    return StoreError(f"the store could not write: {cause}; nothing was changed; retry")
