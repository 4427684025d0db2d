"""Schema drift: missing and unknown fields are counted and never taken for zeros."""

import json

import msgspec
import pytest

from streamusage.api.extension import SessionRecord
from streamusage.client.errors import InvalidAnswerError, UsageApiError
from streamusage.client.schema_drift import SchemaDrift, detect_drift
from streamusage.client.usage_client import UsageClient
from streamusage.core.coverage import Provenance
from streamusage.core.usage import SessionKey, UsageRecord
from tests.support.canned_answers import CannedServer, reply
from tests.support.plain_manager import wire, without


def test_summary_lists_missing_and_unknown_fields() -> None:
    body = json.dumps([without(wire(), "updated") | {"region": "eu"}]).encode()
    drift = detect_drift(body, SchemaDrift((), (("lostSubscribers", 1), ("updated", 1204))))
    assert drift is not None
    assert drift.summary() == "1 record lacks lostSubscribers; 1,204 records lack updated; unknown field region"
    assert not detect_drift(json.dumps([wire()]).encode(), SchemaDrift((), ()))
    assert detect_drift(b"[]", SchemaDrift((), ())) is None


async def test_client_counts_missing_fields_over_the_whole_reply() -> None:
    records = [
        wire(f"s{n}", start=n + 1) if n % 3 else without(wire(start=n + 1), "lostSubscribers") for n in range(9_000)
    ]
    async with (
        CannedServer(lambda request: reply(200, json.dumps(records))) as server,
        UsageClient(server.url, "t") as c,
    ):
        assert len(await c.usage()) == 9_000
        assert c.records_drift is not None
        assert c.records_drift.missing == (("lostSubscribers", 3_000),)


async def test_delete_succeeds_with_an_incomplete_record() -> None:
    answer = reply(200, json.dumps(without(wire(), "updated")))
    async with CannedServer(lambda request: answer) as server, UsageClient(server.url, "t") as client:
        assert (await client.delete_session(SessionKey("live", "keynote", 5))).updated is None


async def test_list_of_other_objects_is_an_invalid_answer() -> None:
    async with CannedServer(lambda request: reply(200, '[{"a": 1}]')) as server, UsageClient(server.url, "t") as client:
        with pytest.raises(InvalidAnswerError, match="missing required field"):
            await client.usage()


async def test_deeply_nested_value_is_an_invalid_answer() -> None:
    nested = "[" * 20_000 + "]" * 20_000
    answers = [
        json.dumps([wire("a"), wire("b")])[:-2] + f', "note": {nested}}}]',
        nested,
        f'{{"errorMessage": {nested}}}',
    ]
    for status, body in [(status, body) for status in (200, 404) for body in answers]:
        answer = reply(status, body)
        async with (
            CannedServer(lambda request, answer=answer: answer) as server,
            UsageClient(server.url, "t") as client,
        ):
            for read in (client.usage, client.live_list, client.servers):
                with pytest.raises(UsageApiError):
                    await read()


def test_fields_of_our_own_service_are_known() -> None:
    own = SessionRecord(**msgspec.structs.asdict(msgspec.convert(wire("keynote"), UsageRecord)), live=True,
                        provenance=Provenance.LIVE, imported=True, unseen_subscribers=3)  # fmt: skip
    body = msgspec.json.encode([own])
    assert b"unseenSubscribers" in body
    assert not detect_drift(body, SchemaDrift((), ()))
