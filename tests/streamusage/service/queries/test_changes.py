"""Changes since a cursor: pages, deletions, and cursors that reset."""

from pathlib import Path

import pytest

from streamusage.service.store.backup import back_up
from streamusage.service.store.engines.sqlite import sqlite_url
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
    assert first["records"] == [a_record() | {"live": False, "provenance": "partial", "imported": True}]
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


async def test_restart_keeps_cursors_and_restored_copy_resets_unknown_ones(tmp_path: Path) -> None:
    kept, copy = tmp_path / "usage.db", tmp_path / "copy.db"
    async with an_estate(tmp_path) as estate:
        await estate.import_records(a_record())
        early = str((await changes(estate))["cursor"])
        back_up(sqlite_url(kept), copy, lambda *_: None)
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
