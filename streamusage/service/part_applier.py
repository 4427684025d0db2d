"""Applies the parts of accepted reports: one part of each server in turn, one transaction each.

Other writes run in between. Parts that a process left when it ended are applied by the next one, or by another process
of the same store.
"""

import logging

from streamusage.service.errors import StoreError, UnusableStoreError
from streamusage.service.http.context import Service
from streamusage.service.ingest.reports import apply_next_part
from streamusage.service.store.report_parts import find_servers_with_parts

log = logging.getLogger(__name__)

CHECK_SECONDS = 2.0
"""How often parts of other processes are looked for."""


class PartApplier:
    """The job of one service."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._applied = 0
        """Number of parts applied since there was nothing to apply."""

    async def run(self) -> None:
        """Apply parts as they arrive, until the task is cancelled."""
        while True:
            await self._apply_all()
            await self._service.parts.wait_for_work(CHECK_SECONDS)

    async def _apply_all(self) -> None:
        try:
            waiting = await self._service.read(find_servers_with_parts)
        except StoreError:
            return  # the store's health logs it
        self._applied = 0
        while waiting:
            waiting = [server for server in waiting if await self._apply_next(server)]

    async def _apply_next(self, server: str) -> bool:
        """Apply one part of a server's report. Return whether to continue with it now."""
        now_ms = self._service.clock.now_ms()
        try:
            left = await self._service.write(lambda connection: apply_next_part(connection, server, now_ms))
        except UnusableStoreError:
            return False  # the store's health logs it, once a minute
        except StoreError as error:
            log.warning("could not apply a part of a report of %s: %s", server, error)
            return False
        except Exception:
            log.exception("could not apply a part of a report of %s; it is kept and tried again", server)
            return False
        self._applied += 1
        if left and self._applied.bit_count() == 1:  # after 1, 2, 4, 8, … parts
            await self._refresh_statistics()
        if not left:
            self._service.parts.announce_applied(server)
        return left > 0

    async def _refresh_statistics(self) -> None:
        """Let the database learn of the new rows: it would read all rows of the server for each key of the next part.

        This holds up no other write.
        """
        try:
            await self._service.in_thread(self._service.store.refresh_statistics)
        except StoreError as error:
            log.warning("%s; the next parts may take longer", error)
