"""Paging through changes: the sum of the pages is the state, wherever a page ends and whenever the service resets."""

import json
from collections.abc import Sequence
from itertools import pairwise

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamusage.api.extension import Changes, SessionRecord
from streamusage.client.changes import ChangeSet, read_changes
from streamusage.client.errors import InvalidAnswerError, UnreachableError
from streamusage.client.usage_client import UsageClient
from streamusage.core.usage import SessionKey
from tests.support.canned_answers import CannedServer, ReceivedRequest, reply

CASES = settings(max_examples=500, print_blob=True)
TOKEN = "s3cret"


def record(name: str, total: int = 0) -> dict[str, object]:
    return {
        "name": name, "scope": "live", "startTime": 1, "endTime": 2, "duration": 1, "aciveSubscribers": 0,
        "maxSubscribers": 0, "lostSubscribers": 0, "totalSubscribers": total, "updated": 2, "live": True,
        "provenance": "live",
    }  # fmt: skip


def page_of(
    records: Sequence[dict[str, object]] = (),
    deleted: Sequence[str] = (),
    *,
    cursor: str = "c",
    reset: bool = False,
    more: bool = False,
) -> dict[str, object]:
    keys = [{"scope": "live", "name": name, "startTime": 1} for name in deleted]
    return {"now": 9, "cursor": cursor, "reset": reset, "more": more, "records": list(records), "deleted": keys}


def sum_pages(pages: Sequence[dict[str, object]], cursor: str | None) -> ChangeSet[SessionRecord]:
    changes = ChangeSet(cursor, lambda record: record)
    for page in pages:
        for _ in changes.add_page(msgspec.convert(page, Changes)):
            pass
    return changes


@pytest.mark.parametrize(
    ("cursor", "pages", "changed", "removed", "reset"),
    [
        (None, [page_of([record("a"), record("b")])], {"a": 0, "b": 0}, [], True),
        ("0", [page_of([record("a", 1)]), page_of([record("a", 2)])], {"a": 2}, [], False),
        ("0", [page_of([record("a")]), page_of(deleted=["a"])], {}, ["a"], False),
        ("0", [page_of(deleted=["a"]), page_of([record("a")])], {"a": 0}, [], False),
        ("0", [page_of([record("a")], ["c"]), page_of([record("b")], reset=True)], {"b": 0}, [], True),
        ("0", [page_of([record("a", 1)], ["a"])], {"a": 1}, [], False),
        ("0", [page_of()], {}, [], False),
    ],
)
def test_pages_are_summed(
    cursor: str | None, pages: list[dict[str, object]], changed: dict[str, int], removed: list[str], reset: bool
) -> None:
    changes = sum_pages(pages, cursor)
    assert {record.name: record.total_subscribers for record in changes.changed} == changed
    assert changes.removed == [SessionKey("live", name, 1) for name in removed]
    assert changes.reset is reset
    assert changes.cursor == "c"


histories = st.lists(st.tuples(st.sampled_from("abcde"), st.booleans(), st.integers(0, 99)), max_size=30)


@CASES
@given(history=histories, cuts=st.lists(st.integers(0, 30), max_size=5), reset_at=st.none() | st.integers(0, 5))
def test_sum_does_not_depend_on_where_pages_end(
    history: list[tuple[str, bool, int]], cuts: list[int], reset_at: int | None
) -> None:
    bounds = [0, *sorted(cuts), len(history)]
    pages = []
    expected: dict[str, int | None] = {}
    for number, (start, end) in enumerate(pairwise(bounds)):
        reset = number == reset_at
        if reset:
            expected.clear()
        newest = {name: total if stored else None for name, stored, total in history[start:end]}
        expected |= newest
        stored = [record(name, total) for name, total in newest.items() if total is not None]
        gone = [name for name, total in newest.items() if total is None]
        pages.append(page_of(stored, gone, cursor=f"c{number}", reset=reset))
    changes = sum_pages(pages, "before")
    assert {found.name: found.total_subscribers for found in changes.changed} == {
        name: total for name, total in expected.items() if total is not None
    }
    assert {key.name for key in changes.removed} == {name for name, total in expected.items() if total is None}
    assert changes.reset is (reset_at is not None and reset_at < len(pages))


async def test_pages_are_fetched_until_there_are_no_more() -> None:
    answers = [
        page_of([record("a", 1), record("b", 1)], cursor="c1", more=True),
        page_of([record(f"n{number}") for number in range(5000)], ["b"], cursor="c2", more=True),
        page_of([record("a", 2)], cursor="c3"),
    ]
    asked: list[str] = []

    def respond(request: ReceivedRequest) -> bytes:
        asked.append(request.query)
        return reply(200, json.dumps(answers.pop(0)))

    async with CannedServer(respond) as server, UsageClient(server.url, TOKEN) as client:
        changes = await read_changes(client, None, lambda record: (record.name, record.total_subscribers))
    assert asked == ["limit=10000", "cursor=c1&limit=10000", "cursor=c2&limit=10000"]
    assert len(changes.changed) == 5001
    assert changes.changed[0] == ("a", 2)
    assert (changes.removed, changes.cursor, changes.reset) == ([SessionKey("live", "b", 1)], "c3", True)


async def test_service_that_announces_more_without_a_new_cursor_is_an_error() -> None:
    answer = reply(200, json.dumps(page_of([record("a")], cursor="same", more=True)))
    async with CannedServer(lambda request: answer) as server, UsageClient(server.url, TOKEN) as client:
        with pytest.raises(InvalidAnswerError, match="announces more changes without a new cursor"):
            await read_changes(client, None, lambda record: record)
        assert len(server.requests) == 2


async def test_failure_between_two_pages_is_raised() -> None:
    answers = [reply(200, json.dumps(page_of([record("a")], cursor="c1", more=True))), reply(500, "oops")]
    async with CannedServer(lambda request: answers.pop(0)) as server, UsageClient(server.url, TOKEN) as client:
        with pytest.raises(UnreachableError):
            await read_changes(client, None, lambda record: record)
