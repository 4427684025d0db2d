"""The live list of a Stream Manager that writes numbers in another notation, or values of another type."""

import json

import pytest

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


@pytest.mark.parametrize("value", ["1E400", "NaN", '"\\ud800"', "007"])
async def test_value_that_is_no_json_does_not_hide_the_other_rows(value: str) -> None:
    body = (
        f'[{{"name": "a", "scope": "live", "currentSubscribers": {value}, "startTime": {value}}},'
        f' {{"name": {value}, "scope": "live", "currentSubscribers": 3}},'
        ' {"name": "b", "scope": "live", "currentSubscribers": 5}]'
    )
    async with CannedServer(lambda _: reply(200, body)) as server, UsageClient(server.url, "t") as client:
        found = [(str(row.stream), row.current_subscribers, row.start_time) for row in await client.live_list()]
    assert found == [("live/a", None, None), ("live/b", 5, None)]
