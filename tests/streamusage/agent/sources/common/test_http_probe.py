"""Requests to the HTTP interface of a media server."""

import asyncio
import ssl
from pathlib import Path

import pytest

from streamusage.agent.config.sources import media_server_options
from streamusage.agent.reading import SourceError
from streamusage.agent.sources.common.http_probe import (
    MAX_CONCURRENT_REQUESTS,
    HttpProbe,
    HttpStatusError,
    fetch_all,
    parse_http_date_s,
)
from streamusage.client.errors import InvalidAddressError
from streamusage.core.clock import SystemClock
from tests.support.agent.http_answers import answer, answering
from tests.support.certificates import sign
from tests.support.real.processes import free_port


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


async def test_server_of_a_private_authority_is_read_with_its_certificate(tmp_path: Path) -> None:
    signed = sign(tmp_path)
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(signed.certificate, signed.key)
    async with answering(tls) as server:
        server.next = [answer(b"ok")]
        trusting = HttpProbe(
            server.url, "a server", SystemClock(), options=media_server_options(ca_file=signed.authority)
        )
        assert (await trusting.get()).body == b"ok"
        await trusting.close()
        usual = HttpProbe(server.url, "a server", SystemClock())
        with pytest.raises(SourceError, match=r"certificate is not trusted .* set ca_file"):
            await usual.get()
        await usual.close()


def test_certificates_that_cannot_be_used_are_an_error_at_the_start(tmp_path: Path) -> None:
    with pytest.raises(InvalidAddressError, match=r"missing\.pem"):
        HttpProbe(
            "https://a.test", "a server", SystemClock(), options=media_server_options(ca_file=tmp_path / "missing.pem")
        )


async def test_failure_names_its_cause_and_no_class_of_an_exception(monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy from the environment is not used: it is not asked, so its address does not matter."""
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    probe = HttpProbe(f"http://127.0.0.1:{free_port()}", "a server", SystemClock())
    with pytest.raises(SourceError, match="nothing answers there; is a server running") as failed:
        await probe.get("stat")
    assert "Error" not in str(failed.value)
    await probe.close()


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
