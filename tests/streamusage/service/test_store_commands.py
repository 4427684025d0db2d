"""`streamtop store` as a program: output, exit codes, and the commands that docs/operating.md shows."""

import re
import stat
from contextlib import closing
from pathlib import Path

import pytest

from streamusage.service.store.engines.sqlite import connect_to_file, sqlite_url
from streamusage.service.store.store_file import StoreFile
from tests.streamusage.service.conftest import a_record
from tests.support.postgresql import Cluster
from tests.support.program import REPOSITORY, Program
from tests.support.service.used_store import NOON, figures, use, used_estate

LATER = NOON + 19 * 3_600_000
DATA = ".local/share/streamtop/usage.db"


def documented_commands(heading: str) -> list[str]:
    """Return the commands of the shell blocks of a section of docs/operating.md."""
    page = (REPOSITORY / "docs/operating.md").read_text()
    section = page.partition(f"\n### {heading}\n")[2].partition("\n## ")[0].partition("\n### ")[0]
    blocks = re.findall(r"```sh\n(.*?)```", section, re.DOTALL)
    assert blocks, f"docs/operating.md has no commands under {heading!r}"
    return [line for block in blocks for line in block.splitlines() if line and not line.startswith("#")]


async def test_documented_commands_back_up_check_and_restore_a_sqlite_store(streamtop: Program, tmp_path: Path) -> None:
    path = streamtop.home / DATA
    path.parent.mkdir(parents=True)
    commands = [
        command.replace("/backup/", f"{tmp_path}/").replace("$(date +%F)", "2026-11-28")
        for command in documented_commands("SQLite")
        if not command.startswith("systemctl")
    ]
    async with used_estate(sqlite_url(path)) as estate:
        await use(estate)
        before = await figures(estate)
        for command in commands[:2]:
            ended = await streamtop(*command.split()[1:])
            assert ended.code == 0, ended.err
        await estate.import_records(a_record("after the backup"))
    for command in commands[2:]:
        ended = await streamtop(*command.split()[1:])
        assert ended.code == 0, ended.err
    async with used_estate(sqlite_url(path), LATER) as estate:
        assert await figures(estate) == before
    kept = list(path.parent.glob("usage.db.replaced-*"))
    assert [stat.S_IMODE(file.stat().st_mode) for file in kept] == [0o600]


@pytest.mark.postgresql
async def test_documented_commands_back_up_check_and_restore_a_postgresql_store(
    streamtop: Program, tmp_path: Path, postgresql: Cluster
) -> None:
    with postgresql.database() as url, postgresql.database() as fresh:
        commands = [
            command.replace("/backup/", f"{tmp_path}/").replace("$(date +%F)", "2026-11-28")
            .replace("postgresql://streamtop@db.example.net/usage_restored", fresh)
            .replace("postgresql://streamtop@db.example.net/usage", url)
            for command in documented_commands("PostgreSQL")
            if not command.startswith(("systemctl", "createdb"))
        ]  # fmt: skip
        async with used_estate(url) as estate:
            await use(estate)
            before = await figures(estate)
            for command in commands:
                ended = await streamtop(*command.split()[1:])
                assert ended.code == 0, ended.err
        async with used_estate(fresh, LATER) as estate:
            assert await figures(estate) == before


async def test_verify_names_differences_and_keeps_a_service_from_starting(streamtop: Program, tmp_path: Path) -> None:
    path = tmp_path / "usage.db"
    url = sqlite_url(path)
    async with used_estate(url) as estate:
        await use(estate)
    ended = await streamtop("store", "verify", "--store", url)
    assert (ended.code, ended.err) == (0, "")
    assert ended.out.endswith("no differences\n")
    newest = "(SELECT whole FROM hours ORDER BY hour DESC)"
    change = f"UPDATE hours SET whole = {newest} WHERE hour = (SELECT min(hour) FROM hours)"
    with closing(connect_to_file(path)) as connection:
        connection.execute(change)
    ended = await streamtop("store", "verify", "--store", url, "--no-mark")
    assert ended.code == 1
    assert "hours server=edge-1 hour=2026-11-20T12:00Z: differs from its slots" in ended.out
    assert not StoreFile(path).read_mark()
    ended = await streamtop("store", "verify", "--store", url)
    assert "restore a backup" in ended.err
    assert "hours server=edge-1" in StoreFile(path).read_mark()
    started = await streamtop("serve", "--listen", "127.0.0.1:0", "--store", url)
    assert started.code == 3
    assert "was found damaged" in started.err
    with closing(connect_to_file(path)) as connection:
        connection.execute("DELETE FROM hours")
        connection.execute("DELETE FROM utc_days")
        connection.execute("UPDATE servers SET summed_to = 0, days_summed_to = 0")
        connection.execute("DELETE FROM adjustments")
        connection.execute("DELETE FROM closed_days")
        connection.execute("DELETE FROM ledger_checksums")
        connection.execute("DELETE FROM chain")
    ended = await streamtop("store", "verify", "--store", url)
    assert (ended.code, ended.err) == (0, "")
    assert not StoreFile(path).read_mark()


async def test_errors_say_what_to_do(streamtop: Program, tmp_path: Path) -> None:
    url = sqlite_url(tmp_path / "usage.db")
    for arguments, text in (
        (("verify", "--store", url), "there is no store at"),
        (("backup", "b.db", "--store", url), "there is no store at"),
        (("restore", "b.db", "--store", url), "there is no backup at b.db; nothing was changed"),
        (("verify", "--store", "nonsense"), "the store must be a URL such as"),
    ):
        ended = await streamtop("store", *arguments)
        assert (ended.code, text in ended.err) == (3, True), ended
    assert not (tmp_path / "usage.db").exists()
