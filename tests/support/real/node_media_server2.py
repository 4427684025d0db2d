"""A real Node-Media-Server 2 on loopback."""

import json
import secrets
import shutil
from pathlib import Path
from typing import Any

import httpx

from tests.support.real.node_media_server import install_module
from tests.support.real.processes import Programs, RunningProgram, free_port, until
from tests.support.waiting import LONGEST_WAIT_S

VERSION = "2.7.4"


def install_node_media_server2(directory: Path) -> Path:
    """Install Node-Media-Server 2 with npm into the directory. Returns the folder of its module."""
    return install_module(directory, VERSION)


class NodeMediaServer2:
    """A separate Node-Media-Server 2 whose API requires a password."""

    def __init__(self, directory: Path, programs: Programs, module: Path, clip: Path) -> None:
        self._directory = directory
        self.rtmp_port, self.http_port = free_port(), free_port()
        self.url = f"http://127.0.0.1:{self.http_port}"
        self.password = secrets.token_hex(8)
        self._module, self._clip = module, clip
        self._programs = programs
        self._program: RunningProgram | None = None

    async def start(self) -> None:
        """Start it, and wait until it responds."""
        configuration = {
            "logType": 1,
            "rtmp": {"port": self.rtmp_port, "chunk_size": 60000, "gop_cache": True, "ping": 30, "ping_timeout": 60},
            "http": {"port": self.http_port, "allow_origin": "*", "mediaroot": str(self._directory / "media")},
            "auth": {"api": True, "api_user": "admin", "api_pass": self.password},
        }
        script = self._directory / "app.js"
        script.write_text(
            f"const NodeMediaServer = require({json.dumps(str(self._module))});\n"
            f"new NodeMediaServer({json.dumps(configuration)}).run();\n"
        )
        self._program = self._programs.start("nms2", [shutil.which("node") or "node", str(script)])
        await until(self._is_ready, "Node-Media-Server 2 responds")

    def stop(self) -> None:
        """Stop it."""
        assert self._program is not None
        self._program.stop()

    def publish(self, name: str = "s1") -> RunningProgram:
        """Start a publisher."""
        return self._programs.start(
            "publisher",
            [
                *("ffmpeg", "-nostdin", "-loglevel", "error", "-re", "-stream_loop", "-1", "-i", str(self._clip)),
                *("-c", "copy", "-f", "flv", f"rtmp://127.0.0.1:{self.rtmp_port}/live/{name}"),
            ],
        )

    def watch_http(self, name: str = "s1") -> RunningProgram:
        """Start a viewer over HTTP-FLV."""
        return self._programs.start("viewer", ["curl", "-s", "-o", "/dev/null", f"{self.url}/live/{name}.flv"])

    def watch_rtmp(self, name: str = "s1") -> RunningProgram:
        """Start a viewer over RTMP."""
        url = f"rtmp://127.0.0.1:{self.rtmp_port}/live/{name}"
        return self._programs.start("viewer", ["rtmpdump", "-q", "-v", "-r", url, "-o", "/dev/null"])

    async def wait_for(self, publishers: int, viewers: int) -> None:
        """Wait until the server lists this many publishers and viewers."""

        async def are_there() -> bool:
            listed = [stream for by_name in (await self.fetch("streams")).values() for stream in by_name.values()]
            return (
                sum(stream["publisher"] is not None for stream in listed) == publishers
                and sum(len(stream["subscribers"]) for stream in listed) == viewers
            )

        await until(are_there, f"Node-Media-Server 2 has {publishers} publishers and {viewers} viewers")

    async def traffic(self) -> tuple[int, int]:
        """Return the server's own counters of this life: bytes in and out."""
        net = (await self.fetch("server"))["net"]
        return net["inbytes"], net["outbytes"]

    async def fetch(self, resource: str) -> Any:
        """Return the response of `/api/RESOURCE`."""
        async with httpx.AsyncClient(trust_env=False, timeout=LONGEST_WAIT_S) as http:
            response = await http.get(f"{self.url}/api/{resource}", auth=("admin", self.password))
            response.raise_for_status()
            return response.json()

    async def _is_ready(self) -> bool:
        assert self._program is not None
        if not self._program.running:
            raise AssertionError(f"Node-Media-Server 2 did not start: {self._program.output()}")
        try:
            return bool(await self.fetch("server"))
        except httpx.TransportError:
            return False
