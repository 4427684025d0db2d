"""What is polled of each of several services."""

from contextlib import AsyncExitStack

from streamusage.client.usage_client import UsageClient
from streamusage.core.clock import SystemClock
from tests.support.console.several_services import settings_of
from tui.app.poller import Poller
from tui.app.services.source import ServicesSource
from tui.app.services.state import SeveralState


async def test_coverage_is_polled_of_each_service_from_its_own_start() -> None:
    urls = {"eu": "http://127.0.0.1:1", "us": "http://127.0.0.1:2"}
    clock = SystemClock()
    async with AsyncExitStack() as stack:
        pollers = {
            name: Poller(
                await stack.enter_async_context(UsageClient(url, "token")), print, interval_seconds=1, clock=clock
            )
            for name, url in urls.items()
        }
        source = ServicesSource(pollers, SeveralState(clock=clock, host="2 services", settings=settings_of(urls)))

        def starts() -> list[int | None]:
            return [poller.subscriptions.coverage_from_ms for poller in pollers.values()]

        source.subscribe(coverage_from_ms=5)
        assert starts() == [5, 5]
        source.subscribe(coverage_from_ms=5, coverage_from_of={"eu": 3, "us": 9})
        assert starts() == [3, 9]
        source.subscribe(coverage_from_ms=None)
        assert starts() == [None, None]
