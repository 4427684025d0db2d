"""Polls of a plain Stream Manager: whatever changes between them, sessions are those of both whole lists."""

from random import Random
from typing import Any

import msgspec
import pytest

from streamusage.api.extension import LiveStream
from streamusage.client.errors import UsageApiError
from streamusage.client.record_decoding import decode_records
from streamusage.client.usage_client import UsageClient
from streamusage.core.usage import SessionKey
from tests.support.canned_answers import CannedServer, ReceivedRequest, reply
from tests.support.plain_manager import wire, without
from tui.app.live_list_reader import FAILURES_BRIDGED
from tui.app.plain_lists import PlainLists
from tui.model.sessions.live_list import with_live_list
from tui.model.sessions.session import Session, from_record
from tui.model.sessions.session_batch import SessionBatch
from tui.model.sessions.store import SessionStore


class ChangingManager(CannedServer):
    """A plain Stream Manager whose two lists change at random, and whose answers sometimes fail."""

    def __init__(self, random: Random, sessions: int) -> None:
        super().__init__(self._respond)
        self.random = random
        self.records = [self._record() for _ in range(sessions)]
        self.live: list[dict[str, Any]] = []
        self.fails: str = ""
        self.live_list_status = 200
        self.on_air: list[dict[str, Any]] | None = None
        """The rows that a console knows: of the last readable answer; `None` when it was refused, or failed often."""
        self.failures_of_live_list = 0

    def _record(self) -> dict[str, Any]:
        random = self.random
        record = wire(random.choice(["a", "b", "c,d", "},{", 'e"f', "g\\"]), random.choice(["live", "x/y"]))
        record |= {"startTime": random.randrange(1, 40), "totalSubscribers": random.randrange(3)}
        return without(record, random.choice(["lostSubscribers", "nothing", "nothing", "nothing"]))

    def change(self) -> None:
        random = self.random
        for _ in range(random.randrange(4)):
            place = random.randrange(len(self.records) + 1)
            match random.choice(["insert", "remove", "change", "shuffle", "repeat"]):
                case "insert":
                    self.records.insert(place, self._record())
                case "remove":
                    del self.records[place : place + random.randrange(1, 4)]
                case "change" if place < len(self.records):
                    self.records[place] = self.records[place] | {"totalSubscribers": random.randrange(9)}
                case "shuffle":
                    random.shuffle(self.records)
                case "repeat" if place < len(self.records):
                    self.records.append(self.records[place] | {"totalSubscribers": random.randrange(9)})
        for _ in range(random.randrange(3)):
            if self.live and random.random() < 0.4:
                self.live.pop(random.randrange(len(self.live)))
            else:
                record = random.choice(self.records or [self._record()])
                row = {"name": record["name"], "scope": record["scope"], "currentSubscribers": random.randrange(9)}
                self.live.append(row | ({} if random.random() < 0.3 else {"startTime": record["startTime"]}))
        self.fails = random.choice(["", "", "", "records", "live"])
        self.live_list_status = random.choice([200, 200, 200, 403])

    def _respond(self, request: ReceivedRequest) -> bytes:
        busy = reply(500, '{"errorMessage": "busy", "timestamp": 1}')
        if request.path.endswith("/list/stats"):
            if self.live_list_status != 200:
                self.on_air = None
                return reply(403, '{"errorMessage": "no", "timestamp": 1}')
            if self.fails == "live":
                self.failures_of_live_list += 1
                self.on_air = self.on_air if self.failures_of_live_list <= FAILURES_BRIDGED else None
                return busy
            self.on_air, self.failures_of_live_list = list(self.live), 0
            return reply(200, msgspec.json.encode(self.live))
        whole = reply(200, msgspec.json.encode(self.records))
        return whole[:-9] if self.fails == "records" else whole

    def expected(self) -> dict[SessionKey, Session]:
        """Return the sessions of both lists, decoded whole."""
        body = msgspec.json.encode(self.records)
        found = {record.key: from_record(record) for records in decode_records(body) for record in records}
        live = msgspec.convert(self.on_air or [], list[LiveStream])
        return found | with_live_list(found, live)


@pytest.mark.parametrize("seed", range(6))
async def test_followed_lists_equal_whole_lists(seed: int) -> None:
    random = Random(seed)
    async with (
        ChangingManager(random, random.choice([0, 5, 40, 1_200])) as server,
        UsageClient(server.url, "t") as client,
    ):
        lists, store = PlainLists(client), SessionStore()
        failed = 0
        for _ in range(60):
            try:
                changes = await lists.poll()
            except UsageApiError:
                failed += 1
            else:
                if changes.reset and isinstance(changes.changed, SessionBatch):
                    for _ in store.adopt(changes.changed):
                        pass
                else:
                    assert not {session.key for session in changes.changed} & set(changes.removed)
                    store.apply(changes.changed, changes.removed, reset=changes.reset)
                assert {session.key: session for session in store} == server.expected(), f"seed {seed}"
                assert changes.live_list_is_readable is (server.on_air is not None)
                is_read = server.live_list_status == 200 and server.fails != "live"
                assert bool(changes.live_list_problem) is not is_read
            server.change()
        assert failed
