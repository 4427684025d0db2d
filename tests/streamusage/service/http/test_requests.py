"""Requests: strict queries, and bodies within limits."""

import gzip
from random import Random

import pytest
from starlette.requests import Request

from streamusage.service.errors import LimitExceededError
from streamusage.service.http.errors import ApiError
from streamusage.service.http.requests import BodyLimit, Query, RequestBodies, inflate
from streamusage.service.limits import MIB, Limits


def query(text: str) -> Query:
    return Query(Request({"type": "http", "query_string": text.encode(), "headers": []}))


def test_second_question_mark_separates_parameters() -> None:
    parsed = query("accessToken=x?startTime=5&accessToken=x")
    assert (parsed.text("accessToken"), parsed.number("startTime"), parsed.number("from")) == ("x", 5, None)


@pytest.mark.parametrize("text", ["n=1&n=2", "n=", "n=1.0", "n=1e3", "n=+1", "n=%201", "n=9007199254740993", "n=x"])
def test_invalid_or_contradictory_number_is_400(text: str) -> None:
    with pytest.raises(ApiError) as refused:
        query(text).number("n")
    assert refused.value.status == 400


def test_missing_and_unknown_parameters_are_400() -> None:
    for refuse in (
        lambda: query("a=").require_text("a"),
        lambda: query("").require_number("a"),
        lambda: query("a=1&b=2").allow_only(["a"]),
    ):
        with pytest.raises(ApiError) as refused:
            refuse()
        assert refused.value.status == 400
    query("a=1").allow_only(["a", "b"])


def test_gzip_members_are_joined_up_to_the_limit() -> None:
    limit = BodyLimit(3)
    assert inflate(gzip.compress(b"ab") + gzip.compress(b"") + gzip.compress(b"c"), limit, Limits()) == b"abc"
    for body, status in ((gzip.compress(b"abcd"), 413), (gzip.compress(b"ab")[:-1], 400), (b"", 400), (b"ab", 400)):
        with pytest.raises(ApiError) as refused:
            inflate(body, limit, Limits())
        assert refused.value.status == status


def test_members_and_ratio_are_limited() -> None:
    largest = BodyLimit(8 * MIB, "report_bytes")
    with pytest.raises(LimitExceededError, match=r"limit gzip-members is 16 \(--limit gzip-members=N"):
        inflate(gzip.compress(b"") * 17, largest, Limits())
    with pytest.raises(LimitExceededError, match="limit compression-ratio is 200 "):
        inflate(gzip.compress(bytes(5 * MIB)), largest, Limits())
    with pytest.raises(LimitExceededError, match="limit report-bytes is "):
        inflate(gzip.compress(bytes(9 * MIB)), largest, Limits(compression_ratio=10_000))


@pytest.mark.parametrize("size", [0, 1, 65_536, 300_000, 5 * MIB])
def test_inflating_in_steps_returns_every_byte(size: int) -> None:
    content = Random(size).randbytes(size // 2) + bytes(size - size // 2)
    body = gzip.compress(content) + gzip.compress(content[:1000])
    assert inflate(body, BodyLimit(20 * MIB), Limits()) == content + content[:1000]


def test_reserved_bodies_are_limited_together() -> None:
    bodies = RequestBodies(Limits(), total_limit=15)
    assert [bodies.reserve(10), bodies.reserve(10), bodies.reserve(5)] == [True, False, True]
    bodies.release(10)
    assert bodies.reserve(10)
