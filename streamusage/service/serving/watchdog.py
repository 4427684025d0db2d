"""Keeps the service manager's watchdog quiet while the service works, and only then."""

import asyncio
from contextlib import suppress

from streamusage.core.service_manager import ServiceManager
from streamusage.service.errors import StoreError
from streamusage.service.http.context import Service
from streamusage.service.store.engines.locks import LockSet

PINGS_PER_PERIOD = 3
"""How often the watchdog is notified in the time after which it would act."""


async def keep_watchdog(manager: ServiceManager, service: Service) -> None:
    """Notify the watchdog whenever the event loop and the writer have answered. Returns at once without a watchdog.

    A store that cannot be written is no hang: the writer answers with an error, and a restart would not help.
    """
    if manager.watchdog_seconds is None:
        return
    while True:
        with suppress(StoreError):
            await service.write(lambda _connection: None, LockSet())
        manager.ping()
        await asyncio.sleep(manager.watchdog_seconds / PINGS_PER_PERIOD)
