"""A real service on a real port, in a thread, for code without an event loop."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from pathlib import Path

from streamusage.evidence.keys import new_key
from streamusage.service.store.engines.sqlite import sqlite_url
from tests.streamusage.service.conftest import Estate
from tests.support.service.used_store import use, used_estate
from tests.support.waiting import LONGEST_WAIT_S


@asynccontextmanager
async def estate_with_days(directory: Path) -> AsyncIterator[Estate]:
    """An estate with closed and open days, an adjustment, statements, sessions and an imported record."""
    async with used_estate(sqlite_url(directory / "usage.db"), statement_key=new_key()) as estate:
        await use(estate)
        yield estate


@contextmanager
def running_in_thread(open_estate: Callable[[], AbstractAsyncContextManager[Estate]]) -> Iterator[str]:
    """Run an estate in a thread. Yield the URL of its service."""
    loop, is_up, urls = asyncio.new_event_loop(), threading.Event(), list[str]()
    is_over = asyncio.Event()

    async def serve() -> None:
        try:
            async with open_estate() as estate:
                urls.append(estate.running.url)
                is_up.set()
                await is_over.wait()
        finally:
            is_up.set()

    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()))
    thread.start()
    try:
        assert is_up.wait(LONGEST_WAIT_S)
        yield urls[0]
    finally:
        loop.call_soon_threadsafe(is_over.set)
        thread.join(LONGEST_WAIT_S)
        loop.close()
