"""The real service and real agents as processes, to be killed and started again, and read through the API."""

import secrets
import sys
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx

from tests.support.real.nginx import Nginx
from tests.support.real.processes import Program, Programs, free_port, until

SYNC_INTERVAL_MS = 500
POLL_INTERVAL_MS = 200


class Service:
    """`streamtop serve` over a SQLite file, with an admin token and one token for each agent."""

    def __init__(self, directory: Path, programs: Programs, servers: list[str]) -> None:
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
        self._programs = programs
        self._program: Program | None = None

    async def start(self) -> None:
        self.spawn()
        await self.answers()

    def spawn(self) -> None:
        """Starts the process, without waiting until it answers."""
        self._program = self._programs.start(
            "service",
            [
                *(sys.executable, "-m", "streamusage.service", "--listen", f"127.0.0.1:{self.port}"),
                *("--store", f"sqlite:///{self.store}", "--tokens", str(self._tokens_file)),
            ],
        )

    async def answers(self) -> None:
        await until(self._is_up, "the service answers", seconds=30)

    def kill(self) -> None:
        """SIGKILL: what was acknowledged must be there after the next start, nothing else is promised."""
        assert self._program is not None
        self._program.kill()

    async def _is_up(self) -> bool:
        assert self._program is not None
        if not self._program.running:
            raise AssertionError(f"the service did not start: {self._program.output()}")
        try:
            async with httpx.AsyncClient(trust_env=False) as http:
                return (await http.get(f"{self.url}/healthz")).status_code == 200
        except httpx.TransportError:
            return False


class Agent:
    """`streamtop agent` over a real nginx."""

    def __init__(
        self,
        directory: Path,
        programs: Programs,
        server: str,
        service: Service,
        nginx: Nginx,
        sync_interval_ms: int,
    ) -> None:
        self.server = server
        self._sync_interval_ms = sync_interval_ms
        self.journal = directory / f"{server}.journal.db"
        self._nginx = nginx
        self._configuration = directory / f"{server}.toml"
        self.speak_to(service.url)
        self._environment = {"STREAMTOP_AGENT_TOKEN": service.agent_tokens[server]}
        self._programs = programs
        self._program: Program | None = None

    def speak_to(self, url: str) -> None:
        """Where the service is, from the next start on."""
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
            stat_url = "{self._nginx.stat_url}"
            access_log = "{self._nginx.access_log}"
            poll_interval = "{POLL_INTERVAL_MS}ms"
            [journal]
            path = "{self.journal}"
            """
        )

    def start(self) -> None:
        self._program = self._programs.start(
            "agent",
            [sys.executable, "-m", "streamusage.agent", "--config", str(self._configuration)],
            self._environment,
        )

    def kill(self) -> None:
        assert self._program is not None
        assert self._program.running, f"the agent had ended by itself: {self._program.output()}"
        self._program.kill()

    def output(self) -> str:
        return "" if self._program is None else self._program.output()


@dataclass(frozen=True)
class Totals:
    """The daily statistics of a server added up over the days that a test may touch."""

    connections: int
    rtmp: int
    bytes_in: int
    bytes_out: int
    view_time_ms: int
    backfilled_bytes_out: int


class Accounts:
    """What the service says of one server."""

    def __init__(self, service: Service, server: str) -> None:
        self.began = datetime.now(UTC)
        self.service = service
        self.server = server

    def agent_output(self) -> str:
        """What the agent of the server has said so far."""
        return ""

    async def get(self, path: str, **query: str | int) -> Any:
        """An answer of the service's API."""
        async with httpx.AsyncClient(trust_env=False, timeout=10) as http:
            response = await http.get(
                self.service.url + path,
                params=query,
                headers={"Authorization": f"Bearer {self.service.admin_token}"},
            )
            assert response.status_code == 200, f"{path} answered {response.status_code}: {response.text[:300]}"
            return response.json()

    async def watermark(self) -> int:
        """Up to when the server is accounted for; 0 for one that the service does not know."""
        servers = (await self.get("/api/v1/servers"))["servers"]
        return next((entry["watermark"] for entry in servers if entry["server"] == self.server), 0)

    async def synced(self, seconds: float = 30.0) -> None:
        """Waits until the service knows everything up to the moment of the call."""
        wanted = time.time_ns() // 1_000_000

        async def is_past() -> bool:
            return await self.watermark() >= wanted

        try:
            await until(is_past, "the agent's sync-up reached the service", seconds=seconds, every=0.1)
        except AssertionError as late:
            raise AssertionError(f"{late}\nthe agent says: {self.agent_output()[-2000:]}") from None

    async def gaps(self) -> list[dict[str, Any]]:
        """Every stretch since the start that was not seen live, oldest first."""
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
        """The usage records, live and ended."""
        changes = await self.get("/api/v1/changes")
        records: list[dict[str, Any]] = changes["records"]
        return records


class Estate(Accounts):
    """One nginx, one agent, one service."""

    def __init__(
        self, directory: Path, programs: Programs, nginx: Nginx, sync_interval_ms: int = SYNC_INTERVAL_MS
    ) -> None:
        super().__init__(Service(directory, programs, ["edge-1"]), "edge-1")
        self.nginx = nginx
        self.agent = Agent(directory, programs, self.server, self.service, nginx, sync_interval_ms)

    def agent_output(self) -> str:
        return self.agent.output()

    async def start(self) -> None:
        """Service and agent, until the first sync-up is there."""
        await self.service.start()
        self.agent.start()
        await self.synced()
