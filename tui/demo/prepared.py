"""The prepared month of the demo: the files that `history.py` leaves, in one archive of the package.

`python -m tui.demo.prepared` makes it anew, which takes some minutes; `--check` compares the present one with that.
Every figure in it was reported by an agent and written by a service; packing only compacts the files.
"""

import asyncio
import io
import logging
import lzma
import sys
import tarfile
import tempfile
from pathlib import Path

import apsw
import click

from streamusage.service.store.store import open_store
from tui.demo.estate import MEDIA_SERVERS, STORE
from tui.demo.regions import BEGINS_MS, REGIONS, Region

ARCHIVE = Path(__file__).with_name("prepared.tar.xz")

RANDOM_TABLES = ("lives", "chain")
"""Tables of a store that no script makes again: its random identity, and the hashes that begin with it."""


class DamagedArchiveError(Exception):
    """The archive of the package cannot be unpacked. The text names the file and the cause."""


def unpack(directory: Path) -> None:
    """Write the files of each region into a folder of its name. Raises `DamagedArchiveError`."""
    try:
        with tarfile.open(ARCHIVE, "r:xz") as archive:
            for region in REGIONS:
                (directory / region.name).mkdir(mode=0o700, parents=True)
                for name in file_names(region):
                    entry = archive.extractfile(f"{region.name}/{name}")
                    assert entry is not None
                    path = directory / region.name / name
                    path.touch(mode=0o600)
                    path.write_bytes(entry.read())
    except (OSError, EOFError, KeyError, lzma.LZMAError, tarfile.TarError) as error:
        raise DamagedArchiveError(
            f"{ARCHIVE} cannot be unpacked ({error}); nothing was started; install streamtop again"
        ) from None


def migrate_stores(directory: Path) -> None:
    """Bring the stores of all regions to the newest schema, as a service does at its start."""
    for region in REGIONS:
        open_store(f"sqlite:///{directory / region.name / STORE}", BEGINS_MS).close()


def pack(directory: Path) -> bytes:
    """Return the archive of the folders of all regions. It has no times and no names of this machine."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:xz", preset=9) as archive:
        for region in REGIONS:
            for name in file_names(region):
                path = _compacted(directory / region.name / name)
                entry = tarfile.TarInfo(f"{region.name}/{name}")
                entry.size, entry.mode = path.stat().st_size, 0o600
                with path.open("rb") as file:
                    archive.addfile(entry, file)
    return buffer.getvalue()


def file_names(region: Region) -> list[str]:
    """Return the names of a region's files."""
    return [STORE, *(f"{member.server}.journal.db" for member in region.members), MEDIA_SERVERS]


def _compacted(path: Path) -> Path:
    """Return a copy of a SQLite file without free pages and checksums, and with all of its write-ahead log."""
    if path.name == MEDIA_SERVERS:
        return path
    compact = path.with_suffix(".compact")
    flags = apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_URI
    connection = apsw.Connection(path.absolute().as_uri(), flags=flags)
    try:
        connection.execute("VACUUM INTO ?", (f"{compact.absolute().as_uri()}?reserve=0",))
    finally:
        connection.close()
    return compact


def content(directory: Path) -> dict[str, set[tuple[object, ...]]]:
    """Return the rows of all tables of unpacked files, by region, file and table, without `RANDOM_TABLES`."""
    rows: dict[str, set[tuple[object, ...]]] = {}
    for region in REGIONS:
        for name in file_names(region):
            path = directory / region.name / name
            if name == MEDIA_SERVERS:
                rows[f"{region.name}/{name}"] = {(path.read_bytes(),)}
                continue
            connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
            try:
                tables = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")
                for (table,) in [named for named in tables if named[0] not in RANDOM_TABLES]:
                    rows[f"{region.name}/{name}/{table}"] = set(connection.execute(f'SELECT * FROM "{table}"'))
            finally:
                connection.close()
    return rows


async def make_all(directory: Path) -> None:
    """Make the histories of all regions in a directory."""
    from tui.demo.history import make_history

    for region in REGIONS:
        folder = directory / region.name
        folder.mkdir()

        def show(done: float, region: Region = region) -> None:
            if sys.stderr.isatty():
                sys.stderr.write(f"\r{region.name}  {100 * done:3.0f} %  ")

        await make_history(folder, region, show)


@click.command()
@click.option("--migrate", is_flag=True, help="Only bring the present stores to the newest schema: seconds.")
@click.option("--check", is_flag=True, help="Change nothing; exit with 1 where the rows differ from the present ones.")
def main(check: bool, migrate: bool) -> None:
    """Make the prepared month of the demo anew: some minutes."""
    logging.basicConfig(level=logging.CRITICAL)
    if migrate:
        with tempfile.TemporaryDirectory(prefix="streamtop-demo-") as present:
            unpack(Path(present))
            migrate_stores(Path(present))
            ARCHIVE.write_bytes(pack(Path(present)))
        return
    with tempfile.TemporaryDirectory(prefix="streamtop-demo-") as made:
        asyncio.run(make_all(Path(made)))
        packed = pack(Path(made))
        if not check:
            ARCHIVE.write_bytes(packed)
            click.echo(f"{len(packed):,} bytes in {ARCHIVE}")
            return
        with tempfile.TemporaryDirectory(prefix="streamtop-demo-") as present:
            unpack(Path(present))
            before, after = content(Path(present)), content(Path(made))
    differing = sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name))
    for name in differing:
        click.echo(f"{name}: {len(before.get(name, set()) ^ after.get(name, set()))} rows differ")
    sys.exit(1 if differing else 0)


if __name__ == "__main__":
    main()
