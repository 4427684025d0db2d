"""Records that lack what is documented: read as far as they go, counted, and never taken for zeros."""

import json
from collections import Counter
from typing import Any

import pytest

from streamusage.client.errors import InvalidAnswerError
from streamusage.client.record_lists import UnreadableError, decode_records
from streamusage.client.schema_drift import drift_of, lacks, missing_of
from streamusage.client.usage_client import UsageClient
from streamusage.core.usage import PartialUsageRecord, SessionKey, UsageRecord
from tests.support.canned_answers import CannedServer, reply
from tests.support.plain_manager import wire

FIGURES = {
    "endTime": "end_time",
    "duration": "duration",
    "aciveSubscribers": "active_subscribers",
    "maxSubscribers": "max_subscribers",
    "lostSubscribers": "lost_subscribers",
    "totalSubscribers": "total_subscribers",
    "updated": "updated",
}


def without(*fields: str, **more: Any) -> dict[str, Any]:
    return {name: value for name, value in wire(**more).items() if name not in fields}


def read(*records: object) -> list[PartialUsageRecord]:
    return [record for part in decode_records(json.dumps(records).encode()) for record in part]


@pytest.mark.parametrize("field", FIGURES)
@pytest.mark.parametrize("null", [True, False])
def test_a_figure_that_was_left_out_is_not_known_and_the_rest_stays(field: str, null: bool) -> None:
    lacking = without(field, name="b") | ({field: None} if null else {})
    whole, told = read(wire("a"), lacking)
    assert isinstance(whole, UsageRecord)
    assert not isinstance(told, UsageRecord)
    assert {name for name in told.__struct_fields__ if getattr(told, name) is None} == {FIGURES[field]}
    assert told.key == SessionKey("live", "b", wire()["startTime"])
    assert lacks(told) == [field]
    assert missing_of([whole, told]) == {field: 1}


@pytest.mark.parametrize(("field", "ours"), [("name", "name"), ("scope", "scope"), ("startTime", "start_time")])
def test_a_record_without_a_part_of_its_key_is_told_without_it(field: str, ours: str) -> None:
    _, told = read(wire("a"), without(field))
    assert not getattr(told, ours)
    assert lacks(told) == [field]


def test_a_list_in_which_nothing_has_a_key_is_none_of_usage_records() -> None:
    with pytest.raises(UnreadableError, match="missing required field `startTime`"):
        read(without("startTime"), without("startTime"))


def test_a_figure_of_another_kind_is_still_an_error() -> None:
    with pytest.raises(UnreadableError, match=r"Expected `int`, got `str` - at `\$\[1\].updated`"):
        read(wire("a"), wire("b") | {"updated": "yesterday"})


def test_what_differs_is_counted_and_told_in_words() -> None:
    body = json.dumps([without("updated") | {"region": "eu"}]).encode()
    drift = drift_of(body, Counter({"updated": 1204, "lostSubscribers": 1}))
    assert drift is not None
    assert drift.in_words() == "1 unknown: region; 2 missing: lostSubscribers in 1 record, updated in 1,204 records"
    assert not drift_of(json.dumps([wire()]).encode(), Counter())
    assert drift_of(b"[]", Counter()) is None


async def test_the_client_counts_over_the_whole_answer() -> None:
    records = [wire(f"s{n}", start=n + 1) if n % 3 else without("lostSubscribers", start=n + 1) for n in range(9_000)]
    async with CannedServer(lambda asked: reply(200, json.dumps(records))) as server, UsageClient(server.url, "t") as c:
        assert len(await c.usage()) == 9_000
        assert c.records_drift is not None
        assert c.records_drift.missing == (("lostSubscribers", 3_000),)


async def test_a_delete_that_answers_with_less_was_still_done() -> None:
    answer = reply(200, json.dumps(without("updated")))
    async with CannedServer(lambda asked: answer) as server, UsageClient(server.url, "t") as client:
        assert (await client.delete_session(SessionKey("live", "keynote", 5))).updated is None


async def test_an_answer_of_something_else_stays_a_bad_one() -> None:
    async with CannedServer(lambda asked: reply(200, '[{"a": 1}]')) as server, UsageClient(server.url, "t") as client:
        with pytest.raises(InvalidAnswerError, match="missing required field"):
            await client.usage()
