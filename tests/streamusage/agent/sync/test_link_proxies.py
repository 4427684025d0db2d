"""Link to the real service through TLS of a private authority and through proxies."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from streamusage.agent.sync.link import ServiceLink
from streamusage.api.report import EpochRequest
from streamusage.client.errors import (
    InvalidAddressError,
    UnreachableError,
    UsageApiError,
)
from streamusage.core.clock import SystemClock
from streamusage.service.server import run_service
from streamusage.service.serving.listening import Tls
from streamusage.service.store.engines.sqlite import sqlite_url
from streamusage.service.tokens import read_tokens
from tests.support.agent.forward_proxy import ForwardProxy, forwarding
from tests.support.certificates import Signed, sign
from tests.support.waiting import LONGEST_WAIT_S

TOKEN = "t0ken-of-edge-1"
LOGIN = "porter:pr0xy-s3cret"
EPOCH_REQUEST = EpochRequest(journal="journal")


@pytest.fixture(scope="module")
def signed(tmp_path_factory: pytest.TempPathFactory) -> Signed:
    return sign(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(params=["http", "https"])
async def service(request: pytest.FixtureRequest, tmp_path: Path, signed: Signed) -> AsyncIterator[str]:
    tokens = tmp_path / "tokens.toml"
    tokens.write_text(f'[[token]]\nvalue = "{TOKEN}"\nrole = "agent"\nserver = "edge-1"\n')
    tls = Tls(signed.certificate, signed.key) if request.param == "https" else None
    store = sqlite_url(tmp_path / "usage.db")
    async with run_service(store_url=store, tokens=read_tokens(tokens, {}), clock=SystemClock(), tls=tls) as running:
        yield running.url


@pytest.fixture
async def proxy() -> AsyncIterator[ForwardProxy]:
    async with forwarding(LOGIN) as running:
        yield running


def a_link(service: str, ca_file: Path | None = None, proxy: str | None = None) -> ServiceLink:
    return ServiceLink(service, "edge-1", lambda: TOKEN, timeout_seconds=LONGEST_WAIT_S, ca_file=ca_file, proxy=proxy)


@pytest.mark.parametrize("service", ["https"], indirect=True)
async def test_private_authority_is_trusted_with_ca_file_and_hinted_at_without(service: str, signed: Signed) -> None:
    link = a_link(service, signed.authority)
    assert (await link.issue_epoch(EPOCH_REQUEST)).epoch == 1
    await link.close()
    link_without_ca = a_link(service)
    with pytest.raises(UnreachableError, match="ca_file"):
        await link_without_ca.issue_epoch(EPOCH_REQUEST)
    await link_without_ca.close()


async def test_configured_proxy_is_used(service: str, signed: Signed) -> None:
    async with forwarding() as proxy:
        link = a_link(service, signed.authority, proxy.url)
        assert (await link.issue_epoch(EPOCH_REQUEST)).epoch == 1
        await link.close()
    if service.startswith("https"):
        assert proxy.requests == [f"CONNECT {service.removeprefix('https://')}"]
    else:
        assert proxy.requests == [f"POST {service}/api/v1/agents/edge-1/epochs"]


async def test_environment_proxy_is_used_with_its_login(
    service: str, signed: Signed, proxy: ForwardProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in ("http_proxy", "https_proxy"):
        monkeypatch.setenv(variable, proxy.url.replace("//", f"//{LOGIN}@"))
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    link = a_link(service, signed.authority)
    assert (await link.issue_epoch(EPOCH_REQUEST)).epoch == 1
    await link.close()
    assert len(proxy.requests) == 1


async def test_error_names_a_proxy_that_requires_a_login(service: str, signed: Signed, proxy: ForwardProxy) -> None:
    link = a_link(service, signed.authority, proxy.url)
    with pytest.raises(UsageApiError, match="407") as refused:
        await link.issue_epoch(EPOCH_REQUEST)
    await link.close()
    assert "proxy" in str(refused.value)
    assert TOKEN not in str(refused.value)


async def test_unreachable_proxy_is_named(service: str, signed: Signed, unused_tcp_port: int) -> None:
    proxy_url = f"http://127.0.0.1:{unused_tcp_port}"
    link = a_link(service, signed.authority, proxy_url)
    with pytest.raises(UnreachableError, match=f"the proxy {proxy_url} does not answer"):
        await link.issue_epoch(EPOCH_REQUEST)
    await link.close()


@pytest.mark.parametrize("proxy_url", [f"socks5://{LOGIN}@127.0.0.1:1", f"ftp://{LOGIN}@h", f"http://{LOGIN}@[::1"])
async def test_unusable_environment_proxy_is_refused_by_variable_name(
    proxy_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("all_proxy", proxy_url)
    link = a_link("http://127.0.0.1:1")
    with pytest.raises(InvalidAddressError, match="ALL_PROXY") as refused:
        await link.issue_epoch(EPOCH_REQUEST)
    await link.close()
    assert "pr0xy" not in str(refused.value)


@pytest.mark.parametrize("service", ["https"], indirect=True)
async def test_check_command_uses_ca_file_and_proxy(service: str, signed: Signed, tmp_path: Path) -> None:
    config = tmp_path / "agent.toml"

    async def check(ca_file: Path, proxy_url: str) -> str:
        config.write_text(
            f'server = "edge-1"\n[service]\nurl = "{service}"\ntoken_env = "AGENT_TOKEN"\nca_file = "{ca_file}"\n'
            f'proxy = "{proxy_url}"\n[source]\nkind = "nginx-rtmp"\nstat_url = "http://127.0.0.1:1/stat"\n'
            f'[journal]\npath = "{tmp_path / "journal.db"}"\n'
        )
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "streamusage.agent", "check", "--config", str(config)),
            env=os.environ | {"AGENT_TOKEN": TOKEN},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        output = (await asyncio.wait_for(process.communicate(), LONGEST_WAIT_S))[0].decode()
        assert TOKEN not in output
        assert "Traceback" not in output
        return output

    async with forwarding() as proxy:
        assert "ok      service: " in await check(signed.authority, proxy.url)
        assert proxy.requests == [f"CONNECT {service.removeprefix('https://')}"]
        assert "FAILED  service: the certificates in" in await check(tmp_path / "none.pem", proxy.url)
