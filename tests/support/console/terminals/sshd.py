"""A real sshd on loopback with its own keys, reached through a proxy that counts every byte."""

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
    """A proxy between the SSH client and sshd. `down` counts the bytes sent to the terminal."""

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
    """A host to log in to."""

    def __init__(self, wire: Wire, folder: Path) -> None:
        self.wire = wire
        self._folder = folder

    def login(self, command: str) -> list[str]:
        """Return the `ssh` command line that runs a command in a terminal of the host."""
        options = ["StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "LogLevel=ERROR", "IdentitiesOnly=yes"]
        return [
            "ssh", "-F", "none", "-tt", "-p", str(self.wire.port), "-i", str(self._folder / "key"),
            *(word for option in options for word in ("-o", option)),
            f"{getpass.getuser()}@127.0.0.1", command,
        ]  # fmt: skip


@asynccontextmanager
async def ssh_host(folder: Path) -> AsyncIterator[Host]:
    """Run an sshd that accepts the key created for this test."""
    _write_settings(folder)
    sshd, port = await _start_sshd(folder)
    wire = Wire(port)
    server = await asyncio.start_server(wire.carry, "127.0.0.1", 0)
    wire.port = server.sockets[0].getsockname()[1]
    try:
        yield Host(wire, folder)
    finally:
        server.close()
        sshd.terminate()
        await asyncio.wait_for(sshd.wait(), LONGEST_WAIT_S)


def _write_settings(folder: Path) -> None:
    """Create the keys and the settings of an sshd, except its port."""
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


async def _start_sshd(folder: Path) -> tuple[asyncio.subprocess.Process, int]:
    """Start an sshd and return it with its port. sshd cannot choose a free port itself: if the port is in use by now,
    try another one.
    """
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
        if await _is_listening(sshd, port):
            return sshd, port
    raise AssertionError("sshd does not listen")


async def _is_listening(sshd: asyncio.subprocess.Process, port: int) -> bool:
    """Wait for an sshd that starts; return whether it listens, `False` if it ended."""
    async with asyncio.timeout(LONGEST_WAIT_S):
        while sshd.returncode is None:
            with suppress(OSError):
                _, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.close()
                return True
            await asyncio.sleep(0.05)
    return False
