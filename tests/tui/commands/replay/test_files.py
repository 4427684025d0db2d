"""`streamtop replay --html` and `--asciicast`: files that are complete or not written, and errors that state why."""

import base64
import json
import re
import stat
import zlib
from typing import Any

import pytest

from streamusage.api.extension import ServerStatus
from tests.support.console.records import session
from tests.support.console.tapes import write_bundle, write_tape
from tests.support.program import Program
from tui.recording.recording import RecordedPoll

AT_MS = 1_795_292_100_000
"""20:15:00 UTC, 21 November 2026."""
TOKEN = "tok-in-the-environment"


def polls() -> list[RecordedPoll]:
    edge = ServerStatus(server="edge-1", role="edge", state="live")
    return [
        RecordedPoll(
            at=AT_MS + 1000 * second,
            changed=[session("cam-1", AT_MS - 60_000, active=100 + second)],
            reset=second == 0,
            servers=[edge],
            why_failed="GET http://user:pass@h/x?token=abc failed" if second == 3 else "",
        )
        for second in range(5)
    ]


def part(page: str, name: str) -> str:
    found = re.search(rf'<script id="{name}" type="[a-z/]+">(.*?)</script>', page, re.DOTALL)
    assert found
    return found[1]


def views(page: str) -> dict[str, list[Any]]:
    return {
        view["name"]: view["frames"] for view in json.loads(zlib.decompress(base64.b64decode(part(page, "frames"))))
    }


async def test_both_files_have_the_same_time_and_no_secret(streamtop: Program) -> None:
    write_bundle(streamtop.home / "incident.tar.gz", polls())
    ended = await streamtop(
        *("replay", "incident.tar.gz", "--html", "page.html", "--asciicast", "page.cast"),
        *("--from", "20:15:01", "--to", "20:15:03", "--tz", "Europe/Berlin", "--size", "80x24"),
        *("--view", "servers", "--view", "sessions", "--keys", "? escape s"),
        STREAMTOP_TOKEN=TOKEN,
        NO_COLOR="1",
    )
    assert (ended.code, ended.out) == (2, ""), "20:15 is after the recording in Berlin"
    ended = await streamtop(
        *("replay", "incident.tar.gz", "--html", "page.html", "--asciicast", "page.cast"),
        *("--from", "21:15:01", "--to", "21:15:03", "--tz", "Europe/Berlin", "--size", "80x24"),
        *("--view", "servers", "--view", "sessions", "--keys", "? escape s"),
        STREAMTOP_TOKEN=TOKEN,
        NO_COLOR="1",
    )
    assert (ended.code, ended.out) == (0, ""), ended.err
    assert "wrote page.html: servers, sessions, ? escape s;" in ended.err
    assert "2026-11-21 21:15:01 to 2026-11-21 21:15:03" in ended.err
    page, cast = (streamtop.home / name for name in ("page.html", "page.cast"))
    assert [stat.S_IMODE(path.stat().st_mode) for path in (page, cast)] == [0o600, 0o600]
    recording = json.loads(part(page.read_text(), "recording"))
    assert (recording["from"], recording["to"]) == (AT_MS + 1000, AT_MS + 3000)
    assert (recording["columns"], recording["lines"], recording["zone"]) == (80, 24, "Europe/Berlin")
    assert [mark["kind"] for mark in recording["marks"]] == ["failed"]
    assert list(views(page.read_text())) == ["servers", "sessions", "? escape s"]
    header, *events = map(json.loads, cast.read_text().splitlines())
    assert (header["width"], header["height"], header["timestamp"]) == (80, 24, (AT_MS + 1000) // 1000)
    assert "edge-1" in events[0][2]
    for content in (page.read_text(), cast.read_text(), json.dumps(views(page.read_text()))):
        assert TOKEN not in content
        assert "user:pass" not in content
        assert "token=abc" not in content
        assert str(streamtop.home) not in content


async def test_file_that_exists_is_kept_unless_it_is_to_be_replaced(streamtop: Program) -> None:
    write_tape(streamtop.home / "a.tape", polls())
    page = streamtop.home / "page.html"
    page.write_text("mine")
    ended = await streamtop("replay", "a.tape", "--html", "page.html")
    assert ended.code == 1
    assert "page.html exists; nothing was written; give another file, or --replace" in ended.err
    assert page.read_text() == "mine"
    ended = await streamtop("replay", "a.tape", "--html", "page.html", "--replace")
    assert ended.code == 0, ended.err
    assert list(views(page.read_text())) == ["sessions"], "the recording has neither coverage nor days"


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("--to", "20:16"), 2, "--to is for the files of --html and --asciicast"),
        (("--keys", "g"), 2, "--keys is for the files of --html and --asciicast"),
        (("--html", "x", "--asciicast", "./x"), 2, "--html and --asciicast both name x"),
        (("--html", "a.tape", "--replace"), 2, "a.tape is the recording itself; nothing was written"),
        (("--html", "."), 2, ". is a folder"),
        (("--html", "nowhere/x.html"), 1, "nowhere is not a folder"),
        (("--html", "x", "--size", "20x5"), 2, "40x12 to 300x120 cells"),
        (("--html", "x", "--keys", "g [enter]"), 2, "is not a key"),
        (
            ("--html", "x", "--from", "20:14", "--to", "20:14:30"),
            2,
            "it has 2026-11-21 20:15:00 to 2026-11-21 20:15:04",
        ),
        (("--html", "x", "--keys", "q"), 2, "the keys q end the console; nothing was written"),
    ],
)
async def test_wrong_use_is_refused_before_anything_is_written(
    streamtop: Program, arguments: tuple[str, ...], code: int, message: str
) -> None:
    write_tape(streamtop.home / "a.tape", polls())
    before = sorted(streamtop.home.iterdir())
    ended = await streamtop("replay", "a.tape", *arguments)
    assert (ended.code, ended.out) == (code, "")
    assert message in " ".join(ended.err.split())
    assert sorted(streamtop.home.iterdir()) == before


async def test_unreadable_recordings_are_refused_as_in_the_console(streamtop: Program) -> None:
    for content, message in (
        ('{"at": "noon"}\n', "this is not a recording of streamtop"),
        ("", "contains no poll"),
        ("\x1f\x8b", "not a complete incident bundle"),
    ):
        (streamtop.home / "a.tape").write_text(content, "latin-1")
        ended = await streamtop("replay", "a.tape", "--html", "x.html")
        assert (ended.code, ended.out) == (1, "")
        assert message in ended.err
        assert not (streamtop.home / "x.html").exists()
