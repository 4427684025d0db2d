"""The prepared month: the script makes the same figures again, and the service's own checks hold for it."""

import json
from datetime import date
from pathlib import Path

import apsw
import pytest
from msgspec import structs

from streamusage.api.daily import DailyStatistics
from streamusage.api.evidence import Correction
from streamusage.client.usage_client import UsageClient
from streamusage.service.accounting.checks.verification import verify_store
from streamusage.service.store.migrations.running import migration_order, read_schema_version
from streamusage.service.store.store import open_unchanged
from tests.support.waiting import PATIENT
from tui.demo import prepared
from tui.demo.estate import STORE
from tui.demo.headless import demo_clock, prepared_estates
from tui.demo.history import make_history
from tui.demo.prepared import ARCHIVE, DamagedArchiveError, unpack
from tui.demo.regions import BEGINS_MS, DAY_MS, HOUR_MS, MONTH_FROM_MS, REGIONS, US, Region

FIRST, LAST = date(2026, 11, 1), date(2026, 11, 29)
MOST_BYTES = 2_000_000


def closings(directory: Path, days: int) -> list[tuple[object, ...]]:
    """Return what was closed of the first days: when, by which rule, the figures, and those of customers."""
    connection = apsw.Connection(str(directory / STORE), flags=apsw.SQLITE_OPEN_READONLY)
    try:
        rows = connection.execute(
            "SELECT day, server, closed_at, rule, watermark, figures, customers FROM closed_days WHERE day < ? "
            "ORDER BY day, server",
            (date(2026, 11, 1 + days).isoformat(),),
        )
        return [(*row[:5], json.loads(row[5]), json.loads(row[6])) for row in rows]
    finally:
        connection.close()


async def test_script_makes_the_prepared_days_again(tmp_path: Path) -> None:
    made, present = tmp_path / "made", tmp_path / "present"
    made.mkdir()
    await make_history(made, US, lambda done: None, until_ms=MONTH_FROM_MS + DAY_MS + 2 * HOUR_MS)
    unpack(present)
    days = closings(made, 1)
    assert [row[:2] for row in days] == [("2026-11-01", "edge-6"), ("2026-11-01", "origin")]
    assert days == closings(present / US.name, 1), "make the archive anew: python -m tui.demo.prepared"


@pytest.mark.parametrize("region", REGIONS, ids=lambda region: region.name)
def test_prepared_store_passes_the_checks_of_the_service(region: Region, tmp_path: Path) -> None:
    unpack(tmp_path)
    store = open_unchanged(f"sqlite:///{tmp_path / region.name / STORE}")
    try:
        with store.reading() as connection:
            # A store of an earlier version is migrated at each start: releasing makes the archive anew.
            assert read_schema_version(connection) in migration_order()
        results = list(verify_store(store, BEGINS_MS, lambda name, done, total: None))
    finally:
        store.close()
    assert [(result.name, result.differences) for result in results if result.differences] == []
    assert len(results) > 5


async def test_month_has_days_of_every_kind(tmp_path: Path) -> None:
    days: list[DailyStatistics] = []
    corrections: list[Correction] = []
    async with prepared_estates(tmp_path, demo_clock(), seed=1) as estates:
        for estate in estates:
            token = estate.token_file.read_text("utf-8").strip()
            async with UsageClient(estate.url, token, options=PATIENT) as client:
                daily = await client.daily(FIRST, LAST, "UTC")
                corrections += (await client.evidence.corrections(FIRST, LAST, "UTC")).corrections
                signed = await client.evidence.statement(FIRST, date(2026, 11, 8), "UTC")
                assert signed.signature
                assert daily.clock == "trusted"
                assert [day for day in daily.days if day.day == "2026-11-28" and day.state != "provisional"] == []
                days += daily.days
    assert {day.state for day in days} == {"final", "adjusted", "provisional"}
    covered = {name for day in days for name, length in structs.asdict(day.coverage).items() if length}
    assert covered >= {"live_ms", "backfilled_ms", "partial_ms", "lost_ms", "missing_ms"}
    over = [day for day in days if day.day <= "2026-11-28" and day.state != "adjusted"]
    assert [(day.server, day.day) for day in over if not day.bytes_out] == []
    assert sorted(correction.state for correction in corrections) == ["approved", "proposed"]


def test_damaged_archive_is_an_error_that_names_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    damaged = tmp_path / "prepared.tar.xz"
    damaged.write_bytes(ARCHIVE.read_bytes()[:5_000])
    monkeypatch.setattr(prepared, "ARCHIVE", damaged)
    with pytest.raises(DamagedArchiveError, match=r"prepared\.tar\.xz cannot be unpacked"):
        unpack(tmp_path / "nothing")


def test_archive_is_small_and_names_nothing_of_the_machine_that_made_it(tmp_path: Path) -> None:
    assert ARCHIVE.stat().st_size < MOST_BYTES
    unpack(tmp_path)
    assert {path.name for path in tmp_path.rglob("*") if path.is_file()} & {"admin-token", "tokens.toml"} == set()
    for path in tmp_path.rglob("*"):
        assert not path.is_file() or path.stat().st_mode & 0o077 == 0
