"""A check of the operator still decides about the publishers of a real Node-Media-Server with the agent's callbacks."""

from pathlib import Path

import pytest

from streamusage.agent.metering import meter
from streamusage.agent.sources.common.callbacks.forward import EVERY_CALL, CallbackForward
from streamusage.agent.sources.node_media_server.source import NodeMediaServerSource
from streamusage.core.addresses import Address
from streamusage.core.clock import SystemClock
from tests.support.operator_check import OperatorCheck
from tests.support.real.node_media_server import NodeMediaServer
from tests.support.real.processes import Programs, until
from tests.support.waiting import PATIENT

pytestmark = pytest.mark.real


async def test_refused_publisher_is_closed_and_no_session(
    tmp_path: Path, programs: Programs, clip: Path, node_media_server_app: Path
) -> None:
    server = NodeMediaServer(tmp_path, programs, node_media_server_app, clip)
    async with OperatorCheck('"stolen"') as check:
        source = NodeMediaServerSource(
            server.url,
            "admin",
            lambda: server.environment()["TEST_NMS_PASSWORD"],
            Address("127.0.0.1", server.notify_port),
            tmp_path / "hooks",
            SystemClock(),
            options=PATIENT,
            forward=CallbackForward({EVERY_CALL: check.url}),
        )
        await server.start()
        state, _ = meter.start(await source.read(None))
        for _ in range(3):
            refused = server.publish("stolen")
            await until(lambda refused=refused: not refused.running, "the server closes the publisher")
        mine = server.publish("mine")
        await server.wait_until_published()
        await until(lambda: any('"mine"' in body for body in check.bodies), "the check was asked")
        await until(lambda: _has_media(server), "the publisher sends media")
        state, added = meter.step(state, await source.read(state.baseline.cursor))
        assert [(session.name, session.live) for session in added.sessions.values()] == [("mine", True)]
        assert mine.running
        assert sum('"stolen"' in body and '"prePublish"' in body for body in check.bodies) == 3
        mine.stop()
        await source.close()


async def _has_media(server: NodeMediaServer) -> bool:
    streams = (await server.fetch("streams"))["streams"]
    return any(s["name"] == "mine" and s["publisher"] and s["publisher"]["inBytes"] > 10_000 for s in streams)
