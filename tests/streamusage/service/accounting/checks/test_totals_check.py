"""Totals are compared with the rows they sum, as far as these are kept and were counted."""

import asyncio
import shutil
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import text

from streamusage.core.figures import SLOT_SUM_NAMES
from streamusage.service.accounting.checks.totals_check import check_totals
from streamusage.service.store.change_feed import (
    FIGURES_MOVED,
    SLOTS_KEPT_FROM,
    TOTALS_COUNT_FROM,
    UPGRADE_MS,
    read_counter,
    set_counter,
)
from streamusage.service.store.engines.sqlite import sqlite_url
from streamusage.service.store.store import open_store, open_unchanged
from tests.support.service.used_store import NOON, use, used_estate

DAY = 86_400_000
FIGURES = [*SLOT_SUM_NAMES, *(f"late_{name}" for name in SLOT_SUM_NAMES), "late_connections"]
"""Totals that are not kept by protocol."""
OF_SERVER = "server=edge-1 protocol="


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with figures of two servers, of one day and a part of the next."""
    path = tmp_path_factory.mktemp("filled") / "usage.db"
    asyncio.run(fill(sqlite_url(path)))
    return path


@pytest.fixture
def used(filled: Path, tmp_path: Path) -> str:
    """The URL of a copy of it."""
    return sqlite_url(Path(shutil.copy(filled, tmp_path / "usage.db")))


async def fill(store_url: str) -> str:
    async with used_estate(store_url) as estate:
        await use(estate)
    return store_url


def find_wrong(store_url: str) -> dict[tuple[str, str], str]:
    """Return how wrong totals differ from their rows, by row and figure: lower, higher, or other where the rows are no
    bound.
    """
    with closing(open_unchanged(store_url)) as store:
        _, wrong = check_totals(store, lambda _done, _total: None)
    assert {item.table for item in wrong} <= {"totals"}
    how = {"at least": "lower", "at most": "higher"}
    return {
        (item.key, item.what.partition(" ")[0]): next(
            (word for text, word in how.items() if text in item.what), "other"
        )
        for item in wrong
    }


def _direction(what: str) -> str:
    return "lower" if " at least " in what else "higher" if " at most " in what else "other"


def describe_checked(store_url: str) -> str:
    with closing(open_unchanged(store_url)) as store:
        return check_totals(store, lambda _done, _total: None)[0]


def write(store_url: str, *work: str | tuple[str, int]) -> None:
    """Execute statements, and set counters of the store to values."""
    with closing(open_store(store_url, NOON)) as store, store.writing() as connection, connection.begin():
        for item in work:
            if isinstance(item, tuple):
                set_counter(connection, *item)
            else:
                connection.execute(text(item))


def add_to_all(more: int, figures: list[str] = FIGURES, protocol: str = "") -> str:
    changes = ", ".join(f"{figure} = {figure} + {more}" for figure in figures)
    return f"UPDATE totals SET {changes} WHERE server = 'edge-1' AND protocol = '{protocol}'"


async def test_each_figure_that_is_changed_is_named(store_url: str) -> None:
    await fill(store_url)
    assert find_wrong(store_url) == {}
    assert describe_checked(store_url) == "totals of 2 servers, summed again from their minutes, hours and UTC days"
    for more in (1, -2):
        write(store_url, add_to_all(more))
        assert find_wrong(store_url) == {(OF_SERVER, figure): "other" for figure in FIGURES}
    write(store_url, add_to_all(1), add_to_all(1, ["connections"], "hls"))
    write(store_url, "INSERT INTO totals (server, protocol, bytes_in) VALUES ('gone', '', 9)")
    assert find_wrong(store_url) == {
        (f"{OF_SERVER}hls", "connections"): "other",
        ("server=gone protocol=", "bytes_in"): "other",
    }


def test_totals_of_an_upgraded_store_count_what_arrives_afterwards(used: str) -> None:
    write(used, f"DELETE FROM counters WHERE name = '{TOTALS_COUNT_FROM}'", add_to_all(-10))
    with closing(open_store(used, NOON + DAY)) as store, store.reading() as connection:
        assert read_counter(connection, TOTALS_COUNT_FROM) == NOON + DAY + UPGRADE_MS
    assert find_wrong(used) == {}
    assert "of 2 some of these are not kept or were not counted, the others are a bound" in describe_checked(used)
    write(used, add_to_all(11))
    assert find_wrong(used) == {(OF_SERVER, figure): "higher" for figure in FIGURES}
    write(used, "UPDATE totals SET bytes_out = 0, connections = 0", (TOTALS_COUNT_FROM, NOON))
    lower = {key for key, how in find_wrong(used).items() if how == "lower"}  # than the figures of the next UTC day
    assert {(OF_SERVER, "bytes_out"), (f"{OF_SERVER}hls", "connections")} <= lower


def test_what_retention_discarded_stays_in_the_totals(used: str) -> None:
    write(used, (SLOTS_KEPT_FROM, NOON + 5 * 3_600_000), add_to_all(1))
    assert find_wrong(used) == {}
    write(used, "UPDATE totals SET bytes_out = 999 WHERE protocol = ''")
    assert find_wrong(used) == {
        (OF_SERVER, "bytes_out"): "lower",
        ("server=origin-1 protocol=", "bytes_out"): "lower",
    }


def test_late_totals_may_be_lower_after_a_repair_which_makes_figures_late(used: str) -> None:
    late = [figure for figure in FIGURES if figure.startswith("late_")]
    write(used, (FIGURES_MOVED, 1), add_to_all(-1, late))
    assert find_wrong(used) == {}
    write(used, add_to_all(2, late), add_to_all(-1, ["bytes_in"]))
    assert find_wrong(used) == {(OF_SERVER, figure): "higher" for figure in late} | {(OF_SERVER, "bytes_in"): "other"}


def test_damaged_hour_is_left_to_the_check_of_hours(used: str) -> None:
    write(used, f"UPDATE servers SET minutes_kept_from = {NOON + DAY // 2}", "UPDATE hours SET whole = 'x'")
    assert find_wrong(used) == {}
