"""Requests to the HTTP interface of a media server."""

import asyncio

import pytest

from streamusage.agent.reading import SourceError
from streamusage.agent.sources.common.http_probe import (
    MAX_CONCURRENT_REQUESTS,
    HttpProbe,
    HttpStatusError,
    fetch_all,
    parse_http_date_s,
)
from streamusage.core.clock import SystemClock
from tests.support.agent.http_answers import answer, answering


async def test_parts_of_a_path_are_quoted_and_the_query_of_the_url_is_kept() -> None:
    async with answering() as server:
        server.next = [answer(b"ok")]
        probe = HttpProbe(f"{server.url.replace('//', '//me:s3cret@')}/api/?key=s3cret", "a server", SystemClock())
        assert probe.url == f"{server.url}/api"
        assert (await probe.get("streams", "a/b?c")).body == b"ok"
        await probe.close()
    assert b"GET /api/streams/a%2Fb%3Fc?key=s3cret HTTP/1.1" in bytes(server.requests[0])


async def test_refusal_names_status_and_remedy_without_secrets() -> None:
    async with answering() as server:
        server.next = [answer(b"", "401 Unauthorized")]
        probe = HttpProbe(
            f"{server.url.replace('//', '//me:s3cret@')}/?key=s3cret", "a server", SystemClock(), hints={401: "log in"}
        )
        with pytest.raises(HttpStatusError, match="HTTP 401; log in") as refused:
            await probe.get()
        await probe.close()
    assert refused.value.status == 401
    assert "s3cret" not in str(refused.value)


async def test_results_are_in_order_without_missing_items_and_requests_are_bounded() -> None:
    running = most = 0

    async def fetch(number: int) -> int | None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.001 * (number % 3))
        running -= 1
        return None if number % 5 == 0 else number

    assert await fetch_all(fetch, range(20)) == [number for number in range(20) if number % 5]
    assert most == MAX_CONCURRENT_REQUESTS


async def test_first_failure_is_raised_alone() -> None:
    async def fetch(number: int) -> int:
        raise SourceError(f"item {number}")

    with pytest.raises(SourceError, match="item 0"):
        await fetch_all(fetch, range(3))


@pytest.mark.parametrize(
    ("date", "seconds"),
    [("Sat, 21 Nov 2026 10:00:00 GMT", 1_795_255_200), (None, None), ("", None), ("yesterday", None)],
)
def test_http_date_is_seconds_or_none(date: str | None, seconds: int | None) -> None:
    assert parse_http_date_s(date) == seconds
