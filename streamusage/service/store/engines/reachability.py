"""Whether the database of an open store is reached: a line in the log when it is lost, and one when it is back.

Reads and writes have connections of their own, perhaps to different servers: the store is back when both are.
"""

import logging
import re
import threading
import time
from collections.abc import Callable
from typing import Literal

from sqlalchemy.exc import DBAPIError

log = logging.getLogger(__name__)

LOG_SECONDS = 60.0
"""How often it is logged that the database is still not reached."""

SETTLE_SECONDS = 1.0
"""How long after a failure the store is not yet taken for reached: a server that ends breaks its connections one after
another.
"""

_OF_HOST = re.compile(r"host: '([^']*)', port: '([^']*)'.*failed: (.*)$", re.MULTILINE)

Access = Literal["read", "written"]


class Reachability:
    """What is known of the connections of one store. Threads may share it."""

    def __init__(
        self,
        display_url: str,
        is_unreachable: Callable[[BaseException | None], bool],
        elapsed_seconds: Callable[[], float] = time.monotonic,
    ) -> None:
        self._display_url = display_url
        self._is_unreachable = is_unreachable
        self._elapsed_seconds = elapsed_seconds
        self._lock = threading.Lock()
        self._lost: set[Access] = set()
        self._lost_at = self._failed_at = self._logged_at = 0.0
        self._failures = 0
        self._cause = ""

    def describe_loss(self) -> str:
        """Return why the database is not reached; empty while it is."""
        with self._lock:
            return f"the store {self._display_url} is not reached: {self._cause}" if self._lost else ""

    def note_failure(self, access: Access, error: BaseException) -> str:
        """Take note of a failed read or write. Return the cause if no database was reached; else an empty text."""
        if not isinstance(error, DBAPIError):
            return ""
        if not (error.connection_invalidated or self._is_unreachable(error.orig)):
            return ""
        cause = describe_connection_error(error.orig)
        now = self._elapsed_seconds()
        with self._lock:
            self._failed_at = now
            if not self._lost:
                self._lost_at = self._logged_at = now
                self._failures = 0
                log.error("the store %s is not reached: %s; agents keep their figures", self._display_url, cause)
            elif now - self._logged_at >= LOG_SECONDS:
                self._logged_at = now
                log.error(
                    "the store %s is not reached since %d s: %s; agents keep their figures",
                    self._display_url, now - self._lost_at, cause,
                )  # fmt: skip
            self._lost.add(access)
            self._failures += 1
            self._cause = cause
        return cause

    def note_success(self, access: Access) -> None:
        """Take note of a connection that is used."""
        if access not in self._lost:
            return
        now = self._elapsed_seconds()
        with self._lock:
            if access not in self._lost or now - self._failed_at < SETTLE_SECONDS:
                return
            self._lost.discard(access)
            if not self._lost:
                log.warning(
                    "the store %s is reached again after %d s; %d reads and writes failed meanwhile",
                    self._display_url, now - self._lost_at, self._failures,
                )  # fmt: skip


def describe_connection_error(error: object) -> str:
    """Return the text of a driver's error in one line; of several hosts, the cause of each."""
    of_hosts = [f"{host}:{port}: {cause}" for host, port, cause in _OF_HOST.findall(str(error))]
    return "; ".join(of_hosts) or " ".join(str(error).split())
