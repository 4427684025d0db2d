"""The live list of a Stream Manager that writes numbers in another notation, or values of another type."""

import json

from streamusage.client.usage_client import UsageClient
from tests.support.canned_answers import CannedServer, reply


async def test_rows_are_read_as_far_as_they_can_be() -> None:
    rows = [
        {"name": "a", "scope": "live", "currentSubscribers": 3.0, "startTime": 1.795e12},
        {"name": "b", "scope": "live", "currentSubscribers": "7", "startTime": "1795000000000"},
        {"name": "c", "scope": "live", "currentSubscribers": "many", "startTime": None, "region": None},
        {"name": "d", "scope": "/live"},
        {"name": None, "scope": "live", "currentSubscribers": 1},
        {"name": 5, "scope": "live", "currentSubscribers": 1},
    ]
    async with CannedServer(lambda _: reply(200, json.dumps(rows))) as server, UsageClient(server.url, "t") as client:
        found = [(str(row.stream), row.current_subscribers, row.start_time) for row in await client.live_list()]
    assert found == [
        ("live/a", 3, 1_795_000_000_000),
        ("live/b", 7, 1_795_000_000_000),
        ("live/c", None, None),
        ("live/d", None, None),
    ]
