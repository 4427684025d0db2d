"""Two service processes on one store: one of them sends. It is killed while a receiver has its message, and the other
one takes over: every alert and every resolution arrives, and what is sent twice has the same key."""

import asyncio
import threading
import time
from pathlib import Path
from typing import Any

import httpx
from sqlalchemy import Integer, insert, update

from streamusage.service.store.schema import servers
from streamusage.service.store.store import Store, open_store
from tests.support.service.alerts.receiver import Answer, alert_receiver
from tests.support.service.nodes import AUTHORIZED, Node, nodes_on
from tests.support.waiting import LONGEST_WAIT_S, wait_until

ALERTS = """
[sending]
every = "100ms"
hand_over = "2s"
first_retry = "100ms"

[[receiver]]
name = "ops"
url = "URL"
timeout = "5m"

[[rule]]
name = "server missing"
kind = "server-missing"
for = "0s"
repeat = "never"
"""


def set_missing(store: Store, server: str, is_missing: bool) -> None:
    """Let a server owe an hour, or remove it from the estate."""
    with store.writing() as connection, connection.begin():
        if is_missing:
            hour_ago = time.time_ns() // 1_000_000 - 3_600_000
            empty = {column.name: 0 if isinstance(column.type, Integer) else "" for column in servers.columns}
            row = {name: value for name, value in empty.items() if not servers.c[name].nullable}
            row |= {"server": server, "role": "edge", "epoch": 1, "since": hour_ago, "watermark": hour_ago}
            connection.execute(insert(servers).values(row | {"phase": "online", "sync_interval_ms": 10_000}))
        else:
            connection.execute(update(servers).where(servers.c.server == server).values(removed="in order"))


async def alerts_of(node: Node) -> Any:
    async with httpx.AsyncClient(timeout=LONGEST_WAIT_S) as client:
        answer = await client.get(f"{node.url}/api/v1/alerts", headers=AUTHORIZED)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_killed_sender_is_replaced_and_nothing_is_lost(tmp_path: Path, store_url: str) -> None:
    store = open_store(store_url, time.time_ns() // 1_000_000)
    path = tmp_path / "alerts.toml"
    with alert_receiver() as receiver:
        path.write_text(ALERTS.replace("URL", receiver.url()))
        async with nodes_on(tmp_path, store_url, 2, "--alerts", str(path)) as nodes:
            set_missing(store, "edge-1", True)
            await wait_until(lambda: receiver.events() == [("firing", "edge-1")], "the first alert")
            pids = [node.pid for node in nodes]
            sender = int((await alerts_of(nodes[0]))["sender"].rpartition(":")[2])
            assert sender in pids
            first, second = nodes if nodes[0].pid == sender else nodes[::-1]

            reached, gate = threading.Event(), threading.Event()

            def hold() -> Answer:
                reached.set()
                gate.wait(LONGEST_WAIT_S)
                return Answer()

            receiver.answer = hold
            set_missing(store, "edge-2", True)
            assert await asyncio.to_thread(reached.wait, LONGEST_WAIT_S)
            await first.kill()
            receiver.answer = Answer
            gate.set()
            await wait_until(
                lambda: (
                    [posted.body["alerts"][0]["labels"]["server"] for posted in receiver.posted].count("edge-2") == 2
                ),
                "the message in flight is sent again",
            )
            keys = {posted.key for posted in receiver.posted}
            assert len(keys) == 2, "with the same key"
            assert int((await alerts_of(second))["sender"].rpartition(":")[2]) == second.pid
            set_missing(store, "edge-1", False)
            await wait_until(lambda: ("resolved", "edge-1") in receiver.events(), "the other process resolves")

            await first.start()
            receiver.down()
            set_missing(store, "edge-3", True)
            await wait_until(lambda: _waits(second, "edge-3"), "the alert waits for the receiver")
            await second.kill()
            receiver.up()
            set_missing(store, "edge-2", False)
            expected = {("firing", "edge-3"), ("resolved", "edge-2")}
            await wait_until(lambda: expected <= set(receiver.events()), "the first process sends again")
            listed = await alerts_of(first)
            assert int(listed["sender"].rpartition(":")[2]) == first.pid
            assert [alert["labels"]["server"] for alert in listed["alerts"] if alert["phase"] == "firing"] == ["edge-3"]
            assert "server missing" not in listed["failing_rules"]
            events = receiver.events()
            assert sorted(events) == sorted(set(events)), "each of them once, by its key"
            await second.start()  # the end of the block kills both
    store.close()


async def _waits(node: Node, server: str) -> bool:
    listed = await alerts_of(node)
    is_firing = any(alert["labels"]["server"] == server and alert["phase"] == "firing" for alert in listed["alerts"])
    return is_firing and listed["receivers"][0]["pending"] > 0 and "error" in listed["receivers"][0]
