"""The incident bundle: complete evidence without secrets."""

import csv
import io
import json
import tarfile
from pathlib import Path

import pytest

from streamusage.client.usage_client import UsageClient
from streamusage.core.clock import SystemClock
from streamusage.core.coverage import Provenance
from tests.support.canned_answers import CannedServer, ReceivedRequest, reply
from tests.support.console.pilot import wait_for, wait_for_figures
from tests.support.console.records import recent, session
from tests.support.plain_manager import wire
from tui.app.console_app import ConsoleApp
from tui.config.settings import ConnectionSettings
from tui.output import exports

TOKEN = 's3/cr+et"to<k>en\\&x'
START = recent(90)
SECRETS = ("s3/cr", "s3%2Fcr", "hunter2", "abc123SECRET", "qwertyBEARER")
NAMES = (
    "rtmp://cam:hunter2@10.0.0.7/app",
    "keynote?accessToken=abc123SECRET&x=1",
    "a Bearer qwertyBEARER",
    f"it is {TOKEN}",
)


def read_bundle(folder: Path) -> dict[str, str]:
    (path,) = folder.glob("*.tar.gz")
    with tarfile.open(path) as archive:
        return {
            member.name.removeprefix("streamtop-incident/"): archive.extractfile(member).read().decode()  # type: ignore[union-attr]
            for member in archive.getmembers()
        }


async def test_bundle_contains_no_secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    records = [wire(name, start=START + number) for number, name in enumerate((*NAMES, "plain"))]
    failing = False

    def answer(request: ReceivedRequest) -> bytes:
        if request.path.startswith("/api/"):
            return reply(404, "<html>", "text/html")
        if failing:
            message = f"no: {TOKEN}, see https://me:hunter2@sm/?token=abc123SECRET"
            return reply(500, json.dumps({"errorMessage": message, "timestamp": 1}))
        return reply(200, "[]" if request.path.endswith("/stats") else json.dumps(records))

    async with CannedServer(answer) as server, UsageClient(server.url, TOKEN) as client:
        app = ConsoleApp(
            client,
            ConnectionSettings(profile="prod", poll_interval_s=0.2),
            clock=SystemClock(),
            journal_path=tmp_path / "j",
        )
        async with app.run_test(size=(200, 50)) as pilot:
            await wait_for_figures(pilot)
            await wait_for(pilot, lambda: len(app.state.store) == len(records), "the records")
            records[-1]["totalSubscribers"] = 9
            await wait_for(pilot, lambda: any(session.total == 9 for session in app.state.store), "some history")
            app.sessions_screen._filter('"token=abc123SECRET"')
            failing = True
            await wait_for(pilot, lambda: app.state.failures, "a failed poll")
            await pilot.press("B")
            await wait_for(pilot, lambda: list(tmp_path.glob("*.tar.gz")), "the bundle")
    files = read_bundle(tmp_path)
    assert set(files) == {
        *("summary.txt", "records.json", "servers.json", "screen.svg", "history.json", "gaps.json", "days.json"),
        "replay.tape",
    }
    for name, text in files.items():
        for secret in SECRETS:
            assert secret not in text, f"{secret} in {name}"
    assert "•••" in files["summary.txt"]
    records_json = json.loads(files["records.json"])
    assert len(records_json) == len(records), "valid JSON with every record"
    assert records_json[0]["name"] == "rtmp://•••@10.0.0.7/app"
    assert records_json[1]["name"] == "keynote?accessToken=•••&x=1"
    assert any(record["totalSubscribers"] == 9 for record in records_json)
    assert json.loads(files["history.json"])
    assert "why_not" in json.loads(files["gaps.json"])
    for line in files["replay.tape"].splitlines():
        json.loads(line)


def test_exported_sessions_have_state_provenance_and_iso_times() -> None:
    known = session("known", 1_795_262_400_007, provenance=Provenance.MISSING)
    plain = session("plain", 1_795_262_400_007, provenance=None, live=False)
    rows = list(csv.DictReader(io.StringIO("".join(exports.table_csv([known, plain])))))
    assert [(row["live"], row["provenance"], row["lowerBound"]) for row in rows] == [
        ("true", "missing", "true"),
        ("false", "", ""),
    ]
    assert rows[0]["startTime_iso"] == "2026-11-21T12:00:00.007Z"
    documents = json.loads("".join(exports.table_json([known, plain])))
    assert [[row[name] for name in ("live", "provenance", "lowerBound")] for row in documents] == [
        [True, "missing", True],
        [False, None, None],
    ]


def test_bundle_paths_stay_in_its_folder(tmp_path: Path) -> None:
    from tui.output.exports import bundle

    packed = bundle({"a.txt": "x"}, 1_000, lambda text: text)
    with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        assert archive.getnames() == ["streamtop-incident/a.txt"]


def test_file_that_is_not_complete_is_removed(tmp_path: Path) -> None:
    file = tmp_path / "table.csv"
    steps = exports.write_in_steps(file, ["name\n", "cam\n"])
    next(steps)
    assert file.exists()
    steps.close()
    assert not file.exists()


def test_existing_file_is_kept(tmp_path: Path) -> None:
    file = tmp_path / "table.csv"
    file.write_text("mine")
    with pytest.raises(exports.ExportError, match="exists already"):
        exports.write(file, "other")
    assert file.read_text() == "mine"


def test_home_of_an_unknown_user_is_an_error() -> None:
    with pytest.raises(exports.ExportError, match="no such user"):
        exports.write(Path("~no-such-user/table.csv"), "")
