"""Reads the live list of a plain Stream Manager beside its records, so that its failures never hold the records back.

| the live list …                              | its rows in this poll              | `problem`             |
|----------------------------------------------|------------------------------------|-----------------------|
| arrives within `LONGEST_WAIT_SECONDS`        | those of the answer                | empty                 |
| is late: the request continues in background | those of the last answer           | only before the first |
| fails once or twice: silence, reset, 5xx, 429 | those of the last answer          | the cause             |
| fails for the third time, or is refused      | `None`: who is on air is not known | the cause             |
"""

import asyncio

from streamusage.client.errors import UnreachableError, UsageApiError
from streamusage.client.lenient_live_list import ListedStream
from streamusage.client.usage_client import UsageClient

LONGEST_WAIT_SECONDS = 1.0
"""How long the records of a poll wait for the live list."""
FAILURES_BRIDGED = 2
NO_ANSWER_YET = "no answer yet"


class LiveListReader:
    """The live list of one service, with at most one request outstanding."""

    def __init__(self, client: UsageClient, longest_wait_seconds: float = LONGEST_WAIT_SECONDS) -> None:
        self._client = client
        self._longest_wait_seconds = longest_wait_seconds
        self.problem = ""
        """Why the list could not be read; empty while it can."""
        self._rows: list[ListedStream] | None = None
        self._failures = 0
        self._request: asyncio.Task[list[ListedStream]] | None = None
        self._not_before = 0.0
        """When the service may be asked again, on the clock of the event loop."""

    async def read(self) -> list[ListedStream] | None:
        """Return the rows of the list; `None` while nobody knows them."""
        loop = asyncio.get_running_loop()
        is_new = self._request is None
        if self._request is None:
            if loop.time() < self._not_before:
                return self._rows
            self._request = asyncio.create_task(self._client.live_list())
            self._request.add_done_callback(_retrieve_exception)
        if is_new:  # an earlier request has had its time: no further poll waits for it
            await asyncio.wait([self._request], timeout=self._longest_wait_seconds)
        if self._request.done():
            request, self._request = self._request, None
            self._note(request, loop.time())
        elif self._rows is None:
            self.problem = self.problem or NO_ANSWER_YET
        return self._rows

    def _note(self, request: "asyncio.Task[list[ListedStream]]", now: float) -> None:
        try:
            self._rows = request.result()
        except UsageApiError as error:
            self._failures += 1
            self.problem = error.cause
            self._not_before = now + (error.retry_after_seconds or 0.0)
            if not isinstance(error, UnreachableError) or self._failures > FAILURES_BRIDGED:
                self._rows = None
        else:
            self._failures, self.problem = 0, ""


def _retrieve_exception(request: "asyncio.Task[list[ListedStream]]") -> None:
    """Retrieve the exception, so that the event loop does not log one of a request that nobody waits for any more."""
    if not request.cancelled():
        request.exception()
