"""The documented operations, their errors, and requests that must never be taken for "delete all"."""

import pytest

from streamusage.core.usage import StreamId, stream_path
from tests.streamusage.service.conftest import NOW, USAGE, Estate, a_record
from tests.support.service.answers import is_failure

TOKEN = "accessToken=admin-token"


@pytest.mark.parametrize("version", ["3.1", "4.0"])
async def test_every_documented_operation_in_both_versions(estate: Estate, version: str) -> None:
    base = f"/streammanager/api/{version}/admin/event/usage"
    one, two, other = a_record(start_time=1), a_record(start_time=2), a_record("other")
    assert (await estate.http.get(f"{base}?{TOKEN}")).json() == []
    await estate.import_records(one, two, other)

    everything = (await estate.http.get(f"{base}?{TOKEN}")).json()
    assert sorted(everything, key=str) == sorted([one, two, other], key=str)
    assert list(everything[0]) == list(a_record()), "fields in wire order"
    stream = await estate.http.get(f"{base}/live/stream1?{TOKEN}")
    assert stream.status_code == 200
    assert stream.json() == [two, one]

    deleted = await estate.http.delete(f"{base}/live/stream1?{TOKEN}&startTime=1")
    assert deleted.status_code == 200
    assert deleted.json() == one
    assert (await estate.http.get(f"{base}/live/stream1?{TOKEN}")).json() == [two]

    deleted = await estate.http.delete(f"{base}/live/stream1?{TOKEN}")
    assert (deleted.status_code, deleted.content) == (200, b"")
    assert (await estate.http.get(f"{base}?{TOKEN}")).json() == [other]

    deleted = await estate.http.delete(f"{base}?{TOKEN}")
    assert (deleted.status_code, deleted.content) == (200, b"")
    assert (await estate.http.get(f"{base}?{TOKEN}")).json() == []


REFUSED = [
    ("GET", "/live/unknown", TOKEN, 404),
    ("DELETE", "/live/unknown", TOKEN, 404),
    ("DELETE", "/live/stream1", f"{TOKEN}&startTime=7", 404),
    ("GET", "", "", 400),
    ("GET", "", "accessToken=wrong", 400),
    ("GET", "", "accessToken=edge-1-token", 400),
    ("GET", "", "accessToken=admin-token&accessToken=viewer-token", 400),
    ("DELETE", "", "accessToken=viewer-token", 400),
    ("DELETE", "/live/stream1", "accessToken=viewer-token", 400),
    ("DELETE", "/live/stream1", "accessToken=wrong&startTime=1525079735737", 400),
    ("GET", "/", TOKEN, 400),
    ("GET", "/live", TOKEN, 400),
    ("PUT", "", TOKEN, 405),
    ("POST", "/live/stream1", TOKEN, 405),
]


async def test_failure_has_the_documented_shape_and_changes_nothing(estate: Estate) -> None:
    await estate.import_records(a_record())
    for method, rest, query, status in REFUSED:
        answer = await estate.usage(method, rest, query)
        assert answer.status_code == status, (method, rest, query)
        assert is_failure(answer.json()), (method, rest, query)
        assert "token" not in answer.text.replace("accessToken", ""), (method, rest, query)
        assert await estate.records() == [a_record()], (method, rest, query)


MISSING = [
    "/", "//", "/live/", "//stream1", "/live//stream1", "/live/stream1/", "/live%2Fstream1", "/%2F", "/live",
    "///", "/live//", "/.", "/..", "/live/..", "/live/../..", "/live/stream1/../..", "/%2E%2E", "/live/%2E%2E",
    "/live/%2e%2e/%2e%2e", "/live/stream1%2F..", "/live/%00", "/live/%FF", "/live/stream1%3F", "/;", "/live/;",
    "%2Flive%2Fstream1", "%2F", "%20", ".", "/live/stream1%23", "/live/%2F", "/ live/stream1",
]  # fmt: skip


async def test_delete_of_a_missing_record_deletes_nothing(estate: Estate) -> None:
    await estate.import_records(a_record(), a_record("stream2"))
    for target in MISSING:
        status, _ = await estate.raw_usage("DELETE", f"{USAGE}{target}?{TOKEN}")
        assert status in {400, 404}, target
        assert len(await estate.records()) == 2, target


INVALID_START_TIMES = [
    "startTime=", "startTime=abc", "startTime=1525079735737.0", "startTime=1e3", "startTime=+1525079735737",
    "startTime=%201525079735737", "startTime=1525079735737&startTime=6", "startTime=99999999999999999999",
    "starttime=1525079735737", "StartTime=1525079735737", "startTime", "startTime=1525079735737;x=1",
    "startTime=null", "start_time=1525079735737", "startTime=١٢٣", "%20startTime=1525079735737", "name=stream1",
]  # fmt: skip


async def test_invalid_start_time_deletes_neither_session_nor_stream(estate: Estate) -> None:
    await estate.import_records(a_record(), a_record(start_time=6))
    for query in INVALID_START_TIMES:
        answer = await estate.usage("DELETE", "/live/stream1", f"{TOKEN}&{query}")
        assert answer.status_code == 400, query
        assert is_failure(answer.json()), query
        assert len(await estate.records()) == 2, query


async def test_start_time_without_a_stream_deletes_nothing(estate: Estate) -> None:
    await estate.import_records(a_record())
    assert (await estate.usage("DELETE", "", f"{TOKEN}&startTime=1525079735737")).status_code == 400
    assert await estate.records() == [a_record()]


async def test_second_question_mark_is_tolerated_and_hides_no_start_time(estate: Estate) -> None:
    await estate.import_records(a_record(start_time=5), a_record(start_time=6))
    assert len((await estate.usage(query=f"{TOKEN}?{TOKEN}")).json()) == 2
    assert (await estate.usage("DELETE", "/live/stream1", f"{TOKEN}?startTime=5")).json() == a_record(start_time=5)
    assert await estate.records() == [a_record(start_time=6)]
    assert (await estate.usage("DELETE", "/live/stream1", f"{TOKEN}?{TOKEN}")).status_code == 200
    assert await estate.records() == []


HOSTILE = [
    "a/b", "..", ".", "[red]x", "\x1b[2J", "../..", "a?accessToken=x", "a#b", "a%2Fb", "%", "naïve ☃ 日本", "‮gnp",
    "x" * 4096, "a b", "a+b", "a&startTime=1", "'; DROP TABLE usage; --", "a\\b", '"', "\r\nX-Injected: 1",
]  # fmt: skip


async def test_any_name_is_treated_as_data(estate: Estate) -> None:
    for name in HOSTILE:
        await estate.import_records(a_record(name), a_record("witness"))
        path = f"/{stream_path(StreamId('live', name))}"
        assert (await estate.usage("GET", path)).json() == [a_record(name)], name
        assert (await estate.usage("DELETE", path)).status_code == 200, name
        assert await estate.records() == [a_record("witness")], name


async def test_scope_may_have_slashes_and_loses_a_leading_one(estate: Estate) -> None:
    await estate.import_records(a_record(scope="live/room1"), a_record(scope="live"))
    assert (await estate.usage("GET", "/live/room1/stream1")).json() == [a_record(scope="live/room1")]
    assert (await estate.usage("DELETE", "/live/room1/stream1")).status_code == 200
    assert await estate.records() == [a_record(scope="live")]


async def test_deleted_record_leaves_a_tombstone_and_an_audit_entry(estate: Estate) -> None:
    from sqlalchemy import select

    from streamusage.service.store.schema import audit, tombstones

    await estate.import_records(a_record(), a_record("other"))
    await estate.usage("DELETE", "/live/stream1", f"{TOKEN}&startTime=1525079735737")
    await estate.usage("DELETE")
    tombstone_rows, audit_rows = await estate.running.service.read(
        lambda connection: (connection.execute(select(tombstones)).all(), connection.execute(select(audit)).all())
    )
    assert {(row.scope, row.name, row.start_time, row.deleted_at, row.reason) for row in tombstone_rows} == {
        ("live", "stream1", 1525079735737, NOW, "deleted"),
        ("live", "other", 1525079735737, NOW, "deleted"),
    }
    assert sorted((row.who, row.operation, row.name, row.start_time, row.records) for row in audit_rows) == [
        ("boss", "delete all", "", None, 1),
        ("boss", "delete session", "stream1", 1525079735737, 1),
        ("boss", "import", "", None, 2),
    ]


async def test_live_list_needs_no_token(estate: Estate) -> None:
    for version in ("3.1", "4.0"):
        answer = await estate.http.get(f"/streammanager/api/{version}/event/list/stats")
        assert (answer.status_code, answer.json()) == (200, [])
