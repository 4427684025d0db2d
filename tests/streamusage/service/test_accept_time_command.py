"""`streamtop store accept-time`, with a real service in doubt on this machine's clocks."""

import time
from pathlib import Path

import httpx
import pytest

from streamusage.core.clock import SystemClock, boot_id
from streamusage.service.rules.trusted_time import TrustedTime
from streamusage.service.store.clock_rows import save_clock
from streamusage.service.store.engines.sqlite import sqlite_url
from streamusage.service.store.store import open_store
from tests.support.program import Program
from tests.support.service.serve_command import serving
from tests.support.waiting import LONGEST_WAIT_S, wait_until_blocking

DAY = 86_400_000


def store_time(home: Path, off_ms: int) -> str:
    """Make a store whose trusted time differs from the machine's clock. Return its URL."""
    clock = SystemClock()
    url = sqlite_url(home / "usage.db")
    store = open_store(url, clock.now_ms())
    state = TrustedTime(boot=boot_id(), instant_ms=clock.now_ms() + off_ms, elapsed_ms=clock.elapsed_ms())
    with store.writing() as connection, connection.begin():
        save_clock(connection, state)
    store.close()
    return url


def read_clock(url: str) -> str:
    return str(httpx.get(f"{url}/readyz", timeout=LONGEST_WAIT_S).json()["clock"])


async def test_accepted_time_ends_the_doubt_of_a_running_service(streamtop: Program, tmp_path: Path) -> None:
    store_url = store_time(tmp_path, -10 * DAY)
    with serving(tmp_path) as (_process, url, lines):
        wait_until_blocking(lambda: any("listens" in line for line in lines), "it runs", last_seen=lambda: lines)
        assert read_clock(url) == "doubtful"
        refused = await streamtop("store", "accept-time", "--store", store_url)
        assert (refused.code, refused.out) == (2, "")
        assert "give --yes; nothing was accepted" in refused.err
        declined = await streamtop.typed_into(b"n\n", "store", "accept-time", "--store", store_url)
        assert declined.code == 1
        assert read_clock(url) == "doubtful"
        accepted = await streamtop.typed_into(b"y\n", "store", "accept-time", "--store", store_url)
        assert accepted.code == 0, accepted.err
        assert accepted.out.startswith(f"accepted {time.strftime('%Y-%m-%d', time.gmtime())}")
        assert "in doubt since" in accepted.err
        wait_until_blocking(lambda: read_clock(url) == "trusted", "the doubt ended", last_seen=lambda: lines)
    assert sum("is in doubt" in line for line in lines) == 1
    assert sum("an operator accepted the wall clock" in line for line in lines) == 1
    again = await streamtop("store", "accept-time", "--yes", "--store", store_url)
    assert (again.code, again.out) == (0, "no process of this store doubts its clock; nothing was accepted\n")


async def test_time_is_accepted_before_the_start_of_a_service(streamtop: Program, tmp_path: Path) -> None:
    store_url = store_time(tmp_path, -10 * DAY)
    with serving(tmp_path) as (_process, url, lines):
        wait_until_blocking(lambda: any("listens" in line for line in lines), "it runs", last_seen=lambda: lines)
        assert read_clock(url) == "doubtful"
    assert (await streamtop("store", "accept-time", "--yes", "--store", store_url)).code == 0
    with serving(tmp_path) as (_process, url, lines):
        assert read_clock(url) == "trusted", lines


@pytest.mark.parametrize("name", ["none.db", "other.db"])
async def test_store_that_does_not_exist_is_not_created(streamtop: Program, tmp_path: Path, name: str) -> None:
    (tmp_path / "other.db").write_bytes(b"")
    ended = await streamtop("store", "accept-time", "--yes", "--store", sqlite_url(tmp_path / name))
    assert ended.code == 3
    assert "nothing was accepted" in ended.err
    assert not (tmp_path / "none.db").exists()
