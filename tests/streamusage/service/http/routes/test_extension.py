"""Changes and cursors, import, history, and requests that the extension refuses."""

import socket
import sqlite3
from pathlib import Path

import pytest

from streamusage.service.store.change_feed import (
    TOMBSTONES_FORGOTTEN,
    ChangeCursor,
    allocate_changes,
    is_valid_cursor,
    newest_life,
    raise_counter,
)
from streamusage.service.store.engines.sqlite import sqlite_url
from streamusage.service.store.store import open_store
from tests.streamusage.service.conftest import NOW, Estate, a_record, an_estate

KEY = {"scope": "live", "name": "stream1", "startTime": 1525079735737}


async def changes(estate: Estate, cursor: str = "", limit: int = 10_000) -> dict[str, object]:
    answer = await estate.request("GET", f"/api/v1/changes?limit={limit}&cursor={cursor}", "viewer-token")
    assert answer.status_code == 200, answer.text
    return answer.json()  # type: ignore[no-any-return]


async def test_changes_lists_new_changed_and_deleted_records(estate: Estate) -> None:
    await estate.import_records(a_record(), a_record("other"))
    await estate.usage("DELETE", "/live/other")
    first = await changes(estate)
    assert first["records"] == [a_record() | {"live": False, "provenance": "live"}]
    assert first["deleted"] == [], "a request without a cursor receives no deletions"
    assert (first["reset"], first["more"], first["now"]) == (False, False, NOW)

    await estate.import_records(a_record("new"))
    await estate.usage("DELETE", "/live/stream1")
    second = await changes(estate, str(first["cursor"]))
    assert [record["name"] for record in second["records"]] == ["new"]  # type: ignore[attr-defined]
    assert second["deleted"] == [KEY]
    third = await changes(estate, str(second["cursor"]))
    assert (third["records"], third["deleted"]) == ([], [])

    await estate.import_records(a_record())
    assert len((await changes(estate, str(second["cursor"])))["records"]) == 1  # type: ignore[arg-type]


async def test_pages_contain_everything_once_despite_changes_between_them(estate: Estate) -> None:
    await estate.import_records(*(a_record(f"s{number}") for number in range(25)))
    seen: dict[str, int] = {}
    gone: set[str] = set()
    cursor, more, pages = "", True, 0
    while more:
        page = await changes(estate, cursor, limit=4)
        cursor, more, pages = str(page["cursor"]), bool(page["more"]), pages + 1
        assert len(page["records"]) + len(page["deleted"]) <= 4  # type: ignore[arg-type]
        for record in page["records"]:  # type: ignore[attr-defined]
            seen[record["name"]] = seen.get(record["name"], 0) + 1
        gone |= {key["name"] for key in page["deleted"]}  # type: ignore[attr-defined]
        if pages == 2:
            await estate.usage("DELETE", "/live/s0")
            await estate.usage("DELETE", "/live/s20")
            await estate.import_records(a_record("late"))
    assert set(seen) == {f"s{number}" for number in range(25) if number != 20} | {"late"}
    assert set(seen.values()) == {1}
    assert gone == {"s0", "s20"}


@pytest.mark.parametrize("cursor", ["nonsense", "0.0", "0123456789abcdef.0.0", "a.b.c", ".-1.0", "x" * 5000])
async def test_foreign_cursor_resets(estate: Estate, cursor: str) -> None:
    await estate.import_records(a_record())
    answer = await changes(estate, cursor)
    assert answer["reset"] is True
    assert len(answer["records"]) == 1  # type: ignore[arg-type]


async def test_cursor_with_an_impossible_number_resets(estate: Estate) -> None:
    await estate.import_records(a_record())
    life = str((await changes(estate))["cursor"]).partition(".")[0]
    for numbers in (f"{2**63:x}.0", f"0.{2**63:x}", f"0.{'f' * 5_000}"):
        answer = await changes(estate, f"{life}.{numbers}")
        assert (answer["reset"], len(answer["records"])) == (True, 1)  # type: ignore[arg-type]


def test_console_that_began_after_forgotten_deletes_continues_page_by_page(tmp_path: Path) -> None:
    store = open_store(sqlite_url(tmp_path / "usage.db"), NOW)
    with store.writing() as connection, connection.begin():
        allocate_changes(connection, 10)
        raise_counter(connection, TOMBSTONES_FORGOTTEN, 5)
        life = newest_life(connection)
        began_since, began_before, read_since = (
            ChangeCursor(life, 2, 7),
            ChangeCursor(life, 2, 0),
            ChangeCursor(life, 5, 0),
        )
        assert [is_valid_cursor(connection, cursor) for cursor in (began_since, began_before, read_since)] == [
            True,
            False,
            True,
        ]
    store.close()


async def test_restart_keeps_cursors_and_restored_copy_resets_unknown_ones(tmp_path: Path) -> None:
    kept, copy = tmp_path / "usage.db", tmp_path / "copy.db"
    async with an_estate(tmp_path) as estate:
        await estate.import_records(a_record())
        early = str((await changes(estate))["cursor"])
        with sqlite3.connect(kept) as source, sqlite3.connect(copy) as target:
            source.backup(target)
        await estate.import_records(a_record("lost"))
        late = str((await changes(estate))["cursor"])
    async with an_estate(tmp_path) as estate:
        assert (await changes(estate, late))["reset"] is False
    for suffix in ("-wal", "-shm"):
        (tmp_path / f"usage.db{suffix}").unlink(missing_ok=True)
    copy.replace(kept)
    async with an_estate(tmp_path) as estate:
        # The restored store grows past the change number of the late cursor.
        await estate.import_records(*(a_record(f"after{number}") for number in range(5)))
        assert (await changes(estate, early))["reset"] is False
        assert (await changes(estate, late))["reset"] is True


async def test_import_keeps_existing_records_and_restores_deleted_ones(estate: Estate) -> None:
    changed = a_record() | {"totalSubscribers": 99}
    assert (await estate.import_records(a_record(), a_record("other"), changed)).json() == {"imported": 2, "kept": 1}
    assert (await estate.import_records(changed)).json() == {"imported": 0, "kept": 1}
    assert a_record() in await estate.records()
    await estate.usage("DELETE")
    assert (await estate.import_records(changed)).json() == {"imported": 1, "kept": 0}
    assert await estate.records() == [changed]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"{", 400),
        (b'[{"name": "a", "scope": "live",', 400),
        (b'{"errorMessage": "no"}', 422),
        (b'[{"name": "a"}]', 422),
        (b"[1]", 422),
        (b"[" * 100_000, 400),
    ],
)
async def test_invalid_import_imports_nothing(estate: Estate, body: bytes, status: int) -> None:
    answer = await estate.request("POST", "/api/v1/import", content=body)
    assert answer.status_code == status
    assert "nothing was" in answer.json()["errorMessage"]


@pytest.mark.parametrize(
    "wrong",
    [{"name": ""}, {"scope": ""}, {"scope": "/live"}, {"scope": "a//b"}, {"startTime": "5"}, {"startTime": 1.5},
     {"startTime": 2**63}, {"totalSubscribers": None}, {"name": "x" * 4097}],
)  # fmt: skip
async def test_one_invalid_record_stops_the_whole_import(estate: Estate, wrong: dict[str, object]) -> None:
    assert (await estate.import_records(a_record("good"), a_record() | wrong)).status_code == 422
    assert await estate.records() == []


async def test_only_an_admin_imports(estate: Estate) -> None:
    for token, status in (("viewer-token", 403), ("edge-1-token", 403), ("wrong", 401), (None, 401)):
        assert (await estate.request("POST", "/api/v1/import", token, json=[a_record()])).status_code == status
    assert await estate.records() == []


@pytest.mark.parametrize(
    "path",
    [
        "changes?limit=0",
        "changes?limit=100001",
        "changes?limit=x",
        "coverage",
        "coverage?from=5",
        "coverage?from=5&to=4",
        "coverage?from=-5&to=4",
        "coverage?from=a&to=b",
        "daily",
        "daily?from=2026-11-18",
        "daily?from=2026-11-18&to=2026-11-17",
        "daily?from=2026-1-1&to=2026-01-02",
        "daily?from=2025-01-01&to=2026-12-31",
        "daily?from=0001-01-01&to=0001-01-01",
        "daily?from=9999-12-31&to=9999-12-31",
        "daily?from=2026-11-18&to=2026-11-18&tz=Mars/Olympus",
        "daily?from=2026-11-18&to=2026-11-18&tz=../../etc/passwd",
        "daily?from=20261118&to=20261118",
        "streams/live/stream1/history",
        "streams/live/stream1/history?from=0&to=60000&step=1000",
        "streams/live/stream1/history?from=0&to=60000&step=0",
        "streams/live/stream1/history?from=0&to=9007199254740992",
        "streams/live/history?from=0&to=60000",
        "streams//history?from=0&to=60000",
        "streams/a//b/history?from=0&to=60000",
    ],
)
async def test_invalid_query_is_400_in_the_documented_shape(estate: Estate, path: str) -> None:
    answer = await estate.request("GET", f"/api/v1/{path}", "viewer-token")
    assert answer.status_code == 400
    assert answer.json().keys() == {"errorMessage", "timestamp"}


async def test_stream_named_history_has_a_history(estate: Estate) -> None:
    answer = await estate.request("GET", "/api/v1/streams/live/a%2Fhistory/history?from=0&to=60000")
    assert (answer.status_code, len(answer.json()["points"])) == (200, 1)


async def test_health_and_openapi_need_no_token(estate: Estate) -> None:
    assert (await estate.http.get("/healthz")).json() == {"status": "ok", "now": NOW}
    described = (await estate.http.get("/openapi.json")).json()
    assert "/api/v1/changes" in described["paths"]
    assert "/streammanager/api/3.1/admin/event/usage" in described["paths"]


async def test_answers_are_sent_without_nagle_delay(estate: Estate) -> None:
    """Head and body are sent separately: with Nagle's algorithm each answer would take 40 ms."""
    await estate.http.get("/healthz")
    (connection,) = estate.running._server.server_state.connections
    used = connection.transport.get_extra_info("socket")
    assert used.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) != 0
