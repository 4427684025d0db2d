"""ETag and cache of the record list, compression, metrics, readiness, TLS, and tokens reloaded by a running service."""

import asyncio
import gzip
import json
import random
import re
import shutil
import signal
import ssl
import subprocess
from pathlib import Path

import httpx
import pytest
import zstandard

from streamusage.service.server import Tls, TlsError
from tests.streamusage.service.conftest import NOW, USAGE, Estate, a_record, an_estate
from tests.streamusage.service.test_cli import ADMIN, serving
from tests.support.program import REPOSITORY
from tests.support.service.reporting import ReportingAgent, a_session
from tests.support.waiting import LONGEST_WAIT_S, wait_until_blocking

LIST = f"{USAGE}?accessToken=admin-token"


async def test_etag_of_the_list_changes_only_with_the_records(estate: Estate) -> None:
    await estate.import_records(a_record())
    first = await estate.http.get(LIST)
    again = await estate.http.get(LIST, headers={"If-None-Match": f'"other", {first.headers["etag"]}'})
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", first.headers["etag"])
    await estate.import_records(a_record("b"))
    changed = await estate.http.get(LIST, headers={"If-None-Match": first.headers["etag"]})
    assert (changed.status_code, len(changed.json())) == (200, 2)
    refused = await estate.http.get(USAGE, headers={"If-None-Match": first.headers["etag"]})
    assert refused.status_code == 400


async def test_list_shows_every_kind_of_change(estate: Estate) -> None:
    """Compare the cached list with the expected records after random imports and deletes."""
    chance = random.Random(7)
    expected: dict[str, dict[str, object]] = {}
    for _ in range(30):
        names = [f"s{chance.randrange(60)}" for _ in range(chance.randrange(8))]
        fresh = [a_record(name) for name in dict.fromkeys(names) if name not in expected]
        await estate.import_records(*fresh)
        expected |= {str(record["name"]): record for record in fresh}
        for name in chance.sample(sorted(expected), min(len(expected), chance.randrange(3))):
            await estate.usage("DELETE", f"/live/{name}")
            del expected[name]
        if chance.random() < 0.1:
            await estate.usage("DELETE")
            expected = {}
        assert sorted(await estate.records(), key=str) == sorted(expected.values(), key=str)


@pytest.mark.parametrize(
    ("accepted", "encoding"),
    [
        ("gzip", "gzip"),
        ("gzip, zstd", "zstd"),
        ("zstd;q=0, gzip", "gzip"),
        ("identity", None),
        ("br", None),
        ("", None),
    ],
)
async def test_answers_are_compressed_if_the_client_accepts_it(
    estate: Estate, accepted: str, encoding: str | None
) -> None:
    await estate.import_records(*(a_record(f"s{number}") for number in range(50)))
    estate.clock.now += 60_000
    await ReportingAgent(estate, "edge-1").sync_up(
        *(a_session(f"e{number}", name=f"s{number}") for number in range(50))
    )
    window = f"from={NOW}&to={NOW + 60_000}&accessToken=admin-token"
    paths = [LIST, "/api/v1/changes?accessToken=admin-token", f"/api/v1/carriers?{window}", f"/api/v1/trends?{window}"]
    for path in paths:
        async with estate.http.stream("GET", path, headers={"Accept-Encoding": accepted}) as answer:
            raw = b"".join([part async for part in answer.aiter_raw()])
        assert answer.headers.get("content-encoding") == encoding
        assert "Accept-Encoding" in answer.headers["vary"]
        body = gzip.decompress(raw) if encoding == "gzip" else zstandard.decompress(raw) if encoding else raw
        assert b"s49" in body


async def test_metrics_include_rate_errors_duration_and_open_requests(estate: Estate) -> None:
    agent = ReportingAgent(estate, "edge-1")
    estate.clock.now += 10_000
    await agent.sync_up(a_session())
    await agent.request("reports", b"{}")
    await estate.usage("GET", "/live/secret-name")
    estate.clock.now += 100_000
    assert (await estate.request("GET", "/metrics", None)).status_code == 401
    text = (await estate.request("GET", "/metrics", "viewer-token")).text
    assert 'streamtop_reports_total{outcome="acknowledged"} 1.0' in text
    assert 'streamtop_reports_total{outcome="held"} 1.0' in text
    assert "streamtop_reports_held 1.0" in text
    assert 'streamtop_journal_lag_seconds{server="edge-1"} 100.0' in text
    assert (
        f'streamtop_requests_total{{method="GET",route="{USAGE}/{{scope_and_name:anything}}",status="404"}} 1.0' in text
    )
    assert "secret-name" not in text
    assert "token" not in text
    assert "streamtop_request_seconds_bucket" in text
    async with asyncio.timeout(LONGEST_WAIT_S):
        while (  # noqa: ASYNC110
            'streamtop_gaps_open{state="missing"} 1.0'
            not in (await estate.request("GET", "/metrics", "viewer-token")).text
        ):
            await asyncio.sleep(0.05)


async def test_service_is_ready_while_its_store_is_writable(tmp_path: Path) -> None:
    async with an_estate(tmp_path) as estate:
        assert (await estate.http.get("/readyz")).json()["status"] == "ready"
        with estate.running.service.store.writing() as blocked:
            transaction = blocked.begin()
            estate.clock.now += 2_000
            request = asyncio.create_task(estate.http.get("/readyz", timeout=LONGEST_WAIT_S))
            await asyncio.sleep(0.1)
            assert (await estate.http.get("/healthz")).status_code == 200
            answer = await request
            assert (answer.status_code, "did not complete a write" in answer.json()["errorMessage"]) == (503, True)
            transaction.rollback()


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


async def test_dashboard_queries_existing_metrics(estate: Estate) -> None:
    dashboard = json.loads((REPOSITORY / "docs" / "grafana.json").read_text())
    await ReportingAgent(estate, "edge-1").sync_up(a_session())
    text = (await estate.request("GET", "/metrics", "viewer-token")).text
    exported = set(re.findall(r"^(streamtop_\w+)", text, re.MULTILINE))
    queried = {name for panel in dashboard["panels"] for target in panel["targets"]
               for name in re.findall(r"streamtop_\w+", target["expr"])}  # fmt: skip
    assert queried <= exported
