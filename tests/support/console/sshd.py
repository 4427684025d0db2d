"""A real sshd on loopback with keys of its own, and a wire to it on which every byte is counted."""

import asyncio
import getpass
import os
import shutil
import socket
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from tests.support.waiting import LONGEST_WAIT_S


class Wire:
    """Carries what the client and sshd say to each other. `down` counts what the terminal is sent."""

    def __init__(self, sshd_port: int) -> None:
        self._sshd_port = sshd_port
        self.port = 0
        self.up = self.down = 0

    async def carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._sshd_port)
        with suppress(asyncio.CancelledError):
            await asyncio.gather(self._copy(reader, far_writer, down=False), self._copy(far_reader, writer, down=True))

    async def _copy(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, down: bool) -> None:
        with suppress(ConnectionError):
            while chunk := await reader.read(65_536):
                if down:
                    self.down += len(chunk)
                else:
                    self.up += len(chunk)
                writer.write(chunk)
                await writer.drain()
        writer.close()


class Host:
    """Where to log in, and how."""

    def __init__(self, wire: Wire, folder: Path) -> None:
        self.wire = wire
        self._folder = folder

    def login(self, command: str) -> list[str]:
        """The `ssh` that runs a command in a terminal over there."""
        options = ["StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "LogLevel=ERROR", "IdentitiesOnly=yes"]
        return [
            "ssh", "-F", "none", "-tt", "-p", str(self.wire.port), "-i", str(self._folder / "key"),
            *(word for option in options for word in ("-o", option)),
            f"{getpass.getuser()}@127.0.0.1", command,
        ]  # fmt: skip


@asynccontextmanager
async def ssh_host(folder: Path) -> AsyncIterator[Host]:
    """An sshd that lets in whoever has the key made for this test, and ends with it."""
    _prepared(folder)
    sshd, port = await _started(folder)
    wire = Wire(port)
    server = await asyncio.start_server(wire.carry, "127.0.0.1", 0)
    wire.port = server.sockets[0].getsockname()[1]
    try:
        yield Host(wire, folder)
    finally:
        server.close()
        sshd.terminate()
        await asyncio.wait_for(sshd.wait(), LONGEST_WAIT_S)


def _prepared(folder: Path) -> None:
    """Keys and settings of an sshd, all but its port."""
    folder.mkdir()
    for name in ("key", "host"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)], check=True)
    shutil.copy(folder / "key.pub", folder / "authorized")
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)  # where sshd keeps its unprivileged half
    settings = {
        "HostKey": folder / "host",
        "AuthorizedKeysFile": folder / "authorized",
        "PidFile": "none",
        "PasswordAuthentication": "no",
        "PermitRootLogin": "prohibit-password",
        "StrictModes": "no",
        "UsePAM": "no",
        "PrintMotd": "no",
    }
    (folder / "config").write_text("".join(f"{name} {value}\n" for name, value in settings.items()))


async def _started(folder: Path) -> tuple[asyncio.subprocess.Process, int]:
    """An sshd that listens, and where. sshd chooses no port by itself; one that was taken meanwhile is given up."""
    program = shutil.which("sshd", path="/usr/sbin:/usr/local/sbin:/sbin:" + os.environ["PATH"])
    assert program is not None
    for _ in range(5):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port: int = free.getsockname()[1]
        sshd = await asyncio.create_subprocess_exec(
            program, "-D", "-e", "-f", str(folder / "config"), "-o", f"ListenAddress=127.0.0.1:{port}",
            stdin=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
        )  # fmt: skip
        if await _listens(sshd, port):
            return sshd, port
    raise AssertionError("sshd does not listen")


async def _listens(sshd: asyncio.subprocess.Process, port: int) -> bool:
    """Whether it comes to listen; false where it ends instead."""
    async with asyncio.timeout(LONGEST_WAIT_S):
        while sshd.returncode is None:
            with suppress(OSError):
                _, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.close()
                return True
            await asyncio.sleep(0.05)
    return False
