"""Replies of a service as content or exceptions: refusals, redirects, web pages, and services without the extension."""

import pytest

from streamusage.client.errors import (
    ExtensionMissingError,
    InvalidAnswerError,
    NotFoundError,
    RefusedError,
    UnreachableError,
    UsageApiError,
)
from streamusage.client.usage_client import UsageClient
from streamusage.core.usage import StreamId
from tests.support.canned_answers import reply
from tests.support.client_failures import TOKEN, always, documented_error, failure_of


async def test_web_page_error_names_a_web_page() -> None:
    for status in (200, 404):
        error = await failure_of(reply(status, "<!DOCTYPE html><h1>nginx</h1>", "text/html"))
        assert isinstance(error, InvalidAnswerError)
    assert "web page" in str(await failure_of(reply(200, "<html>")))


async def test_redirect_is_not_followed() -> None:
    error = await failure_of(reply(302, "", Location="http://127.0.0.1:1/?accessToken=s3cret/tok+en"))
    assert isinstance(error, InvalidAnswerError)
    assert "redirects" in str(error)


@pytest.mark.parametrize(
    ("status", "kind"), [(400, RefusedError), (401, RefusedError), (403, RefusedError), (500, UnreachableError)]
)
async def test_refusal_quotes_the_message_of_the_service_without_the_token(
    status: int, kind: type[UsageApiError]
) -> None:
    error = await failure_of(reply(status, documented_error(f"Bad token {TOKEN} \x1b[2J")))
    assert type(error) is kind
    assert "Bad token" in str(error)
    assert "\x1b" not in str(error)


async def test_deleting_a_missing_stream_raises_not_found() -> None:
    answer = reply(404, documented_error("no such stream"))
    async with always(answer) as server, UsageClient(server.url, TOKEN) as client:
        with pytest.raises(NotFoundError, match="no such stream"):
            await client.delete_stream(StreamId("live", "gone"))


@pytest.mark.parametrize(
    ("answer", "requests"),
    [
        (reply(404, "<html>", "text/html"), 1),
        (reply(404, documented_error("not found")), 1),
        (reply(400, documented_error("bad request")), 2),  # our own service could refuse this request, too
        (reply(200, "<html>", "text/html"), 1),
        (reply(200, documented_error("no such operation")), 1),
        (reply(200, '{"error": "no such operation"}'), 1),
        (reply(404, '{"errorMessage": "not found", "timestamp": "2018-04-30T09:15:44Z"}'), 1),
        (reply(302, "", Location="/login"), 1),
        (reply(403, "<html>", "text/html"), 1),
    ],
)
async def test_plain_stream_manager_is_detected_once(answer: bytes, requests: int) -> None:
    async with always(answer) as server, UsageClient(server.url, TOKEN) as client:
        for _ in range(2):
            with pytest.raises(ExtensionMissingError):
                await client.changes(None)
        assert client.has_extension is False
    assert len(server.requests) == requests
    assert server.requests[0].headers["authorization"] == f"Bearer {TOKEN}"
    assert "s3cret" not in server.requests[0].target


@pytest.mark.parametrize(
    ("answer", "kind"),
    [(reply(500, "oops"), UnreachableError), (reply(401, documented_error("who are you")), RefusedError)],
)
async def test_failing_service_is_not_taken_for_a_plain_stream_manager(answer: bytes, kind: type) -> None:
    async with always(answer) as server, UsageClient(server.url, TOKEN) as client:
        with pytest.raises(kind):
            await client.changes(None)
        assert client.has_extension is None
