"""A real Node-Media-Server 4 on loopback, and a recorder of the callbacks that it sends to the agent."""

import asyncio
import contextlib
import json
import secrets
import shutil
import subprocess
from pathlib import Path
from typing import Any

import httpx

from tests.support.real.processes import Programs, RunningProgram, free_port, until
from tests.support.waiting import LONGEST_WAIT_S

VERSION = "4.4.3"


def install_node_media_server(directory: Path) -> Path:
    """Install Node-Media-Server 4 with npm into the directory. Returns the path of its program."""
    return install_module(directory, VERSION) / "bin" / "app.js"


def install_module(directory: Path, version: str) -> Path:
    """Install a version of Node-Media-Server with npm into the directory. Returns the folder of its module."""
    npm = shutil.which("npm")
    assert npm is not None
    subprocess.run(
        [npm, "install", "--no-audit", "--no-fund", "--prefix", str(directory), f"node-media-server@{version}"],
        check=True,
        capture_output=True,
        timeout=300,
    )
    return directory / "node_modules" / "node-media-server"


class CallbackRecorder:
    """A proxy between server and agent: forwards each callback and records it, also if the agent does not listen. The
    server receives the agent's status.
    """

    def __init__(self, to_port: int) -> None:
        self.callbacks: list[dict[str, Any]] = []
        self._to_port = to_port
        self._server: asyncio.Server | None = None
        self.port = 0

    async def open(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        if self._server is not None:
            self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            while head := await reader.readuntil(b"\r\n\r\n"):
                length = next(
                    int(line.split(b":")[1])
                    for line in head.split(b"\r\n")
                    if line.lower().startswith(b"content-length")
                )
                body = await reader.readexactly(length)
                status = 200
                async with httpx.AsyncClient(trust_env=False, timeout=LONGEST_WAIT_S) as http:
                    with contextlib.suppress(httpx.TransportError):
                        status = (await http.post(f"http://127.0.0.1:{self._to_port}/nms", content=body)).status_code
                self.callbacks.append(json.loads(body))
                writer.write(b"HTTP/1.1 %d Answer\r\nContent-Length: 0\r\n\r\n" % status)
                await writer.drain()
        writer.close()


class NodeMediaServer:
    """A separate Node-Media-Server."""

    def __init__(self, directory: Path, programs: Programs, app: Path, clip: Path) -> None:
        self.directory = directory
        self.rtmp_port, self.http_port, self.notify_port = free_port(), free_port(), free_port()
        self.url = f"http://127.0.0.1:{self.http_port}"
        self.callback_recorder = CallbackRecorder(self.notify_port)
        self._password = secrets.token_hex(8)
        self._token = ""
        self._app, self._clip = app, clip
        self._programs = programs
        self._program: RunningProgram | None = None
        self._watched = 0

    def section(self) -> str:
        """Return the agent's configuration of this server."""
        return f"""
            kind = "node-media-server"
            url = "{self.url}"
            password_env = "TEST_NMS_PASSWORD"
            notify_listen = "127.0.0.1:{self.notify_port}"
        """

    def environment(self) -> dict[str, str]:
        return {"TEST_NMS_PASSWORD": self._password}

    async def start(self) -> None:
        if not self.callback_recorder.port:
            await self.callback_recorder.open()
            self._write_configuration()
        self._program = self._programs.start(
            "nms", [shutil.which("node") or "node", str(self._app), "-c", str(self.directory / "config.json")]
        )
        await until(self._is_ready, "Node-Media-Server responds")

    def stop(self) -> None:
        assert self._program is not None
        self._program.stop()

    def publish(self, name: str = "s1") -> RunningProgram:
        return self._programs.start(
            "publisher",
            [
                *("ffmpeg", "-nostdin", "-loglevel", "error", "-re", "-stream_loop", "-1", "-i", str(self._clip)),
                *("-c", "copy", "-f", "flv", f"rtmp://127.0.0.1:{self.rtmp_port}/live/{name}"),
            ],
        )

    def watch(self) -> RunningProgram:
        """Start a viewer, alternately over HTTP-FLV and RTMP."""
        self._watched += 1
        if self._watched % 2:
            return self._programs.start("viewer", ["curl", "-s", "-o", "/dev/null", f"{self.url}/live/s1.flv"])
        url = f"rtmp://127.0.0.1:{self.rtmp_port}/live/s1"
        return self._programs.start("viewer", ["rtmpdump", "-q", "-v", "-r", url, "-o", "/dev/null"])

    async def wait_until_published(self) -> None:
        await until(self._is_published, "Node-Media-Server has its publisher")

    async def wait_for_viewers(self, viewers: int) -> None:
        async def are_there() -> bool:
            return sum(stream["subscribers"] for stream in await self._streams()) == viewers

        await until(are_there, f"Node-Media-Server has {viewers} viewers")

    async def wait_for_callbacks(self, action: str, times: int) -> None:
        """Wait until the server has sent this number of callbacks."""

        def is_recorded() -> bool:
            return sum(call["action"] == action for call in self.callback_recorder.callbacks) == times

        await until(is_recorded, f"{action} was sent {times} times")

    async def wait_until_idle(self) -> None:
        async def is_empty() -> bool:
            return not (await self.fetch("sessions"))["sessions"]

        await until(is_empty, "Node-Media-Server is empty")

    async def traffic(self) -> tuple[int, int]:
        """Return the server's own counters of this life: bytes in and out."""
        network = (await self.fetch("stats"))["network"]
        return network["inBytes"], network["outBytes"]

    async def fetch(self, resource: str) -> Any:
        """Return the data of `/api/v1/RESOURCE`."""
        async with httpx.AsyncClient(trust_env=False, timeout=LONGEST_WAIT_S) as http:
            if not self._token:
                response = await http.post(
                    f"{self.url}/api/v1/login", json={"username": "admin", "password": self._password}
                )
                self._token = response.json()["data"]["token"]
            response = await http.get(
                f"{self.url}/api/v1/{resource}", headers={"Authorization": f"Bearer {self._token}"}
            )
            return response.json()["data"]

    async def _streams(self) -> list[dict[str, Any]]:
        streams: list[dict[str, Any]] = (await self.fetch("streams"))["streams"]
        return streams

    async def _is_published(self) -> bool:
        return any(stream["status"] == "publishing" for stream in await self._streams())

    async def _is_ready(self) -> bool:
        assert self._program is not None
        if not self._program.running:
            raise AssertionError(f"Node-Media-Server did not start: {self._program.output()}")
        try:
            async with httpx.AsyncClient(trust_env=False, timeout=LONGEST_WAIT_S) as http:
                return (await http.get(f"{self.url}/api/v1/health")).status_code in (200, 401)
        except httpx.TransportError:
            return False

    def _write_configuration(self) -> None:
        (self.directory / "config.json").write_text(
            json.dumps(
                {
                    "bind": "127.0.0.1",
                    "notify": {"url": f"http://127.0.0.1:{self.callback_recorder.port}/nms"},
                    "store": {"path": "./data"},
                    "auth": {
                        "play": False,
                        "publish": False,
                        "secret": secrets.token_hex(8),
                        "jwt": {
                            "secret": secrets.token_hex(16),
                            "expiresIn": "24h",
                            "refreshExpiresIn": "7d",
                            "algorithm": "HS256",
                            "users": [{"username": "admin", "password": self._password, "role": "admin"}],
                        },
                    },
                    "rtmp": {"port": self.rtmp_port},
                    "http": {"port": self.http_port},
                    "webadmin": {"enable": False},
                    "record": {"auto": False, "path": "./record"},
                }
            )
        )
