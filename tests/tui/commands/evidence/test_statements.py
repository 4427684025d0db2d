"""`streamtop key`, `daily export`, `daily verify` and the corrections, as operators and their customers use them."""

import csv
import io
import json
import os
from collections.abc import AsyncIterator
from hashlib import sha256
from pathlib import Path

import pytest

from streamusage.evidence.key_files import read_statement_key
from streamusage.evidence.keys import new_key
from streamusage.service.store.engines.sqlite import sqlite_url
from tests.streamusage.service.conftest import Estate
from tests.support.commands.run_command import run_command
from tests.support.program import Program
from tests.support.service.used_store import DAY, use, used_estate

KEY = new_key()
EXPORT = ("daily", "export", "--from", DAY, "--to", DAY, "--tz", "UTC")


@pytest.fixture
async def closed(tmp_path: Path) -> AsyncIterator[Estate]:
    """An estate with a closed day and a late arrival in it, whose service signs."""
    async with used_estate(sqlite_url(tmp_path / "usage.db"), statement_key=KEY) as estate:
        await use(estate)
        yield estate


@pytest.fixture
def trusted(tmp_path: Path) -> str:
    """The file of the public key."""
    path = tmp_path / "statement.pub"
    path.write_text(KEY.public.to_pem())
    return str(path)


async def test_statement_is_exported_and_proven_with_key_and_service(
    closed: Estate, trusted: str, tmp_path: Path, streamtop: Program
) -> None:
    path = tmp_path / "day.json"
    ended = await run_command(closed, streamtop, *EXPORT, "-o", str(path))
    assert (ended.code, ended.out) == (0, "")
    assert f"signed by {KEY.public.name}" in ended.err
    verified = await run_command(closed, streamtop, "daily", "verify", str(path), "--key", trusted, "--online")
    assert verified.code == 0, verified.out
    assert [line.split()[0] for line in verified.out.splitlines()] == ["holds"] * 5
    unknown = await streamtop("daily", "verify", str(path))
    assert unknown.code == 4
    assert "consistent, signed by an unknown key" in unknown.out
    again = tmp_path / "again.json"
    await run_command(closed, streamtop, *EXPORT, "-o", str(again))
    assert again.read_bytes() == path.read_bytes()
    assert again.with_name("again.json.sig").read_bytes() == path.with_name("day.json.sig").read_bytes()
    path.with_name("day.json.sig").unlink()
    alone = await streamtop("daily", "verify", str(path), "--key", trusted)
    assert (alone.code, "there is no signature" in alone.out) == (4, True)


async def test_human_forms_have_the_same_figures_and_the_digest(
    closed: Estate, tmp_path: Path, streamtop: Program
) -> None:
    for name in ("day.json", "day.csv", "day.html", "day.txt", "day.parquet"):
        assert (await run_command(closed, streamtop, *EXPORT, "-o", str(tmp_path / name))).code == 0
    statement = json.loads((tmp_path / "day.json").read_bytes())
    digest = sha256((tmp_path / "day.json").read_bytes()).hexdigest()
    rows = list(csv.DictReader(io.StringIO((tmp_path / "day.csv").read_text())))
    assert {row["statement_sha256"] for row in rows} == {digest}
    assert sum(int(row["bytes_out"]) for row in rows) == statement["totals"]["due"]["bytes_out"]
    assert [row["kind"] for row in rows] == ["closed", "closed"]
    for name in ("day.html", "day.txt"):
        text = (tmp_path / name).read_text()
        assert digest in text
        assert "100 % of the servers" in text or "of the servers&#x27; time" in text
    import pyarrow.parquet as parquet

    table = parquet.read_table(tmp_path / "day.parquet").to_pylist()
    assert [(row["server"], row["bytes_out"], row["statement_sha256"]) for row in table] == [
        (row["server"], int(row["bytes_out"]), digest) for row in rows
    ]


async def test_late_arrival_is_listed_approved_and_taken_back(closed: Estate, streamtop: Program) -> None:
    window = ("--from", DAY, "--to", DAY, "--tz", "UTC")
    listed = await run_command(closed, streamtop, "daily", "corrections", *window)
    assert "1 correction, 1 to approve" in listed.err
    assert "arrived after the day was closed" in listed.out
    approved = await run_command(closed, streamtop, "daily", "approve", "1")
    assert (approved.code, "is approved: connections +1, out +999 B" in approved.err) == (0, True), approved.err
    twice = await run_command(closed, streamtop, "daily", "approve", "1")
    assert (twice.code, "correction 1 is approved; nothing was changed" in twice.err) == (4, True), twice.err
    back = await run_command(closed, streamtop, "daily", "reverse", "1", "--reason", "wrong")
    assert (back.code, "waits for the approval of another admin's token" in back.err) == (0, True)
    assert (await run_command(closed, streamtop, "daily", "approve", "2", token="second-admin-token")).code == 0
    found = await run_command(closed, streamtop, "daily", "corrections", *window, "--format", "json")
    assert [row["reversed_by"] for row in json.loads(found.out)] == [2, None]


async def test_key_is_made_shown_and_rotated_and_never_printed(tmp_path: Path, streamtop: Program) -> None:
    path = tmp_path / "statement.key"
    made = await streamtop("key", "new", str(path))
    assert made.code == 0
    assert path.stat().st_mode & 0o777 == 0o600
    first = read_statement_key(path)
    assert first.public.name in made.err
    secret = first.private.private_bytes_raw()
    assert (await streamtop("key", "new", str(path))).code == 1, "a key is never overwritten"
    shown = await streamtop("key", "show", str(path))
    assert (shown.code, shown.out) == (0, first.public.to_pem())
    rotated = await streamtop("key", "rotate", str(path))
    second = read_statement_key(path)
    assert second.rotations[0].earlier == first.public.name
    [kept] = [tmp_path / name for name in os.listdir(tmp_path) if name.startswith("statement.key.until-")]
    assert read_statement_key(kept).public == first.public
    for text in (made.out, made.err, shown.out, shown.err, rotated.out, rotated.err):
        assert secret.hex() not in text
        assert path.read_text().splitlines()[1] not in text


async def test_key_that_others_can_read_does_not_sign(tmp_path: Path, streamtop: Program) -> None:
    path = tmp_path / "statement.key"
    await streamtop("key", "new", str(path))
    os.chmod(path, 0o640)
    ended = await streamtop("serve", "--listen", "127.0.0.1:0", "--statement-key", str(path))
    assert (ended.code, "may be used by others on this machine" in ended.err) == (2, True)
    path.chmod(0o600)
    path.write_text("-----BEGIN NOTHING-----\n")
    ended = await streamtop("serve", "--listen", "127.0.0.1:0", "--statement-key", str(path))
    assert (ended.code, "has no private key" in ended.err) == (2, True)


async def test_statement_of_another_service_is_named(
    closed: Estate, trusted: str, tmp_path: Path, streamtop: Program
) -> None:
    path = tmp_path / "day.json"
    await run_command(closed, streamtop, *EXPORT, "-o", str(path))
    async with used_estate(sqlite_url(tmp_path / "other.db")) as other:
        await use(other)
        ended = await run_command(other, streamtop, "daily", "verify", str(path), "--key", trusted, "--online")
    assert ended.code == 4
    assert "is another service" in ended.out
