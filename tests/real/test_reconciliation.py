"""Logs of a real nginx are compared with what its clients received, and with the figures of a real agent."""

import asyncio
import json
import os
import sys
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from streamusage.access_logs.web.quick_formats import STREAMTOP
from tests.support.needs import need
from tests.support.outside_accounts import service_days
from tests.support.program import Ended, Program
from tests.support.real.estate import SYNC_INTERVAL_MS, NginxEstate, ReportedFigures, ServiceProcess
from tests.support.real.nginx import Nginx, sum_log
from tests.support.real.processes import Programs, free_port, until

BOTH_SIZES = '$remote_addr [$time_iso8601] "$request" $status $bytes_sent "$http_user_agent" $body_bytes_sent'
ROUNDS = 40


@dataclass
class Received:
    """What the clients received: bytes of whole responses, and of their bodies, by kind of request."""

    responses: Counter[str] = field(default_factory=Counter)
    bodies: Counter[str] = field(default_factory=Counter)
    requests: Counter[str] = field(default_factory=Counter)


class FileNginx:
    """An nginx that serves segments and playlists, and writes each request to logs of three forms."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.port = free_port()
        self.received = Received()
        self.logs = {name: directory / f"{name}.log" for name in ("combined", "streamtop", "both")}

    def write_configuration(self) -> None:
        folder = self.directory / "hls"
        folder.mkdir(parents=True)
        for number in range(8):
            (folder / f"news-{number}.ts").write_bytes(b"x" * (40_000 + 7_000 * number))
        (folder / "news.m3u8").write_text("#EXTM3U\n" + "".join(f"news-{number}.ts\n" for number in range(8)))
        user = "user root root;" if os.geteuid() == 0 else ""
        temp_paths = " ".join(
            f"{kind}_temp_path {self.directory / kind};"
            for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        logs = " ".join(f"access_log {path} {name};" for name, path in self.logs.items())
        (self.directory / "nginx.conf").write_text(
            f"""
            {user}
            daemon off; worker_processes 1; pid {self.directory}/nginx.pid; error_log {self.directory}/error.log crit;
            events {{ worker_connections 64; }}
            http {{
              {temp_paths}
              log_format streamtop '{STREAMTOP}';
              log_format both '{BOTH_SIZES}';
              server {{ listen 127.0.0.1:{self.port}; root {self.directory}; {logs} }}
            }}
            """
        )

    async def is_ready(self) -> bool:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", self.port)
        except OSError:
            return False
        writer.close()
        return True

    async def fetch(self, kind: str, method: str, path: str, *headers: str) -> None:
        """Send a request on a connection of its own, and count what is received."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        lines = (f"{method} {path} HTTP/1.1", "Host: edge", "User-Agent: player/1", "Connection: close", *headers)
        writer.write("\r\n".join((*lines, "", "")).encode())
        response = await reader.read(-1)
        writer.close()
        self.received.requests[kind] += 1
        self.received.responses[kind] += len(response)
        self.received.bodies[kind] += len(response.partition(b"\r\n\r\n")[2])

    async def play(self) -> None:
        """Send requests of players, of players that skip, of monitors, and for files that are gone."""
        for number in range(ROUNDS):
            segment = f"/hls/news-{number % 8}.ts"
            await self.fetch("GET", "GET", "/hls/news.m3u8")
            await self.fetch("GET", "GET", segment)
            await self.fetch("GET", "GET", segment, f"Range: bytes={number * 100}-30000")
            await self.fetch("GET", "GET", segment, "If-Modified-Since: Fri, 01 Jan 2100 00:00:00 GMT")
            await self.fetch("HEAD", "HEAD", segment)
            await self.fetch("error", "GET", f"/hls/gone-{number}.ts")
        total = self.received.requests.total()
        for path in self.logs.values():
            await until(lambda path=path: len(path.read_bytes().splitlines()) == total, f"{path.name} has all lines")


@pytest.fixture
async def nginx(tmp_path: Path, programs: Programs) -> FileNginx:
    need("nginx")
    server = FileNginx(tmp_path / "nginx")
    server.write_configuration()
    programs.start("nginx", ["nginx", "-p", str(server.directory), "-e", "error.log", "-c", "nginx.conf"])
    await until(server.is_ready, "nginx accepts connections")
    return server


def result(ended: Ended) -> dict[str, int]:
    """Return the sums over the rows, which are two if the test runs across midnight, and what each cause explains."""
    sums: Counter[str] = Counter()
    for row in json.loads(ended.out):
        for name in ("account", "service", "difference", "unexplained"):
            sums[name] += row[name]
        for cause in row["causes"]:
            sums[cause["cause"]] += cause["amount"]
            sums[f"{cause['cause']} at most"] += max(abs(cause["low"]), abs(cause["high"]))
    return sums


async def compare_with_media(nginx: FileNginx, streamtop: Program, log: str, media: int, *options: str) -> Ended:
    """Compare a log with a service that counted the media of players only, and nothing else."""
    day = datetime.now(UTC).date().isoformat()
    saved = streamtop.home / "daily.json"
    saved.write_bytes(msgspec.json.encode(service_days(Counter({day: media}))))
    return await streamtop(
        "reconcile", str(nginx.logs[log]), "--against", str(saved), "--from", day, "--to", day,
        "--format", "json", "--tolerance", "0%", *options,
    )  # fmt: skip


async def test_heads_and_errors_of_a_real_log_are_quantified(nginx: FileNginx, streamtop: Program) -> None:
    await nginx.play()
    received = nginx.received
    ended = await compare_with_media(nginx, streamtop, "streamtop", received.responses["GET"])
    found = result(ended)
    assert ended.code == 0, ended.err
    assert found["account"] == received.responses.total()
    assert found["HEAD requests"] == pytest.approx(received.responses["HEAD"], rel=0.01)
    assert found["error responses"] == pytest.approx(received.responses["error"], rel=0.01)
    assert found["unexplained"] == 0
    assert f"{received.requests['HEAD']} HEAD, {received.requests['error']} errors" in ended.err
    assert f"streamtop, {received.requests.total()} lines" in ended.err


async def test_headers_explain_why_bodies_are_fewer_bytes(nginx: FileNginx, streamtop: Program) -> None:
    await nginx.play()
    received = nginx.received
    headers = received.responses.total() - received.bodies.total()
    ended = await compare_with_media(nginx, streamtop, "combined", received.responses.total())
    found = result(ended)
    assert (found["account"], found["difference"]) == (received.bodies.total(), -headers)
    assert (found["overhead"], found["unexplained"], ended.code) == (-headers, 0, 0)
    assert found["overhead at most"] == 600 * received.requests.total()


async def test_log_format_of_the_operator_is_read_and_shows_the_size_of_headers(
    nginx: FileNginx, streamtop: Program
) -> None:
    await nginx.play()
    received = nginx.received
    bodies = received.bodies["GET"] + received.bodies["error"]
    ended = await compare_with_media(nginx, streamtop, "both", bodies, "--log-format", BOTH_SIZES)
    found = result(ended)
    headers = received.responses.total() - received.bodies.total()
    assert found["account"] == received.responses.total()
    assert headers * 0.8 <= found["overhead at most"] <= headers * 1.2
    assert (found["unexplained"], ended.code) == (0, 0)


async def test_figures_of_an_agent_agree_with_the_logs_of_its_server(
    nginx: FileNginx, programs: Programs, streamtop: Program, tmp_path: Path
) -> None:
    service = ServiceProcess(tmp_path, programs, ["edge-1"])
    await service.start()
    configuration = tmp_path / "edge-1.toml"
    nginx.logs["streamtop"].touch()
    configuration.write_text(
        f"""
        server = "edge-1"
        [service]
        url = "{service.url}"
        token_env = "STREAMTOP_AGENT_TOKEN"
        sync_interval = "{SYNC_INTERVAL_MS}ms"
        [source]
        kind = "hls"
        access_log = "{nginx.logs["streamtop"]}"
        poll_interval = "200ms"
        [journal]
        path = "{tmp_path / "edge-1.journal.db"}"
        """
    )
    programs.start(
        "hls agent",
        [sys.executable, "-m", "streamusage.agent", "--config", str(configuration)],
        {"STREAMTOP_AGENT_TOKEN": service.agent_tokens["edge-1"]},
    )
    figures = ReportedFigures(service, "edge-1")
    await figures.wait_until_synced()
    await nginx.play()
    total = nginx.received.responses.total()

    async def has_all_bytes() -> bool:
        return (await figures.totals()).bytes_out == total

    await until(has_all_bytes, "the service has the bytes of all requests", every=0.2)
    for log, difference in (("streamtop", 0), ("combined", nginx.received.bodies.total() - total)):
        ended = await streamtop(
            "reconcile", str(nginx.logs[log]), "--url", service.url, "--server", "edge-1", "--format", "json",
            STREAMTOP_TOKEN=service.admin_token,
        )  # fmt: skip
        found = result(ended)
        assert ended.code == 0, ended.err
        assert (found["service"], found["difference"], found["unexplained"]) == (total, difference, 0)


@pytest.mark.real
async def test_figures_of_an_agent_agree_with_the_log_of_nginx_rtmp(
    tmp_path: Path, programs: Programs, streamtop: Program, clip: Path
) -> None:
    directory = tmp_path / "rtmp"
    directory.mkdir()
    nginx = Nginx(directory, programs, clip)
    await nginx.start()
    estate = NginxEstate(tmp_path, programs, nginx)
    await estate.start()
    publisher = nginx.publish("s1")
    await nginx.wait_for_clients(1)
    viewers = [nginx.watch("s1"), nginx.watch("s1")]
    await nginx.wait_for_clients(3)
    await asyncio.sleep(3)
    for program in (*viewers, publisher):
        program.stop()
    await nginx.wait_for_clients(0)
    truth = sum_log(nginx.access_log)
    await estate.wait_until_synced()

    async def has_all_bytes() -> bool:
        return (await estate.totals()).bytes_out == truth.bytes_out

    await until(has_all_bytes, "the service has the bytes of all connections", every=0.2)
    for figure, value in (
        ("bytes-out", truth.bytes_out),
        ("bytes-in", truth.bytes_in),
        ("connections", truth.plays),
        ("view-time", truth.view_seconds * 1000),
    ):
        ended = await streamtop(
            "reconcile", str(nginx.access_log), "--figure", figure, "--tolerance", "0%", "--format", "json",
            "--url", estate.service.url, STREAMTOP_TOKEN=estate.service.admin_token,
        )  # fmt: skip
        found = result(ended)
        assert (ended.code, found["account"], found["unexplained"]) == (0, value, 0), figure
        assert (found["difference"] == 0) is (figure != "view-time" or found["rounding"] == 0)
