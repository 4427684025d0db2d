"""The real service and real agents as processes: started, killed, and queried through the API."""

import os
import secrets
import subprocess
import sys
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Protocol

import httpx

from tests.support.real.nginx import Nginx
from tests.support.real.processes import Programs, RunningProgram, free_port, until
from tests.support.waiting import LONGEST_WAIT_S

SYNC_INTERVAL_MS = 500
POLL_INTERVAL_MS = 200


class ServiceAccess(Protocol):
    """Where a service is reached, and with which tokens."""

    url: str
    admin_token: str
    agent_tokens: dict[str, str]


class ServiceProcess:
    """`streamtop serve` with a SQLite file, an admin token and one token for each agent."""

    def __init__(
        self,
        directory: Path,
        programs: Programs,
        servers: list[str],
        *,
        environment: dict[str, str] | None = None,
        options: tuple[str, ...] = (),
    ) -> None:
        """`environment` is added to the environment of the process, `options` to its command line."""
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.store = directory / "usage.db"
        self.admin_token = secrets.token_urlsafe(24)
        self.agent_tokens = {server: secrets.token_urlsafe(24) for server in servers}
        self._tokens_file = directory / "tokens.toml"
        self._tokens_file.write_text(
            f'[[token]]\nvalue = "{self.admin_token}"\nrole = "admin"\n'
            + "".join(
                f'[[token]]\nvalue = "{token}"\nrole = "agent"\nserver = "{server}"\n'
                for server, token in self.agent_tokens.items()
            )
        )
        self._tokens_file.chmod(0o600)
        self._environment, self._options = environment or {}, options
        self._programs = programs
        self._program: RunningProgram | None = None

    async def start(self) -> None:
        self.spawn()
        await self.wait_until_ready()

    def spawn(self) -> None:
        """Start the process without waiting until it responds."""
        self._program = self._programs.start(
            "service",
            [
                *(sys.executable, "-m", "streamusage.service", "--listen", f"127.0.0.1:{self.port}"),
                *("--store", f"sqlite:///{self.store}", "--tokens", str(self._tokens_file), *self._options),
            ],
            self._environment,
        )

    async def wait_until_ready(self) -> None:
        await until(self._is_up, "the service responds")

    def kill(self) -> None:
        """Send SIGKILL. Only what was acknowledged must exist after the next start."""
        assert self._program is not None
        self._program.kill()

    async def _is_up(self) -> bool:
        assert self._program is not None
        if not self._program.running:
            raise AssertionError(f"the service did not start: {self._program.output()}")
        try:
            async with httpx.AsyncClient(trust_env=False, verify=False, timeout=LONGEST_WAIT_S) as http:
                return (await http.get(f"{self.url}/healthz")).status_code == 200
        except httpx.TransportError:
            return False


class AgentProcess:
    """`streamtop agent` for a real nginx."""

    def __init__(
        self,
        directory: Path,
        programs: Programs,
        server: str,
        service: ServiceAccess,
        nginx: Nginx,
        sync_interval_ms: int,
        *,
        poll_interval_ms: int = POLL_INTERVAL_MS,
        stat_url: str = "",
        environment: dict[str, str] | None = None,
    ) -> None:
        """`stat_url` replaces that of nginx; `environment` is added to the environment of the process."""
        self.server = server
        self._sync_interval_ms = sync_interval_ms
        self.journal = directory / f"{server}.journal.db"
        self.interpreter = [sys.executable]
        """The command that runs `-m streamusage.agent`."""
        self._nginx = nginx
        self._poll_interval_ms = poll_interval_ms
        self._stat_url = stat_url or nginx.stat_url
        self._configuration = directory / f"{server}.toml"
        self.set_service_url(service.url)
        self._environment = {"STREAMTOP_AGENT_TOKEN": service.agent_tokens[server]} | (environment or {})
        self._programs = programs
        self._program: RunningProgram | None = None

    def set_service_url(self, url: str) -> None:
        """Set the URL of the service; used from the next start on."""
        self._configuration.write_text(
            f"""
            server = "{self.server}"
            role = "standalone"
            [service]
            url = "{url}"
            token_env = "STREAMTOP_AGENT_TOKEN"
            sync_interval = "{self._sync_interval_ms}ms"
            [source]
            kind = "nginx-rtmp"
            stat_url = "{self._stat_url}"
            access_log = "{self._nginx.access_log}"
            poll_interval = "{self._poll_interval_ms}ms"
            [journal]
            path = "{self.journal}"
            """
        )

    def start(self) -> None:
        self._program = self._programs.start(
            "agent",
            [*self.interpreter, "-m", "streamusage.agent", "--config", str(self._configuration)],
            self._environment,
        )

    def check(self) -> subprocess.CompletedProcess[str]:
        """Run `agent check` with the agent's configuration."""
        return subprocess.run(
            [*self.interpreter, "-m", "streamusage.agent", "check", "--config", str(self._configuration)],
            env=os.environ | self._environment,
            capture_output=True,
            text=True,
            timeout=LONGEST_WAIT_S,
            check=False,
        )

    def kill(self) -> None:
        assert self._program is not None
        assert self._program.running, f"the agent has exited: {self._program.output()}"
        self._program.kill()

    def output(self) -> str:
        return "" if self._program is None else self._program.output()


@dataclass(frozen=True)
class Totals:
    """The daily statistics of a server, summed over the days of a test."""

    connections: int
    rtmp: int
    bytes_in: int
    bytes_out: int
    view_time_ms: int
    backfilled_bytes_out: int


class ReportedFigures:
    """The figures of one server, as the service reports them."""

    def __init__(self, service: ServiceAccess, server: str) -> None:
        self.began = datetime.now(UTC)
        self.service = service
        self.server = server

    def agent_output(self) -> str:
        """Return the output of the server's agent."""
        return ""

    async def get(self, path: str, **query: str | int) -> Any:
        """Return a response of the service's API."""
        async with httpx.AsyncClient(trust_env=False, verify=False, timeout=LONGEST_WAIT_S) as http:
            response = await http.get(
                self.service.url + path,
                params=query,
                headers={"Authorization": f"Bearer {self.service.admin_token}"},
            )
            assert response.status_code == 200, f"{path} returned {response.status_code}: {response.text[:300]}"
            return response.json()

    async def watermark(self) -> int:
        """Return the watermark of the server; 0 if the service does not know it."""
        servers = (await self.get("/api/v1/servers"))["servers"]
        return next((entry["watermark"] for entry in servers if entry["server"] == self.server), 0)

    async def wait_until_synced(self) -> None:
        """Wait until the watermark has passed the time of the call."""
        now_ms = time.time_ns() // 1_000_000

        async def is_past() -> bool:
            return await self.watermark() >= now_ms

        try:
            await until(is_past, "the agent has synced with the service", every=0.1)
        except AssertionError as timeout:
            raise AssertionError(f"{timeout}\noutput of the agent: {self.agent_output()[-2000:]}") from None

    async def gaps(self) -> list[dict[str, Any]]:
        """Return all spans since the start that are not live, oldest first."""
        coverage = await self.get(
            "/api/v1/coverage",
            **{"from": int(self.began.timestamp() * 1000), "to": int(time.time() * 1000), "server": self.server},
        )
        return [
            span
            for server in coverage["servers"]
            if server["server"] == self.server
            for span in server["spans"]
            if span["state"] != "live"
        ]

    async def totals(self) -> Totals:
        """Return the daily statistics of the server."""
        days = (
            await self.get(
                "/api/v1/daily",
                **{
                    "from": (self.began - timedelta(days=1)).date().isoformat(),
                    "to": (self.began + timedelta(days=1)).date().isoformat(),
                    "tz": "UTC",
                    "server": self.server,
                },
            )
        )["days"]
        return Totals(
            connections=sum(day["connections"] for day in days),
            rtmp=sum(day["connections_by_protocol"].get("rtmp", 0) for day in days),
            bytes_in=sum(day["bytes_in"] for day in days),
            bytes_out=sum(day["bytes_out"] for day in days),
            view_time_ms=sum(day["view_time_ms"] for day in days),
            backfilled_bytes_out=sum(day["backfilled"]["bytes_out"] for day in days),
        )

    async def sessions(self) -> list[dict[str, Any]]:
        """Return the usage records of live and ended sessions."""
        changes = await self.get("/api/v1/changes")
        records: list[dict[str, Any]] = changes["records"]
        return records


class NginxEstate(ReportedFigures):
    """One nginx, one agent, one service."""

    def __init__(
        self, directory: Path, programs: Programs, nginx: Nginx, sync_interval_ms: int = SYNC_INTERVAL_MS
    ) -> None:
        service = ServiceProcess(directory, programs, ["edge-1"])
        super().__init__(service, "edge-1")
        self.service: ServiceProcess = service
        self.nginx = nginx
        self.agent = AgentProcess(directory, programs, self.server, self.service, nginx, sync_interval_ms)

    def agent_output(self) -> str:
        return self.agent.output()

    async def start(self) -> None:
        """Start service and agent, and wait for the first sync."""
        await self.service.start()
        self.agent.start()
        await self.wait_until_synced()
