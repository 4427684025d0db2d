"""Whether a service can start on a store, and what its start would do. Nothing in the store or beside it is changed."""

import os
from pathlib import Path

from sqlalchemy import Connection, Engine, text
from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError

from streamusage.service.errors import StoreError
from streamusage.service.serving.findings import StartFinding, failed, passed, warn
from streamusage.service.store.engines import display_url, resolve
from streamusage.service.store.engines.protocol import StoreEngine
from streamusage.service.store.migrations.estimates import describe_estimate, estimate_migrations
from streamusage.service.store.migrations.running import migration_order, missing_migrations, read_schema_version
from streamusage.service.store.store_file import StoreFile

STORE, MIGRATIONS = "store", "migrations"


def check_store(url: str) -> list[StartFinding]:
    """Return what was found about the store at a URL."""
    try:
        engine, checked_url = resolve(url)
    except StoreError as error:
        return [failed(STORE, str(error))]
    path = engine.file_of(checked_url)
    if path is not None and not path.exists():
        return [_check_new_file(path)]
    found = [] if path is None else _check_file(path)
    return found if any(finding.is_failure for finding in found) else [*found, *_check_content(engine, checked_url)]


def _check_new_file(path: Path) -> StartFinding:
    folder = next(parent for parent in path.parents if parent.exists())
    if not folder.is_dir():
        return failed(STORE, f"{path} cannot be created: {folder} is not a folder")
    if not os.access(folder, os.W_OK | os.X_OK):
        return failed(STORE, f"{path} cannot be created: this user cannot write to {folder}")
    created = "it" if path.parent.exists() else f"it and {path.parent}"
    return passed(STORE, f"{path} does not exist yet; the start creates {created}")


def _check_file(path: Path) -> list[StartFinding]:
    file = StoreFile(path)
    if mark := file.read_mark():
        return [_damaged(str(path), mark)]
    for place in (path, path.parent):
        if not os.access(place, os.R_OK | os.W_OK):
            return [failed(STORE, f"this user cannot read and write {place}")]
    readable = ", ".join(map(str, file.find_readable_by_others()))
    found = [warn(STORE, f"other users of this machine can read {readable}: chmod 600")] if readable else []
    log = path.with_name(path.name + "-wal")
    if log.exists() and log.stat().st_size and not path.with_name(path.name + "-shm").exists():
        found.append(warn(STORE, f"{log} was left by a crash or a copy; it is not read here, the start recovers it"))
    return found


def _damaged(name: str, mark: str) -> StartFinding:
    return failed(STORE, f"{name} was found damaged ({mark}); run streamtop store verify, or restore a backup")


def _check_content(engine: StoreEngine, url: URL) -> list[StartFinding]:
    reader: Engine | None = None
    try:
        inside = engine.mark_in(url)
        if inside is not None and (mark := inside.read_mark()):
            return [_damaged(display_url(url), mark)]
        reader = engine.unchanging_reader(url)
        with reader.begin() as connection:
            return _describe(connection, display_url(url), engine.loss_warnings(connection))
    except (DBAPIError, OSError) as error:
        cause = " ".join(str(error.orig if isinstance(error, DBAPIError) else error).split())
        damage = isinstance(error, DBAPIError) and engine.is_damage(error.orig)
        advice = "it is damaged, or no store; restore a backup" if damage else "is it a store that this user can read?"
        return [failed(STORE, f"cannot read {display_url(url)}: {cause}; {advice}")]
    finally:
        if reader is not None:
            reader.dispose()


def _describe(connection: Connection, name: str, loss_warnings: list[str]) -> list[StartFinding]:
    version, known = read_schema_version(connection), migration_order()
    warnings = [warn(STORE, warning) for warning in loss_warnings]
    if version is None:
        return [passed(STORE, f"{name} has no tables yet"), *warnings, passed(MIGRATIONS, "the start creates them")]
    if version not in known:
        return [
            failed(STORE, f"{name} has the tables of version {version}, but this program has {known[-1]}: a newer "
                   "streamtop wrote it; run that version")
        ]  # fmt: skip
    servers = connection.execute(text("SELECT count(*) FROM servers")).scalar_one()
    return [
        passed(STORE, f"{name} can be read and has {servers:,} servers"),
        *warnings,
        passed(MIGRATIONS, _describe_migrations(connection, version)),
    ]


def _describe_migrations(connection: Connection, version: str) -> str:
    missing = missing_migrations(version)
    if not missing:
        return f"none is due, the tables have version {version}"
    return (
        f"{len(missing)} are due: the start changes the tables from version {version} to {missing[-1]}, "
        f"{describe_estimate(estimate_migrations(connection, missing))}; the service does not answer meanwhile; back "
        "up first with the version in use (streamtop store backup), since it does not open them afterwards; they are "
        f"{', '.join(missing)}"
    )
