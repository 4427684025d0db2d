"""The running service: TLS, tokens and certificates that SIGHUP reloads, and its end."""

import asyncio
import shutil
import signal
import socket
import ssl
import subprocess
import threading
from contextlib import AsyncExitStack, suppress
from pathlib import Path

import httpx
import pytest
from sqlalchemy import Connection, select

from streamusage.service.serving.listening import Tls, TlsError
from streamusage.service.store.schema import servers
from tests.streamusage.service.conftest import Estate, an_estate
from tests.support.service.parties.reporting import ReportingAgent, a_session
from tests.support.service.serve_command import ADMIN, serving
from tests.support.waiting import LONGEST_WAIT_S, wait_until_blocking


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Tls:
    return _certificate_in(tmp_path_factory.mktemp("tls"))


def _certificate_in(folder: Path) -> Tls:
    assert shutil.which("openssl")
    folder.mkdir(exist_ok=True)
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
         "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", folder / "key.pem", "-out", folder / "cert.pem"],  # noqa: E501
        check=True, capture_output=True,
    )  # fmt: skip
    return Tls(folder / "cert.pem", folder / "key.pem")


async def test_service_answers_over_tls(tmp_path: Path, certificate: Tls) -> None:
    async with an_estate(tmp_path, tls=certificate) as estate:
        assert estate.running.url.startswith("https://")
        trusting = ssl.create_default_context(cafile=certificate.certificate)
        async with httpx.AsyncClient(
            base_url=estate.running.url, verify=trusting, timeout=LONGEST_WAIT_S
        ) as estate.http:
            await ReportingAgent(estate, "edge-1").sync_up(a_session())
            assert len(await estate.records()) == 1


def test_unusable_certificate_is_reported(tmp_path: Path, certificate: Tls) -> None:
    (tmp_path / "rubbish.pem").write_text("no key")
    for tls in (Tls(tmp_path / "none.pem", certificate.key), Tls(certificate.certificate, tmp_path / "rubbish.pem")):
        with pytest.raises(TlsError, match="cannot use the certificate"):
            tls.context()


def test_sighup_reloads_tokens_and_keeps_them_if_the_file_is_invalid(tmp_path: Path) -> None:
    tokens = tmp_path / "tokens.toml"

    def status(url: str, token: str) -> int:
        return httpx.get(
            f"{url}/api/v1/servers", headers={"Authorization": f"Bearer {token}"}, timeout=LONGEST_WAIT_S
        ).status_code

    with serving(tmp_path) as (process, url, lines):
        assert (status(url, ADMIN), status(url, "n3w-s3cret")) == (200, 401)
        both = tokens.read_text() + '[[token]]\nvalue = "n3w-s3cret"\nrole = "viewer"\n'
        tokens.write_text(both)
        process.send_signal(signal.SIGHUP)
        wait_until_blocking(
            lambda: status(url, "n3w-s3cret") == 200, "the new token is accepted", last_seen=lambda: lines
        )
        assert status(url, ADMIN) == 200, "old and new token are valid together during a rotation"
        tokens.write_text('[[token]]\nvalue = "n3w-s3cret"\nrole = "viewer"\n')
        process.send_signal(signal.SIGHUP)
        wait_until_blocking(lambda: status(url, ADMIN) == 401, "the old token is refused", last_seen=lambda: lines)
        tokens.write_text("[[token]]\nvalue = n3w-s3cret")
        process.send_signal(signal.SIGHUP)
        wait_until_blocking(lambda: "stay in use" in "".join(lines), "the failure is logged", last_seen=lambda: lines)
        assert status(url, "n3w-s3cret") == 200
    assert "s3cret" not in "".join(lines)


def test_sighup_reloads_the_certificate_and_keeps_it_if_the_files_are_invalid(tmp_path: Path) -> None:
    def shown(url: str) -> str:
        host, _, port = url.removeprefix("https://").rpartition(":")
        return ssl.get_server_certificate((host, int(port)), timeout=LONGEST_WAIT_S)

    used, renewed = _certificate_in(tmp_path / "used"), _certificate_in(tmp_path / "next")
    options = ["--tls-cert", str(used.certificate), "--tls-key", str(used.key)]
    with serving(tmp_path, *options) as (process, url, lines):
        first = shown(url)
        assert first == used.certificate.read_text()
        shutil.copy(renewed.certificate, used.certificate)
        process.send_signal(signal.SIGHUP)
        wait_until_blocking(lambda: "stay in use" in "".join(lines), "the failure is logged", last_seen=lambda: lines)
        assert shown(url) == first, "the old certificate is served while key and certificate do not match"
        shutil.copy(renewed.key, used.key)
        process.send_signal(signal.SIGHUP)
        wait_until_blocking(lambda: shown(url) == renewed.certificate.read_text(), "the new certificate is served")
        used.key.write_text("rubbish")
        process.send_signal(signal.SIGHUP)
        wait_until_blocking(lambda: "".join(lines).count("stay in use") == 2, "the second failure is logged")
        assert shown(url) == renewed.certificate.read_text()


async def test_answers_are_sent_without_nagle_delay(estate: Estate) -> None:
    """Head and body are sent separately: with Nagle's algorithm each answer would take 40 ms."""
    await estate.http.get("/healthz")
    (connection,) = estate.running._server.server_state.connections
    used = connection.transport.get_extra_info("socket")
    assert used.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) != 0


async def test_service_ends_after_the_work_of_a_cancelled_job(tmp_path: Path, store_url: str) -> None:
    """Cancelling a job does not end its thread, which would read a closed store, or keep the process from ending."""
    began, go = threading.Event(), threading.Event()
    found: list[int] = []

    def read(connection: Connection) -> None:
        began.set()
        go.wait(LONGEST_WAIT_S)
        found.append(len(connection.execute(select(servers)).all()))

    async with AsyncExitStack() as stack:
        estate = await stack.enter_async_context(an_estate(tmp_path, store_url=store_url))
        job = asyncio.create_task(estate.running.service.read(read))
        assert await asyncio.to_thread(began.wait, LONGEST_WAIT_S)
        job.cancel()
        with suppress(asyncio.CancelledError):
            await job
        ending = asyncio.create_task(stack.aclose())
        done, _ = await asyncio.wait([ending], timeout=0.5)
        go.set()
        assert not done, "the service ended while a thread read its store"
        await asyncio.wait_for(ending, LONGEST_WAIT_S)
    assert found == [0]
