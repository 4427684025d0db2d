"""A service that requires a client certificate: shown, missing, unusable."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from streamusage.client.errors import InvalidAddressError, UnreachableError
from streamusage.client.http_options import HttpOptions
from streamusage.client.usage_client import UsageClient
from tests.support.canned_answers import reply
from tests.support.certificates import Signed, sign, sign_client


@pytest.fixture(scope="module")
def signed(tmp_path_factory: pytest.TempPathFactory) -> Signed:
    return sign(tmp_path_factory.mktemp("certificates"))


@pytest.fixture
async def url(signed: Signed) -> AsyncIterator[str]:
    """A server that answers a client with a certificate of the authority."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(reply(200, "[]"))
            await writer.drain()
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=signed.authority)
    context.load_cert_chain(signed.certificate, signed.key)
    context.verify_mode = ssl.CERT_REQUIRED
    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    yield f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    server.close()


async def test_certificate_is_shown_to_a_service_that_requires_one(url: str, signed: Signed) -> None:
    mine = sign_client(signed.authority.parent)
    options = HttpOptions(ca_file=signed.authority, client_cert=mine.certificate, client_key=mine.key)
    async with UsageClient(url, "t", options=options) as client:
        assert await client.usage() == []


async def test_missing_certificate_is_named(url: str, signed: Signed) -> None:
    async with UsageClient(url, "t", options=HttpOptions(ca_file=signed.authority)) as client:
        with pytest.raises(UnreachableError, match=r"requires a client certificate.*set client_cert"):
            await client.usage()


def test_unusable_certificates_are_refused(tmp_path: Path, signed: Signed) -> None:
    with pytest.raises(InvalidAddressError, match=r"none\.pem cannot be used"):
        UsageClient("https://a", "t", options=HttpOptions(client_cert=tmp_path / "none.pem"))
    with pytest.raises(InvalidAddressError, match="client_key is given without client_cert"):
        UsageClient("https://a", "t", options=HttpOptions(client_key=tmp_path / "none.pem"))
    mine = sign_client(signed.authority.parent, password="s3cret")
    with pytest.raises(InvalidAddressError, match="its key has a password"):
        UsageClient("https://a", "t", options=HttpOptions(client_cert=mine.certificate, client_key=mine.key))
