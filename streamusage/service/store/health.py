"""Whether an open store may be used: notices damage, and a file that was moved, replaced or removed.

| event                                   | fault              | ends                                              |
|-----------------------------------------|--------------------|---------------------------------------------------|
| the path no longer names the open file  | moved, replaced, … | when it does again; else with a restart           |
| the engine reports damage               | damaged            | if a check of the whole store finds none          |
| that check finds damage                 | damaged, marked    | with `store verify` or `store restore`, a restart |
| the store is marked (by `store verify`) | damaged            | with `store verify` or `store restore`, a restart |

With a fault nothing is written. Reads continue after damage: a page that can be read is whole, and a damaged one is an
error. After a change of the file they do not: a new connection would read another file.
"""

import logging
import re
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import NamedTuple

from sqlalchemy.exc import DBAPIError

from streamusage.service.errors import UnusableStoreError
from streamusage.service.store.engines.protocol import Damage, DamageMark
from streamusage.service.store.store_file import StoreFile

log = logging.getLogger(__name__)

LOG_SECONDS = 60.0
RECHECK_SECONDS = 60.0
"""How long after a check the next one begins, if the engine reports damage again."""

MARK_SECONDS = 10.0
"""How often a mark that another process left in the database is looked for."""

_NAMED = 5
"""Most parts of the store that a mark names."""
_TABLE = re.compile(r"\b(?:FROM|INTO|UPDATE|JOIN)\s+\"?([a-z_]+)", re.IGNORECASE)


class _Fault(NamedTuple):
    what: str
    hinders_reads: bool
    is_confirmed: bool
    """Damage that a check of the whole store found, or another process."""


class StoreHealth:
    """The faults of one open store. Threads may share it."""

    def __init__(
        self,
        display_url: str,
        file: StoreFile | None,
        is_damage: Callable[[BaseException | None], bool],
        find_damage: Callable[[], list[Damage] | None],
        elapsed_seconds: Callable[[], float] = time.monotonic,
        mark: DamageMark | None = None,
    ) -> None:
        """`mark` is the mark of a store without a file, which is looked for by `watch` only."""
        self.file = file
        self._mark = mark
        self._display_url = display_url
        self._is_damage = is_damage
        self._find_damage = find_damage
        self._elapsed_seconds = elapsed_seconds
        self._lock = threading.Lock()
        self._fault: _Fault | None = None
        self._logged_at: float | None = None
        self._next_check_at = 0.0
        self._next_mark_at = 0.0

    def check_write(self) -> None:
        """Raise `UnusableStoreError` if nothing may be written now."""
        fault = self._look()
        if fault is not None:
            raise self._error(fault, "nothing was changed")

    def check_read(self) -> None:
        """Raise `UnusableStoreError` if nothing may be read now."""
        fault = self._look()
        if fault is not None and fault.hinders_reads:
            raise self._error(fault, "nothing was read")

    def describe_fault(self) -> str:
        """Return why the store may not be used now; empty if it may."""
        fault = self._look()
        return "" if fault is None else str(self._error(fault, "nothing is written to it"))

    def check_kept(self) -> None:
        """Raise `UnusableStoreError` if what was committed just now may be in a file that is gone."""
        fault = self._look()
        if fault is not None:
            raise self._error(fault, "whether the change was kept is unknown")

    def note(self, error: BaseException) -> UnusableStoreError | None:
        """Take note of a failed statement. Return the error for the caller if the store is damaged, else `None`."""
        if not isinstance(error, DBAPIError) or not self._is_damage(error.orig):
            return None
        tables = list(dict.fromkeys(_TABLE.findall(error.statement or "")))
        where = f", in the table{'s' * (len(tables) > 1)} {', '.join(tables)}" if tables else ""
        fault = _Fault(f"it is damaged ({error.orig}{where})", hinders_reads=False, is_confirmed=False)
        with self._lock:
            if self._fault is None:
                self._set(fault)
        return self._error(fault, "nothing was changed")

    def watch(self) -> None:
        """Look for faults, confirm or clear them, and log a present one once a minute. Call it about once a second."""
        fault = self._look()
        if fault is None and self._mark is not None and self._elapsed_seconds() >= self._next_mark_at:
            self._next_mark_at = self._elapsed_seconds() + MARK_SECONDS
            mark = ""
            with suppress(DBAPIError):  # not reached at the moment, which is noted elsewhere
                mark = self._mark.read_mark()
            if mark:
                with self._lock:
                    self._set(_Fault(_found_damaged(mark), hinders_reads=False, is_confirmed=True))
        if fault is not None and not fault.hinders_reads and not fault.is_confirmed:
            self._confirm(fault)
        with self._lock:
            if self._fault is not None and self._is_log_due():
                self._log(self._fault)

    def _look(self) -> _Fault | None:
        with self._lock:
            if self.file is None or (self._fault is not None and self._fault.is_confirmed):
                return self._fault
            change = self.file.find_change()
            if change:
                if self._fault is None or self._fault.what != change:
                    self._set(_Fault(change, hinders_reads=True, is_confirmed=False))
            elif self._fault is not None and self._fault.hinders_reads:
                self._clear("its file is back")
            if self._fault is None and (mark := self.file.read_mark()):
                self._set(_Fault(_found_damaged(mark), hinders_reads=False, is_confirmed=True))
            return self._fault

    def _confirm(self, fault: _Fault) -> None:
        if self._elapsed_seconds() < self._next_check_at:
            return
        found = self._find_damage()
        with self._lock:
            self._next_check_at = self._elapsed_seconds() + RECHECK_SECONDS
            if self._fault is not fault:
                return
            if not found:
                self._clear("a check of the whole store found no damage" if found == [] else "it may be whole again")
                return
            self._fault = fault._replace(is_confirmed=True)
        mark = self._mark if self.file is None else self.file
        if mark is not None:
            named = [f"{damage.table or 'no table'}: {damage.what}" for damage in found[:_NAMED]]
            mark.mark(f"{fault.what}; a check of the whole store: {', '.join(named)}")

    def _set(self, fault: _Fault) -> None:
        self._fault = fault
        self._log(fault)

    def _clear(self, why: str) -> None:
        self._fault = None
        log.warning("the store %s can be written again: %s", self._display_url, why)

    def _is_log_due(self) -> bool:
        return self._logged_at is None or self._elapsed_seconds() - self._logged_at >= LOG_SECONDS

    def _log(self, fault: _Fault) -> None:
        self._logged_at = self._elapsed_seconds()
        log.error("%s", self._error(fault, "nothing is written to it"))

    def _error(self, fault: _Fault, kept: str) -> UnusableStoreError:
        advice = (
            "put the file back, or stop the service and restore a backup (streamtop store restore)"
            if fault.hinders_reads
            else "stop the service, run streamtop store verify, and restore a backup (streamtop store restore)"
        )
        return UnusableStoreError(
            f"the store {self._display_url} cannot be used: {fault.what}; {kept}; agents keep their figures; {advice}"
        )


def _found_damaged(mark: str) -> str:
    return f"it was found damaged ({mark})"
