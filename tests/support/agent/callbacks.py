"""Callbacks of media servers: sent to a spool, or recorded ones applied to sessions."""

import asyncio
import contextlib

import httpx

from streamusage.agent.reading import EndedConnection
from streamusage.agent.sources.common.callbacks.reader import OpenSessions, UnreadableCallbackError
from streamusage.agent.sources.common.callbacks.spool import CallbackSpool, SpooledCallback
from tests.support.agent.media_servers import read_fixture
from tests.support.waiting import LONGEST_WAIT_S


async def post_callbacks(spool: CallbackSpool, *bodies: str) -> None:
    """Send callbacks at once; each response must be 200."""
    async with httpx.AsyncClient(trust_env=False, timeout=LONGEST_WAIT_S) as http:
        responses = await asyncio.gather(
            *(http.post(f"http://127.0.0.1:{spool.address.port}/x", content=body) for body in bodies)
        )
    assert {response.status_code for response in responses} == {200}


def read_recorded_callbacks(fixture: str) -> list[SpooledCallback]:
    """Return the callbacks of a fixture with lines `TIME METHOD PATH | BODY`."""
    callbacks = []
    for line in read_fixture(fixture).decode().splitlines():
        head, _, body = line.partition(" | ")
        time, _, path = head.split()[:3]
        callbacks.append(SpooledCallback(at=int(time.replace(".", "")), path=path, body=body))
    return callbacks


def apply_callbacks(sessions: OpenSessions, callbacks: list[SpooledCallback]) -> list[EndedConnection]:
    """Return the sessions that ended. A request that is no callback is left out."""
    ended = []
    for callback in callbacks:
        with contextlib.suppress(UnreadableCallbackError):
            ended.append(sessions.apply(callback))
    return [session for session in ended if session is not None]
