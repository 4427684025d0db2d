"""Runs a client command against the service of a test."""

from tests.streamusage.service.conftest import Estate
from tests.support.program import Ended, Program


async def run_command(estate: Estate, streamtop: Program, *arguments: str, token: str = "admin-token") -> Ended:
    return await streamtop(*arguments, STREAMTOP_URL=estate.running.url, STREAMTOP_TOKEN=token)
