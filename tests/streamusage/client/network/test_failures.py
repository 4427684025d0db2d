"""Failures name their cause: the proxy, TLS, a redirect, an error in a success, a connection that was closed."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import date
from pathlib import Path

import pytest

from streamusage import __version__
from streamusage.client.errors import InvalidAnswerError, RefusedError, UnreachableError, UsageApiError
from streamusage.client.http_options import HttpOptions
from streamusage.client.usage_client import UsageClient
from streamusage.core.usage import SessionKey
from tests.support.agent.forward_proxy import forwarding
from tests.support.canned_answers import CannedServer, ReceivedRequest, reply
from tests.support.certificates import sign
from tests.support.client_failures import TOKEN, always, documented_error, failure_of

DEAD = "http://127.0.0.1:1"


async def failure_at(url: str, **options: str) -> UsageApiError:
    async with UsageClient(url, TOKEN, options=HttpOptions(proxy=options.get("proxy"))) as client:
        with pytest.raises(UsageApiError) as caught:
            await client.usage()
    return caught.value


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_dead_proxy_is_named_as_the_proxy(scheme: str, monkeypatch: pytest.MonkeyPatch) -> None:
    failure = await failure_at(f"{scheme}://sm.example.net", proxy=DEAD)
    assert failure.cause == f"the proxy {DEAD} does not answer; is it running, and is its address right?"
    monkeypatch.setenv(f"{scheme}_proxy", "http://porter:s3cret@127.0.0.1:1")
    assert (await failure_at(f"{scheme}://sm.example.net")).cause == failure.cause


async def test_proxy_that_refuses_is_named_as_the_proxy() -> None:
    async with always(reply(403, "<html>denied", "text/html")) as proxy:
        tunnel = await failure_at("https://sm.example.net", proxy=proxy.url)
        plain = await failure_at("http://sm.example.net", proxy=proxy.url)
    assert tunnel.cause == f"the proxy {proxy.url} refused to connect to the service (403 Canned)"
    assert f"from the proxy {proxy.url} or from the service behind it" in plain.cause


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_proxy_that_requires_a_login_is_named(scheme: str) -> None:
    async with always(reply(407)) as proxy:
        assert "the proxy requires a login" in (await failure_at(f"{scheme}://sm.example.net", proxy=proxy.url)).cause


async def test_token_does_not_go_through_the_proxy_to_a_network_of_no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    async with forwarding() as proxy, always(reply(200, "[]")) as server:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        async with UsageClient(server.url, TOKEN) as client:
            await client.usage()
        assert len(proxy.requests) == 1
        monkeypatch.setenv("NO_PROXY", "10.0.0.0/8, 127.0.0.0/8")
        async with UsageClient(server.url, TOKEN) as client:
            await client.usage()
        assert len(proxy.requests) == 1
        assert len(server.requests) == 2


@asynccontextmanager
async def listening(answer: bytes, context: ssl.SSLContext | None = None) -> AsyncIterator[str]:
    """Answer the first bytes of each connection, whatever they are; yields host and port."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(64)
        writer.write(answer)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    server.close()


async def test_https_address_of_a_server_without_tls() -> None:
    async with listening(b"HTTP/1.1 400 Bad Request\r\n\r\n") as host:
        assert "the address must start with http://" in (await failure_at(f"https://{host}")).cause


@pytest.mark.parametrize(
    "answer",
    [
        b"\x15\x03\x01\x00\x02\x02\x16",
        b"",
        reply(400, "<html>The plain HTTP request was sent to HTTPS port</html>", "text/html"),
        reply(400, "Client sent an HTTP request to an HTTPS server.", "text/plain"),
        reply(400, "Bad Request\nThis combination of host and port requires TLS.", "text/plain"),
    ],
    ids=["alert", "closed", "nginx", "Go", "Tomcat"],
)
async def test_http_address_of_a_server_with_tls(answer: bytes) -> None:
    async with listening(answer) as host:
        assert "the address must start with https://" in (await failure_at(f"http://{host}")).cause


async def test_http_address_of_a_real_server_with_tls(tmp_path: Path) -> None:
    signed = sign(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(signed.certificate, signed.key)
    async with listening(b"", context) as host:
        assert "the address must start with https://" in (await failure_at(f"http://{host}")).cause


async def test_https_address_of_a_server_that_waits_for_the_rest_of_a_request() -> None:
    async def wait(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    server = await asyncio.start_server(wait, "127.0.0.1", 0)
    url = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with UsageClient(url, TOKEN, options=HttpOptions(connect_seconds=0.2)) as client:
        with pytest.raises(UnreachableError, match=r"no TLS connection within 0.2 s; is this the port for https://\?"):
            await client.usage()
    server.close()


async def test_untrusted_certificate_is_named_with_what_to_do(tmp_path: Path) -> None:
    signed = sign(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(signed.certificate, signed.key)
    async with listening(b"", context) as host:
        unknown = (await failure_at(f"https://{host}")).cause
        options = HttpOptions(ca_file=signed.authority)
        async with UsageClient(f"https://localhost:{host.partition(':')[2]}", TOKEN, options=options) as client:
            with pytest.raises(UnreachableError) as other_host:
                await client.usage()
    assert unknown == (
        "its certificate is not trusted (unable to get local issuer certificate); if a private authority signed it, "
        "set ca_file to the file of its certificate"
    )
    assert "Hostname mismatch" in other_host.value.cause
    assert other_host.value.cause.endswith("; the address must have the host that the certificate is for")


@pytest.mark.parametrize(
    ("location", "shown"),
    [
        ("https://sm.example.net/streammanager/", "redirects to https://sm.example.net/streammanager/; "),
        ("/login", "redirects to /login; "),
        ("https://me:pw@sm.example.net/login?accessToken=x#y", "redirects to https://sm.example.net/login; "),
        ("//me:pw@sm.example.net/login", "redirects to //sm.example.net/login; "),
        ("http://sm/\x9b2J", "redirects to http://sm/"),
        ("", "the service redirects; "),
    ],
)
async def test_redirect_is_not_followed_and_its_target_is_named(location: str, shown: str) -> None:
    failure = await failure_of(reply(302, "", Location=location))
    assert isinstance(failure, InvalidAnswerError)
    assert shown in str(failure)
    assert "pw" not in str(failure)
    assert str(failure).isprintable()


async def test_error_object_with_status_200_is_quoted() -> None:
    failure = await failure_of(reply(200, documented_error(f"the token {TOKEN} is unknown")))
    assert "“the token ••• is unknown”" in str(failure)
    no_group = reply(200, documented_error("no node group"))
    async with always(no_group) as server, UsageClient(server.url, TOKEN) as client:
        client.has_extension = True
        with pytest.raises(InvalidAnswerError, match="“no node group”"):
            await client.servers()
        with pytest.raises(InvalidAnswerError, match="“no node group”"):
            await client.live_list()


@pytest.mark.parametrize(
    "body",
    ['{"error": "the token s3cret/tok+en expired"}', '{"error": {"message": "the token s3cret/tok+en expired"}}'],
)
async def test_error_object_of_another_shape_is_quoted(body: str) -> None:
    failure = await failure_of(reply(200, body))
    assert failure.cause == "expected a JSON list, but the reply is an error, “the token ••• expired”"
    assert (await failure_of(reply(401, body))).cause == "HTTP 401, “the token ••• expired”; check the token"
    async with always(reply(200, body)) as server, UsageClient(server.url, TOKEN) as client:
        with pytest.raises(InvalidAnswerError, match="the reply is an error, “the token ••• expired”"):
            await client.live_list()


async def test_requests_name_program_and_version() -> None:
    async with always(reply(200, "[]")) as server, UsageClient(server.url, TOKEN) as client:
        await client.usage()
    assert server.requests[0].headers["user-agent"] == f"streamtop/{__version__}"


class ClosingServer(CannedServer):
    """Keeps each connection open for one answer, and closes it when the second request arrives."""

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            self.requests.append(ReceivedRequest(await reader.readuntil(b"\r\n\r\n"), b""))
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]")
            await writer.drain()
            self.requests.append(ReceivedRequest(await reader.readuntil(b"\r\n\r\n"), b""))
        except asyncio.IncompleteReadError:
            pass
        finally:
            writer.close()


async def test_connection_that_was_closed_between_two_requests_is_opened_again() -> None:
    async with ClosingServer(lambda _: b"") as server, UsageClient(server.url, TOKEN) as client:
        for _ in range(3):
            assert await client.usage() == []
        assert len(server.requests) > 3, "the server closed connections in use"


async def test_request_that_changes_something_is_never_sent_twice() -> None:
    async with ClosingServer(lambda _: b"") as server, UsageClient(server.url, TOKEN) as client:
        await client.usage()
        with pytest.raises(UnreachableError, match="may have been carried out"):
            await client.delete_session(SessionKey("live", "a", 5))
        assert [request.method for request in server.requests] == ["GET", "DELETE"]


async def test_own_service_that_refuses_the_first_request_is_not_called_a_plain_one() -> None:
    def respond(request: ReceivedRequest) -> bytes:
        if request.path == "/api/v1/servers":
            return reply(200, '{"servers": [], "now": 1}')
        return reply(400, documented_error("a day is written 2026-11-29"))

    async with CannedServer(respond) as server, UsageClient(server.url, TOKEN) as client:
        with pytest.raises(RefusedError, match="a day is written"):
            await client.daily(date(2026, 11, 1), date(2026, 11, 2), "UTC")
        assert client.has_extension
