"""The commands find the token of a `streamtop serve` of the same user, and send it nowhere else."""

import asyncio
import re
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tests.support.canned_answers import CannedServer, reply
from tests.support.program import Program
from tests.support.waiting import LONGEST_WAIT_S


@asynccontextmanager
async def serving(streamtop: Program, *arguments: str) -> AsyncIterator[str]:
    """Run a service with these options on a free port; yields its URL."""
    process = await streamtop.start("serve", "--listen", "127.0.0.1:0", *arguments, stdin=asyncio.subprocess.DEVNULL)
    assert process.stderr is not None
    first_lines = await asyncio.wait_for(process.stderr.readuntil(b", store"), LONGEST_WAIT_S)
    found = re.search(rb"http://\S+(?=,)", first_lines)
    assert found is not None, first_lines
    yield found[0].decode()
    process.send_signal(signal.SIGTERM)
    await asyncio.wait_for(process.communicate(), LONGEST_WAIT_S)
    assert process.returncode == 0


async def test_token_of_an_own_service_is_found_while_it_runs(streamtop: Program) -> None:
    async with serving(streamtop) as url:
        ended = await streamtop("ls", "--url", url, "--format", "json")
        assert (ended.code, ended.out) == (0, "[]\n"), ended.err
        ended = await streamtop("config", "--format", "ndjson", STREAMTOP_URL=url)
        assert "streamtop serve on this machine" in ended.out
        other = await streamtop("ls", "--url", url, STREAMTOP_TOKEN="another")
        assert other.code == 4, "a token that was given is used"
    assert not list(streamtop.home.rglob("listening-*"))


async def test_token_is_not_sent_to_another_program_at_a_loopback_address(streamtop: Program) -> None:
    async with serving(streamtop), CannedServer(lambda _: reply(200, "[]")) as server:
        await streamtop("ls", "--url", server.url)
        for request in server.requests:
            assert "authorization" not in request.headers
            assert "accessToken" not in request.target


async def test_service_with_a_tokens_file_is_not_found(streamtop: Program) -> None:
    (streamtop.home / "tokens.toml").write_text('[[token]]\nvalue = "s3cret"\nrole = "admin"\n')
    async with serving(streamtop, "--tokens", "tokens.toml") as url:
        assert (await streamtop("ls", "--url", url)).code == 4
