"""Hostile stream names in every place that shows or writes a name."""

import contextlib
import csv
import io
import json
import logging
import shlex
import tarfile
from pathlib import Path
from xml.etree import ElementTree

import pytest

from streamusage.client.errors import UsageApiError
from streamusage.client.usage_client import UsageClient
from streamusage.core.clock import SystemClock
from streamusage.core.usage import SessionKey, UsageRecord
from tests.support.canned_answers import CannedServer, reply
from tests.support.console.pilot import console, screen_lines, wait_for, wait_for_figures
from tests.support.console.records import HOSTILE, recent, record, service_with, session
from tests.support.plain_manager import wire
from tui.app.alert_delivery import escape_sequences
from tui.app.line_mode import LineMode
from tui.app.messages import SessionsPolled
from tui.app.state import ConsoleState
from tui.config.hidden_token import HiddenToken
from tui.config.profiles import Alerts
from tui.config.settings import ConnectionSettings
from tui.model.alerts import Alert
from tui.model.sessions.filter import parse
from tui.model.sessions.store import from_record
from tui.model.text import sanitize, width
from tui.output import exports
from tui.output.clipboard import sequence
from tui.output.shell_commands import curl_command, ls_command

NAMES = (
    *HOSTILE,
    "\x1b]52;c;ZXZpbA==\x07",
    "\x1b]0;title\x07",
    "\x9b31m",
    "\x07\x08\x0d\x0a\x00\x7f",
    "[link=file:///etc/passwd]x[/link]",
    "\u2066a\u2069\u200f\u061c",
    "zero\u200bwidth\u200d\ufeff\u2060",
    "ｗｉｄｅ全角👩‍👩‍👧‍👦🇩🇪",
    "Z\u0351\u036b\u0343\u036a\u0302\u036b\u033d\u034f\u0334\u0319\u0324",
    "\u3164\u115f\U000e0041",
    "n" * 4096,
    "=cmd|' /C calc'!A0",
    "+1+1",
    "-2+3",
    "@SUM(A1)",
    "\tTAB",
    "%2e%2e%2f",
    "$(reboot)`reboot`;'\"&|",
    "line\u2028sep\u2029",
)
CONTROLS = set(map(chr, [*range(0x20), *range(0x7F, 0xA0)])) | set("\u061c\u200b\u200e\u200f\u2028\u2029\ufeff")
CONTROLS |= set(map(chr, [*range(0x202A, 0x202F), *range(0x2060, 0x2070)]))


@pytest.mark.parametrize("name", NAMES)
def test_safe_text_has_no_control_characters_and_its_computed_width(name: str) -> None:
    text = sanitize(name)
    assert not CONTROLS & set(text)
    assert width(text) == sum(width(part) for part in text) or "👩" in name or "🇩" in name


@pytest.mark.parametrize("name", NAMES)
def test_copied_name_cannot_terminate_the_clipboard_sequence(name: str) -> None:
    for environment in ({}, {"TMUX": "/tmp/x"}, {"TERM": "screen-256color"}):
        sent = sequence(name, environment)
        inside = sent.removeprefix("\x1bPtmux;").removeprefix("\x1bP").removesuffix("\x1b\\")
        inside = inside.replace("\x1b\x1b", "\x1b").removeprefix("\x1b]52;c;").removesuffix("\x07")
        assert not CONTROLS & set(inside)


def test_csv_cells_are_never_formulas_and_json_is_exact() -> None:
    sessions = [session(name, 1000 + number) for number, name in enumerate(NAMES)]
    rows = list(csv.reader(io.StringIO("".join(exports.table_csv(sessions)))))
    assert len(rows) == len(NAMES) + 1
    for row in rows[1:]:
        assert not row[0].startswith(("=", "+", "-", "@", "\t", "\r", "\n"))
    assert [row["name"] for row in json.loads("".join(exports.table_json(sessions)))] == list(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_curl_command_quotes_a_name_as_one_word(name: str) -> None:
    settings = ConnectionSettings(token=HiddenToken("secret"))
    command = curl_command(settings, "http://sm.example.net", session(name))
    assert not set("$`;'\"&|\n") & set(command.replace('--data-urlencode "accessToken=$STREAMTOP_TOKEN"', ""))


@pytest.mark.parametrize("name", NAMES)
def test_ls_command_of_a_hostile_name_is_printable_and_matches_the_session(name: str) -> None:
    command = ls_command(ConnectionSettings(), session(name))
    assert command == sanitize(command), "pasted into a terminal, no character acts on it"
    words = shlex.split(command)
    assert words[:2] == ["streamtop", "ls"]
    shown = parse(" ".join(words[words.index("json") + 1 :]))
    assert shown.matches(session(name))
    assert not shown.matches(session(f"{name}-2"))


async def test_screen_and_title_show_hostile_names_as_data(tmp_path: Path) -> None:
    records = [record(name, recent(number + 1)) for number, name in enumerate(NAMES)]
    async with service_with(tmp_path, records) as client, console(client, tmp_path).run_test(size=(100, 40)) as pilot:
        app = await wait_for_figures(pilot)
        assert len(app.state.store) == len(NAMES)
        await pilot.press("home")
        for _ in NAMES:
            for keys in (["enter"], ["enter", "d"], ["escape", "J"], ["escape", "c"], ["escape"]):
                await pilot.press(*keys[-1:])
                text = "".join(screen_lines(app)) + "".join(
                    segment.text for strip in app.screen._compositor.render_strips() for segment in strip
                )
                assert not CONTROLS & set(text)
            await pilot.press("escape", "j")
            if app.sessions_screen.table.cursor_row >= 5:
                break
        assert not CONTROLS & set(app.title)


def test_line_mode_writes_a_hostile_name_in_one_line() -> None:
    lines: list[str] = []
    state = ConsoleState(clock=SystemClock(), host="sm", settings=ConnectionSettings(poll_interval_s=1))
    mode = LineMode(state, lines.append)
    mode.receive(SessionsPolled([], [], True, 1_000_000, [], ""))
    for number, name in enumerate(NAMES):
        usage_record: UsageRecord = record(name, 1000 + number)
        mode.receive(SessionsPolled([from_record(usage_record)], [], False, 1_000_000, [], ""))
        mode.receive(SessionsPolled([], [usage_record.key], False, 1_000_000, [], ""))
    assert len(lines) == len(NAMES) + 1
    assert not CONTROLS & set("".join(lines))


async def test_logs_contain_no_control_characters(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    body = json.dumps([wire(name, start=1000 + number) for number, name in enumerate(NAMES)])
    async with CannedServer(lambda request: reply(200, body)) as server, UsageClient(server.url, "t") as client:
        records = await client.usage()
        for record_ in records:
            with contextlib.suppress(UsageApiError):
                await client.usage_of(record_.stream)
    assert len(caplog.records) > len(NAMES)
    for entry in caplog.records:
        assert not CONTROLS & set(entry.getMessage()), entry.name


async def test_errors_naming_a_stream_are_safe_to_print() -> None:
    answer = reply(500, json.dumps({"errorMessage": "".join(NAMES), "timestamp": 1}))
    async with CannedServer(lambda request: answer) as server, UsageClient(server.url, "t") as client:
        for number, name in enumerate(NAMES):
            with pytest.raises(UsageApiError) as caught:
                await client.delete_session(SessionKey("live", name, number + 1))
            assert not CONTROLS & set(str(caught.value))


def test_terminal_titles_contain_no_control_characters(tmp_path: Path) -> None:
    for name in NAMES:
        alert = Alert("raised", name, 60_000)
        written = escape_sequences(alert, Alerts(bell=True, notify="osc777"))
        inside = written.removeprefix("\a").removeprefix("\x1b]777;notify;streamtop;").removesuffix("\a")
        assert not (CONTROLS | {";"}) & set(inside)


def read_bundle(folder: Path) -> dict[str, bytes]:
    (path,) = folder.glob("*.tar.gz")
    with tarfile.open(path) as archive:
        return {file.name: archive.extractfile(file).read() for file in archive.getmembers()}  # type: ignore[union-attr]


async def test_bundle_keeps_hostile_names_exactly_within_json(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    records = [record(name, recent(number + 1)) for number, name in enumerate(NAMES)]
    async with service_with(tmp_path, records) as client, console(client, tmp_path).run_test(size=(100, 40)) as pilot:
        app = await wait_for_figures(pilot)
        await pilot.press("B")
        await wait_for(pilot, lambda: list(tmp_path.glob("*.tar.gz")), "the bundle")
        assert len(app.state.store) == len(NAMES)
    files = read_bundle(tmp_path)
    assert all(name.startswith("streamtop-incident/") for name in files)
    records = json.loads(files["streamtop-incident/records.json"])
    assert sorted(record["name"] for record in records) == sorted(NAMES), "evidence is exact"
    for name in ("summary.txt", "screen.svg", "records.json", "history.json"):
        assert not {0x1B, 0x07} & set(files[f"streamtop-incident/{name}"]), name
    ElementTree.fromstring(files["streamtop-incident/screen.svg"])
