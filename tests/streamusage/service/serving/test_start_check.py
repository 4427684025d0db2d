"""`streamtop serve --check`: its lines and exit code, and that it changes nothing on disk."""

import os
import socket
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from click.testing import CliRunner, Result

from streamusage.service.cli import serve
from streamusage.service.store.engines.sqlite import connect_to_file, sqlite_url
from streamusage.service.store.migrations.running import newest_schema_version
from streamusage.service.store.store import open_store
from tests.support.certificates import sign
from tests.support.service.migrating.earlier_schema import writing_at
from tests.support.service.serve_command import serving

NOBODY = 65534
TOKENS = """
[[token]]
role = "admin"
value = "s3cret"
[[token]]
role = "agent"
server = "edge-1"
value = "s3cret-2"
"""


def check(store_url: str, *options: object, listen: str = "127.0.0.1:0") -> Result:
    arguments = ["--check", "--store", store_url, "--listen", listen, *map(str, options)]
    result = CliRunner().invoke(serve, arguments)
    assert "s3cret" not in result.output
    return result


def line_of(result: Result, subject: str, verdict: str = "") -> str:
    lines = [line for line in result.stdout.splitlines() if f" {subject}: " in line and verdict in line]
    assert len(lines) == 1, result.output
    return lines[0].strip()


@pytest.fixture
def tokens(tmp_path: Path) -> Path:
    path = tmp_path / "tokens.toml"
    path.write_text(TOKENS)
    path.chmod(0o600)
    return path


@contextmanager
def unchanged(folder: Path) -> Iterator[None]:
    """Fail if a file of the folder differs afterwards, in name, content or time of change."""

    def look() -> dict[Path, tuple[int, bytes]]:
        return {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in folder.rglob("*") if path.is_file()}

    before = look()
    yield
    assert look() == before


def test_new_store_and_every_file(tmp_path: Path, tokens: Path) -> None:
    signed = sign(tmp_path)
    customers = tmp_path / "customers.toml"
    customers.write_text('[[customer]]\nname = "Acme"\nscopes = ["acme"]\n')
    key = tmp_path / "statements.key"
    subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519", "-out", key], check=True, capture_output=True)
    key.chmod(0o600)
    files = ("--tls-cert", signed.certificate, "--tls-key", signed.key, "--customers", customers)
    with unchanged(tmp_path):
        result = check(
            sqlite_url(tmp_path / "new" / "usage.db"),
            *("--tokens", tokens, "--statement-key", key, "--account-zone", "Europe/Berlin", *files),
        )
    assert result.exit_code == 0, result.output
    assert "days are closed in Europe/Berlin" in line_of(result, "configuration")
    assert line_of(result, "tokens").endswith("has 1 admin, 1 agent")
    assert line_of(result, "store").endswith(f"does not exist yet; the start creates it and {tmp_path / 'new'}")
    assert "free port" in line_of(result, "address")
    assert line_of(result, "TLS").startswith("WARNING")  # of a test: it is valid for two days
    assert line_of(result, "customers").endswith("has 1 customers")
    assert "is ed25519:" in line_of(result, "statement key")
    assert not (tmp_path / "new").exists()
    assert result.stdout.endswith("the service can start; nothing was changed\n")


def test_every_failure_is_listed(tmp_path: Path) -> None:
    (tmp_path / "customers.toml").write_text("[[customer]]")
    (tmp_path / "usage.db").write_bytes(b"no database" * 1000)
    with socket.create_server(("127.0.0.1", 0)) as other, unchanged(tmp_path):
        result = check(
            sqlite_url(tmp_path / "usage.db"),
            *("--tokens", tmp_path / "none.toml", "--customers", tmp_path / "customers.toml"),
            *("--statement-key", tmp_path / "none.key"),
            *("--tls-cert", tmp_path / "none.pem", "--tls-key", tmp_path / "none.pem"),
            listen=f"127.0.0.1:{other.getsockname()[1]}",
        )
    assert result.exit_code == 2
    for subject in ("tokens", "store", "address", "TLS", "customers", "statement key"):
        assert line_of(result, subject, "FAILED")
    assert "6 failed; nothing was changed" in result.stderr


def test_store_of_a_running_service_and_after_its_crash(tmp_path: Path, tokens: Path) -> None:
    url = sqlite_url(tmp_path / "usage.db")
    with serving(tmp_path) as (process, address, _lines):
        port = int(address.rpartition(":")[2])
        files = set(tmp_path.iterdir())
        result = check(url, "--tokens", tokens, listen=f"127.0.0.1:{port}")
        assert set(tmp_path.iterdir()) == files
        assert result.exit_code == 0, result.output
        assert "in use by a usage service that runs now" in line_of(result, "address")
        assert line_of(result, "store", "ok").endswith("can be read and has 0 servers")
        process.kill()
        process.wait()
    assert (tmp_path / "usage.db-wal").exists()
    with unchanged(tmp_path):
        result = check(url, "--tokens", tokens, listen=f"127.0.0.1:{port}")
    assert result.exit_code == 0, result.output
    assert f"version {newest_schema_version()}" in line_of(result, "migrations")
    assert line_of(result, "address").endswith("is free")
    (tmp_path / "usage.db-shm").unlink()
    with unchanged(tmp_path):
        result = check(url, "--tokens", tokens, listen=f"127.0.0.1:{port}")
    assert "usage.db-wal was left by a crash" in line_of(result, "store", "WARNING")


def test_store_that_the_start_would_migrate(store_url: str, tmp_path: Path, tokens: Path) -> None:
    with writing_at(store_url, "0021_closed_streams"):
        pass
    with unchanged(tmp_path):
        result = check(store_url, "--tokens", tokens)
    assert result.exit_code == 0, result.output
    found = line_of(result, "migrations")
    assert (
        f"the start changes the tables from version 0021_closed_streams to {newest_schema_version()}, in about a second"
        in found
    )
    assert found.endswith("they are 0022_customers, 0023_cross_checks_and_folds, 0024_metrics, 0025_alerts")
    with unchanged(tmp_path):
        assert line_of(check(store_url, "--tokens", tokens), "migrations") == found


def test_empty_database_gets_its_tables_at_the_start(store_url: str, tmp_path: Path, tokens: Path) -> None:
    if store_url.startswith("sqlite"):
        (tmp_path / "usage.db").touch(0o600)
    result = check(store_url, "--tokens", tokens)
    assert result.exit_code == 0, result.output
    assert line_of(result, "migrations").endswith("the start creates them")


def test_newer_and_damaged_stores_fail(tmp_path: Path, tokens: Path) -> None:
    path = tmp_path / "usage.db"
    open_store(sqlite_url(path), 1).close()
    with closing(connect_to_file(path)) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    result = check(sqlite_url(path), "--tokens", tokens)
    assert result.exit_code == 2
    assert "version 9999" in line_of(result, "store", "FAILED")
    path.with_name("usage.db.damaged").write_text("a page")
    assert "was found damaged (a page)" in line_of(check(sqlite_url(path), "--tokens", tokens), "store", "FAILED")


def test_database_that_is_not_reached_fails(tokens: Path) -> None:
    result = check("postgresql://nobody@127.0.0.1:1/usage", "--tokens", tokens)
    assert result.exit_code == 2
    assert "cannot read postgresql://nobody@127.0.0.1:1/usage" in line_of(result, "store", "FAILED")


@contextmanager
def as_another_user() -> Iterator[None]:
    """Run without the rights of root, if the tests have them: root can write everywhere."""
    if os.geteuid() != 0:
        yield
        return
    os.setresuid(NOBODY, NOBODY, 0)
    try:
        yield
    finally:
        os.setresuid(0, 0, 0)


def test_store_in_a_folder_of_another_user_fails() -> None:
    with TemporaryDirectory() as scratch:
        Path(scratch).chmod(0o755)
        folder = Path(scratch) / "theirs"
        folder.mkdir(mode=0o555)
        tokens = Path(scratch) / "tokens.toml"
        tokens.write_text(TOKENS)
        tokens.chmod(0o644)
        url = sqlite_url(folder / "usage.db")
        check(url, "--tokens", tokens)  # imports what another user may not read
        with as_another_user():
            result = check(url, "--tokens", tokens)
    assert f"cannot write to {folder}" in line_of(result, "store", "FAILED")


def test_without_a_tokens_file_no_token_is_created(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    result = check(sqlite_url(tmp_path / "usage.db"))
    assert result.exit_code == 0
    assert "the start creates an admin token in" in line_of(result, "tokens")
    assert list(tmp_path.iterdir()) == []
