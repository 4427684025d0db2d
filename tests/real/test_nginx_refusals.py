"""Refused publishes, checks of the operator, and names that the page cannot carry, against a real nginx."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from streamusage.agent.sources.common.callbacks.forward import CallbackForward
from streamusage.agent.sources.common.callbacks.spool import CallbackSpool
from streamusage.agent.sources.nginx_rtmp.callbacks import call_of
from streamusage.agent.sources.nginx_rtmp.source import NginxRtmpSource
from streamusage.core.addresses import Address
from streamusage.core.clock import SystemClock
from tests.support.agent.counting import Counting
from tests.support.operator_check import OperatorCheck
from tests.support.real.nginx import Nginx, sum_log
from tests.support.real.processes import Programs, free_port, until
from tests.support.real.rtmp_client import RtmpClient
from tests.support.waiting import PATIENT

pytestmark = pytest.mark.real

REFUSALS = 30


@pytest.fixture
async def check() -> AsyncIterator[OperatorCheck]:
    async with OperatorCheck("name=stolen") as running:
        yield running


async def start_nginx(tmp_path: Path, programs: Programs, clip: Path, directives: str) -> Nginx:
    directory = tmp_path / "nginx"
    directory.mkdir()
    nginx = Nginx(directory, programs, clip, directives=directives)
    await nginx.start()
    return nginx


async def publish_refused(nginx: Nginx, name: bytes, times: int) -> None:
    for _ in range(times):
        async with RtmpClient(nginx.rtmp_port) as client:
            await client.publish(name)
            await until(lambda client=client: client.is_refused, "nginx refuses the publish")


async def test_refused_publishes_make_no_session_with_the_log(
    tmp_path: Path, programs: Programs, clip: Path, check: OperatorCheck
) -> None:
    nginx = await start_nginx(tmp_path, programs, clip, f" on_publish {check.url};")
    counting = Counting(NginxRtmpSource(nginx.stat_url, nginx.access_log, options=PATIENT))
    await counting.begin()
    publisher = nginx.publish("mine")
    await nginx.wait_for_clients(1)
    await until(lambda: _shows(nginx, "<active/>"), "the publish is active")
    await counting.step()
    for _ in range(3):
        await publish_refused(nginx, b"stolen", REFUSALS // 6)
        await publish_refused(nginx, b"mine", REFUSALS // 6)
        await counting.step()
    publisher.stop()
    await nginx.wait_for_clients(0)
    await counting.step()
    assert [(session.name, session.live) for session in counting.sessions.values()] == [("mine", False)]
    assert counting.connections == 0
    sums = sum_log(nginx.access_log)
    assert sums.commands["PUBLISH"] == REFUSALS + 1
    assert counting.bytes_in == sums.bytes_in, "the traffic of refused connections counts"
    await counting.source.close()


async def test_publisher_without_media_is_no_session_until_it_sends_some(nginx: Nginx) -> None:
    counting = Counting(NginxRtmpSource(nginx.stat_url, nginx.access_log, options=PATIENT))
    await counting.begin()
    async with RtmpClient(nginx.rtmp_port) as client:
        await client.publish(b"idle")
        await nginx.wait_for_clients(1)
        await counting.step()
        assert counting.sessions == {}
        await client.send_audio()
        await until(lambda: _shows(nginx, "<active/>"), "the publish is active")
        await counting.step()
        assert counting.live == ["idle"]
    await nginx.wait_for_clients(0)
    await counting.step()
    assert (counting.live, len(counting.sessions)) == ([], 1)
    await counting.source.close()


async def test_check_of_the_operator_still_refuses_with_the_documented_callbacks(
    tmp_path: Path, programs: Programs, clip: Path, check: OperatorCheck
) -> None:
    agent = f"http://127.0.0.1:{(port := free_port())}/nginx"
    callbacks = "".join(f" on_{name} {agent};" for name in ("play", "play_done", "publish", "publish_done"))
    nginx = await start_nginx(tmp_path, programs, clip, callbacks)
    forward = CallbackForward({"publish": check.url})
    address = Address("127.0.0.1", port)
    spool = CallbackSpool(address, tmp_path / "hooks", SystemClock(), forward=forward, call_of=call_of)
    counting = Counting(NginxRtmpSource(nginx.stat_url, spool=spool, options=PATIENT))
    await counting.begin()
    publisher = nginx.publish("mine")
    await nginx.wait_for_clients(1)
    await until(lambda: _shows(nginx, "<active/>"), "the publish is active")
    await publish_refused(nginx, b"stolen", 5)
    await publish_refused(nginx, b"mine", 5)
    assert sum("name=stolen" in body for body in check.bodies) == 5, "the operator's check was asked"
    await counting.step()
    assert counting.live == ["mine"]
    assert publisher.running
    publisher.stop()
    await nginx.wait_for_clients(0)
    await until(lambda: spool.path.read_bytes().count(b"publish_done&") == 6, "nginx sent its callbacks")
    await counting.step()
    assert [(session.name, session.live) for session in counting.sessions.values()] == [("mine", False)]
    await counting.source.close()


async def test_names_that_look_alike_on_the_page_are_sessions_of_their_own(
    nginx: Nginx,
) -> None:
    names = (b"a\xffb", b"a\xfeb", b"a\x01b", b"<q>&\"'", b"\xc3\xbc")
    counting = Counting(NginxRtmpSource(nginx.stat_url, nginx.access_log, options=PATIENT))
    await counting.begin()
    async with AsyncExitStack() as stack:
        clients = []
        for number, name in enumerate(names, 1):
            client = await stack.enter_async_context(RtmpClient(nginx.rtmp_port))
            await client.publish(name)
            await nginx.wait_for_clients(number)  # in order, so that their ids rise
            await client.send_audio()
            clients.append(client)
        viewer = await stack.enter_async_context(RtmpClient(nginx.rtmp_port))
        await viewer.play(names[1])
        await nginx.wait_for_clients(len(names) + 1)
        await until(lambda: _shows(nginx, "<active/>", len(names) * 2 + 1), "all are active")
        for _ in range(3):
            await counting.step()
        live = {key: session for key, session in counting.sessions.items() if session.live}
        assert len(live) == len(names)
        assert len({session.name for session in live.values()}) == len(names)
        assert {"a b", "<q>&\"'", "  "} < {session.name for session in live.values()}
        (watched,) = (session for session in live.values() if session.active)
        assert watched.name.startswith("a b [")
        # The first leaves: the others continue under their names.
        await clients[0].__aexit__(None, None, None)
        await nginx.wait_for_clients(len(names))
        await counting.step()
        after = {key: session for key, session in counting.sessions.items() if session.live}
        assert {key: session.name for key, session in after.items()} == {
            key: session.name for key, session in live.items() if session.name != "a b"
        }
    await nginx.wait_for_clients(0)
    await counting.step()
    assert (counting.live, len(counting.sessions), counting.connections) == ([], len(names), 1)
    await counting.source.close()


async def _shows(nginx: Nginx, text: str, times: int = 1) -> bool:
    await asyncio.sleep(0.05)
    return (await nginx.page()).count(text) >= times
