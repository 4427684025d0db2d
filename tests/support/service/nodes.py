"""Several service processes on one store, which a test kills and restarts."""

import asyncio
import os
import random
import re
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from tests.support.program import REPOSITORY
from tests.support.waiting import LONGEST_WAIT_S

ADMIN = "admin-s3cret"


SERVERS = [f"edge-{number}" for number in range(6)]


AUTHORIZED = {"Authorization": f"Bearer {ADMIN}"}


class Node:
    """A service process that is killed and restarted, each time on a new port, since the old one may be in use."""

    def __init__(self, home: Path, store_url: str, *options: str) -> None:
        self._command = [
            sys.executable,
            "-m",
            "streamusage.service",
            "--store",
            store_url,
            "--tokens",
            str(home / "tokens.toml"),
            *options,
        ]
        self.code = REPOSITORY
        """The checkout that its next process runs."""
        self.url = ""
        self.admin_token = ADMIN
        self.agent_tokens = {server: f"{server}-s3cret" for server in SERVERS}
        self.kills = 0
        self.log_lines: list[str] = []

    @property
    def pid(self) -> int:
        return self._process.pid

    async def start(self) -> None:
        self._process = await asyncio.create_subprocess_exec(
            *self._command, "--listen", "127.0.0.1:0", stderr=asyncio.subprocess.PIPE, cwd=self.code,
            env=os.environ | {"PYTHONPATH": str(self.code)},
        )  # fmt: skip
        assert self._process.stderr is not None
        self.url = await asyncio.wait_for(self._read_url(self._process.stderr), LONGEST_WAIT_S)
        self._reader = asyncio.create_task(self._listen())

    async def kill(self) -> None:
        self._process.send_signal(signal.SIGKILL)
        await self._process.wait()
        await self._reader
        self.kills += 1

    async def _read_url(self, log: asyncio.StreamReader) -> str:
        """Return the address that the service logs after its warnings about the store."""
        async for line in log:
            self.log_lines.append(line.decode())
            if found := re.search(r"http://127\.0\.0\.1:\d+", line.decode()):
                return found[0]
        raise AssertionError("the service did not start:\n" + "".join(self.log_lines))

    async def _listen(self) -> None:
        assert self._process.stderr is not None
        async for line in self._process.stderr:
            self.log_lines.append(line.decode())


@asynccontextmanager
async def nodes_on(
    home: Path, store_url: str, how_many: int, *options: str, code: Path = REPOSITORY
) -> AsyncIterator[list[Node]]:
    entries = [f'[[token]]\nvalue = "{ADMIN}"\nrole = "admin"\n']
    entries += [f'[[token]]\nvalue = "{server}-s3cret"\nrole = "agent"\nserver = "{server}"\n' for server in SERVERS]
    (home / "tokens.toml").write_text("".join(entries))
    nodes = [Node(home, store_url, *options) for _ in range(how_many)]
    async with AsyncExitStack() as stack:
        for node in nodes:
            node.code = code
            await node.start()
            stack.push_async_callback(node.kill)
        yield nodes


async def kill_now_and_then(nodes: list[Node], over: asyncio.Event) -> None:
    chance = random.Random("kills")
    while not over.is_set():
        await asyncio.sleep(chance.uniform(1.0, 3.0))
        node = chance.choice(nodes)
        await node.kill()
        await node.start()
