"""One form of errors, and what a mistyped word may mean."""

import pytest

from tests.streamusage.service.conftest import Estate
from tests.support.commands.command_tree import every_command
from tests.support.commands.run_command import run_command
from tests.support.program import Program
from tui.cli import main

COMMANDS = [words for words, _ in every_command()]
MISTYPED_ZONE = "unknown time zone 'Europe/Berln'; did you mean Europe/Berlin?"


def printed_error(
    arguments: list[str], monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> tuple[object, str]:
    monkeypatch.setattr("sys.argv", ["streamtop", *arguments])
    monkeypatch.setattr("tui.cli.guard_standard_streams", lambda: None)
    with pytest.raises(SystemExit) as ended:
        main()
    printed = capfd.readouterr()
    assert printed.out == ""
    return ended.value.code, printed.err


@pytest.mark.parametrize("words", COMMANDS)
def test_unknown_option_of_every_command_has_the_one_form(
    words: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    code, text = printed_error([*words.split(), "--halp"], monkeypatch, capfd)
    problem, advice = text.splitlines()
    assert code == 2
    assert problem.startswith(f"streamtop: unknown option '--halp' of streamtop {words}; did you mean --help")
    assert advice == f"try: streamtop {words} --help"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["gasp"], "unknown command 'gasp'; did you mean gaps"),
        (["daily", "adjustmants"], "unknown command 'adjustmants'; did you mean adjustments?"),
        (["ls", "--format", "jsn"], "--format: 'jsn' is not one of table, json, ndjson, csv; did you mean json"),
        (["daily", "--by", "moth"], "--by: 'moth' is not one of day, month; did you mean month?"),
        (["reconcile"], "missing argument 'FILE...'"),
        (["daily", "close"], "missing option '--day'"),
        (["config", "--format", "json", "--columns", "nmae"], "there is no column 'nmae'"),
        (["rm", "a/b", "--start-time", "x"], "--start-time: 'x' is not a valid integer"),
        (["daily", "--from", "yesterday"], "--from: 'yesterday' does not match the format '%Y-%m-%d'"),
        (["gaps", "--from", "\x1b[2J"], "--from: "),
        (["serve", "--account-zone", "Europe/Berln"], f"--account-zone: {MISTYPED_ZONE}"),
        (["reconcile", "a.log", "--log-zone", "Europe/Berln"], f"--log-zone: {MISTYPED_ZONE}"),
    ],
)
def test_wrong_usage_is_named_with_its_option_and_where_help_is(
    arguments: list[str], message: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    code, text = printed_error(arguments, monkeypatch, capfd)
    assert code == 2
    assert text.startswith(f"streamtop: {message}"), text
    assert text.splitlines()[-1].startswith("try: streamtop")
    assert "\x1b" not in text


async def test_mistyped_servers_and_streams_are_answered_with_what_they_may_mean(
    estate: Estate, streamtop: Program
) -> None:
    for arguments, code, message in (
        (("servers", "rm", "edge1"), 5, "no server edge1; nothing was removed; did you mean edge-1?"),
        (("servers", "repair", "edge1", "--yes"), 5, "no server edge1; nothing was repaired; did you mean edge-1?"),
        (("rm", "live/straem1", "--yes"), 5, "nothing was deleted; did you mean live/stream1?"),
        (("gaps", "--server", "edge1"), 0, "no server edge1; did you mean edge-1?"),
        (("daily", "--server", "orign-1"), 0, "no server orign-1; did you mean origin-1?"),
        (("disagreements", "--server", "edge1"), 0, "no server edge1; did you mean edge-1?"),
    ):
        ended = await run_command(estate, streamtop, *arguments)
        assert (ended.code, message in ended.err) == (code, True), (arguments, ended.err)


@pytest.mark.parametrize("words", ["", "ls", "servers", "gaps", "daily", "daily close --day 2026-11-20 --yes"])
def test_mistyped_zone_of_a_command_suggests_the_one_that_was_meant(
    words: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    code, text = printed_error([*words.split(), "--tz", "Europe/Berln"], monkeypatch, capfd)
    assert (code, text) == (2, f"streamtop: {MISTYPED_ZONE}\n")
