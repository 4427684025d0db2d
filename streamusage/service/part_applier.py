"""Applies the parts of accepted reports: one part of each server in turn, one transaction each.

Other writes run in between. Parts that a process left when it ended are applied by the next one, or by another process
of the same store.
"""

import logging

from streamusage.service.errors import StoreError, UnreachableStoreError, UnusableStoreError
from streamusage.service.http.context import Service
from streamusage.service.ingest.reports import apply_next_part, locks_of_server
from streamusage.service.store.report_parts import find_servers_with_parts

log = logging.getLogger(__name__)

RETRY_SECONDS = 2.0
"""How soon parts that could not be applied are tried again."""

OTHERS_SECONDS = 30.0
"""How often parts are looked for that another process left when it ended. A request that meets them wakes the job."""


class PartApplier:
    """The job of one service."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._applied = 0
        """Number of parts applied since there was nothing to apply."""
        self._has_failed = False
        """Whether a part could not be applied since then."""

    async def run(self) -> None:
        """Apply parts as they arrive, until the task is cancelled."""
        while True:
            is_done = await self._apply_all()
            await self._service.parts.wait_for_work(OTHERS_SECONDS if is_done else RETRY_SECONDS)

    async def _apply_all(self) -> bool:
        """Apply all parts. Return whether none is left."""
        awaited = self._service.parts.awaited
        try:
            waiting = await self._service.read(find_servers_with_parts)
        except StoreError:
            return False  # the store's health logs it
        for server in set(awaited).difference(waiting):
            self._service.parts.announce_applied(server)  # another process applied them
        self._applied = 0
        self._has_failed = False
        while waiting:
            waiting = [server for server in waiting if await self._apply_next(server)]
        return not self._has_failed

    async def _apply_next(self, server: str) -> bool:
        """Apply one part of a server's report. Return whether to continue with it now."""
        left = await self._apply(server)
        if left is None:
            self._has_failed = True
            return False
        self._applied += 1
        if left and self._applied.bit_count() == 1:  # after 1, 2, 4, 8, … parts
            await self._refresh_statistics()
        if not left:
            self._service.parts.announce_applied(server)
        return left > 0

    async def _apply(self, server: str) -> int | None:
        """Apply one part of a server's report. Return how many are left; `None` if it could not be applied."""
        now_ms = self._service.clock.now_ms()
        try:
            return await self._service.write(
                lambda connection: apply_next_part(connection, server, now_ms), locks_of_server(server)
            )
        except (UnusableStoreError, UnreachableStoreError):
            pass  # the store logs it, once a minute
        except StoreError as error:
            log.warning("could not apply a part of a report of %s: %s", server, error)
        except Exception:
            log.exception("could not apply a part of a report of %s; it is kept and tried again", server)
        return None

    async def _refresh_statistics(self) -> None:
        """Let the database learn of the new rows: it would read all rows of the server for each key of the next part.

        This holds up no other write.
        """
        try:
            await self._service.in_thread(self._service.store.refresh_statistics)
        except StoreError as error:
            log.warning("%s; the next parts may take longer", error)
