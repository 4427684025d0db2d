"""The console's client through TLS of a private authority and through a proxy, as the agent's link."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from streamusage.client.errors import InvalidAddressError, RequestError, UnreachableError
from streamusage.client.http_options import HttpOptions
from streamusage.client.usage_client import UsageClient
from streamusage.core.clock import SystemClock
from streamusage.core.exit_codes import ExitCode
from streamusage.service.server import run_service
from streamusage.service.serving.listening import Tls
from streamusage.service.store.engines.sqlite import sqlite_url
from streamusage.service.tokens import read_tokens
from tests.support.agent.forward_proxy import forwarding
from tests.support.certificates import Signed, sign
from tests.support.waiting import LONGEST_WAIT_S

TOKEN = "t0ken-of-a-viewer"


@pytest.fixture(scope="module")
def signed(tmp_path_factory: pytest.TempPathFactory) -> Signed:
    return sign(tmp_path_factory.mktemp("certificates"))


@pytest.fixture
async def url(tmp_path: Path, signed: Signed) -> AsyncIterator[str]:
    tokens = tmp_path / "tokens.toml"
    tokens.write_text(f'[[token]]\nvalue = "{TOKEN}"\nrole = "viewer"\n')
    tls = Tls(signed.certificate, signed.key)
    store = sqlite_url(tmp_path / "usage.db")
    async with run_service(store_url=store, tokens=read_tokens(tokens, {}), clock=SystemClock(), tls=tls) as running:
        yield running.url


def options(ca_file: Path | None = None, proxy: str | None = None) -> HttpOptions:
    return HttpOptions(connect_seconds=LONGEST_WAIT_S, silence_seconds=LONGEST_WAIT_S, ca_file=ca_file, proxy=proxy)


async def test_private_authority_is_trusted_with_ca_file_and_hinted_at_without(url: str, signed: Signed) -> None:
    async with UsageClient(url, TOKEN, options=options(signed.authority)) as client:
        assert await client.usage() == []
    async with UsageClient(url, TOKEN, options=options()) as client:
        with pytest.raises(UnreachableError, match=r"not trusted .* set ca_file"):
            await client.usage()


async def test_configured_proxy_is_used(url: str, signed: Signed) -> None:
    async with forwarding() as proxy, UsageClient(url, TOKEN, options=options(signed.authority, proxy.url)) as client:
        assert await client.usage() == []
    assert proxy.requests == [f"CONNECT {url.removeprefix('https://')}"]


async def test_proxy_that_requires_a_login_is_named(url: str, signed: Signed) -> None:
    async with (
        forwarding("porter:pr0xy-s3cret") as proxy,
        UsageClient(url, TOKEN, options=options(signed.authority, proxy.url)) as client,
    ):
        with pytest.raises(UnreachableError, match="the proxy requires a login"):
            await client.usage()


def test_unreadable_certificates_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidAddressError, match=r"the certificates in .*none\.pem cannot be used"):
        UsageClient("https://127.0.0.1:1", TOKEN, options=options(tmp_path / "none.pem"))


def test_every_error_of_a_request_has_an_exit_code() -> None:
    assert RequestError("x").exit_code == ExitCode.UNAVAILABLE
    assert InvalidAddressError("x").exit_code == ExitCode.USAGE
