"""Every command that lists rows has the options of listing commands, and they do what they say on its rows."""

import asyncio
import csv
import io
import json

import click
import pytest
from click.testing import CliRunner, Result

from tests.streamusage.service.conftest import Estate
from tests.support.commands.command_tree import every_command, options_of
from tui.cli import main, streamtop
from tui.commands.listing import LISTING_OPTIONS
from tui.output import Format

NO_LISTS = {
    "rm": "prints what it deleted, which happens once",
    "agent status": "prints a block of lines for each agent",
}
"""Commands with `--format` that list no rows."""
NEVER_CHANGE = {
    "reconcile": "compares files",
    "config": "prints a file",
    "files": "lists what is installed",
}
"""ListedRows commands without `--watch`."""


def listing_commands() -> dict[str, click.Command]:
    """Return the commands that can print rows in each format."""
    found = {}
    for words, command in every_command():
        shapes = options_of(command).get("--format")
        known = set(shapes.type.choices) if shapes is not None and isinstance(shapes.type, click.Choice) else set()
        if {known.value for known in Format} <= known and words not in NO_LISTS:
            found[words] = command
    return found


LISTINGS = listing_commands()
OF_A_SERVICE = sorted(set(LISTINGS) - set(NEVER_CHANGE) - {"journal"})


def test_listing_commands_are_found() -> None:
    assert {"ls", "servers", "gaps", "daily", "daily corrections", "disagreements", "audit", "journal"} <= set(LISTINGS)


@pytest.mark.parametrize("words", LISTINGS)
def test_listing_command_has_all_options_and_names_its_columns(words: str) -> None:
    options = options_of(LISTINGS[words])
    expected = set(LISTING_OPTIONS) - ({"--watch"} if words in NEVER_CHANGE else set())
    assert expected <= set(options), words
    shown = CliRunner().invoke(streamtop, [*words.split(), "--help"]).output
    assert " Of: " in " ".join(shown.split()), "the help names the columns"


async def run(estate: Estate, *arguments: str) -> Result:
    environment = {"STREAMTOP_URL": estate.running.url, "STREAMTOP_TOKEN": "admin-token"}
    return await asyncio.to_thread(CliRunner(env=environment).invoke, streamtop, arguments)


def names_of(command: click.Command) -> list[str]:
    items = options_of(command)["--columns"].type.shell_complete(click.Context(command), command.params[0], "")
    return [item.value for item in items]


@pytest.fixture
async def listed(estate: Estate) -> Estate:
    """An estate with rows for most listings: a gap, a disagreement with a delete in the audit log, an orphan."""
    await estate.usage("DELETE", "/live/stream1")
    estate.clock.now += 600_000
    return estate


async def test_columns_sort_headers_and_limit_work_in_every_listing_of_a_service(listed: Estate) -> None:
    printed = 0
    for words in OF_A_SERVICE:
        command, (first, *_, last) = words.split(), names_of(LISTINGS[words])
        chosen = ["--columns", f"{last},{first}", "--sort", f"-{first},{last}", "--limit", "1"]
        table = await run(listed, *command, *chosen, "--no-headers")
        assert table.exit_code == 0, (words, table.output, table.exception)
        rows = json.loads((await run(listed, *command, *chosen, "--format", "json")).stdout)
        text = (await run(listed, *command, *chosen, "--format", "csv")).stdout
        header, *lines = list(csv.reader(io.StringIO(text)))
        assert len(table.stdout.splitlines()) == len(rows) == len(lines) <= 1, words
        for row in rows:
            assert list(row) == header, words
            printed += 1
    assert printed >= 4, "rows of several listings"


async def test_unknown_columns_are_named_with_what_there_is_in_every_listing_of_a_service(listed: Estate) -> None:
    for words in OF_A_SERVICE:
        name = names_of(LISTINGS[words])[0]
        for option in ("--columns", "--sort"):
            refused = await run(listed, *words.split(), option, f"{name}x")
            assert (refused.exit_code, refused.stdout) == (2, ""), (words, refused.output)
            assert f"there is no column '{name}x'; did you mean {name}" in refused.stderr
            assert "columns are: " in refused.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--limit", "0"], "--limit: '0' would print no row; give 1 or more, or leave --limit out for all rows"),
        (["--limit", "many"], "--limit: 'many' is no number of rows; give 1 or more"),
        (["--limit", "-1"], "--limit: '-1' is no number of rows"),
        (["--columns", "setting,,value"], "--columns: 'setting,,value' has an empty name; write names with commas"),
        (["--sort", "-"], "--sort: '-' has an empty name"),
        (["--columns", "value,setting,value", "--format", "csv"], "the column 'value' is given twice"),
        (["--no-headers", "--format", "json"], "--no-headers is for table and csv: json has no line of titles"),
        (["--limit", "3"], "--limit is for a list; give --format table, json, ndjson or csv, too"),
    ],
)
def test_options_that_make_no_sense_are_refused_with_what_does(
    arguments: list[str], message: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["streamtop", "config", *arguments])
    monkeypatch.setattr("tui.cli.guard_standard_streams", lambda: None)
    with pytest.raises(SystemExit) as ended:
        main()
    printed = capfd.readouterr()
    assert (ended.value.code, printed.out) == (2, "")
    assert message in printed.err
    assert printed.err.startswith("streamtop: ")


async def test_limit_says_how_many_rows_there_are(listed: Estate) -> None:
    shown = await run(listed, "servers", "--limit", "1")
    assert "--limit: 1 of 2 rows printed" in shown.stderr
    assert len(shown.stdout.splitlines()) == 2


async def test_sort_puts_the_largest_first_and_unknown_values_last(listed: Estate) -> None:
    falling = await run(listed, "servers", "--sort", "-server", "--columns", "server", "--no-headers")
    assert falling.stdout == "origin-1\nedge-1\n"
    rising = await run(listed, "servers", "--sort", "removed,server", "--columns", "server", "--no-headers")
    assert rising.stdout == "edge-1\norigin-1\n"


async def test_times_are_iso_in_every_machine_format(listed: Estate) -> None:
    (one, _) = json.loads((await run(listed, "servers", "--format", "json")).stdout)
    stamp = one["last_sync_at_iso"]
    assert stamp.endswith("Z")
    assert "T" in stamp
    assert f"{stamp}" in (await run(listed, "servers", "--format", "csv")).stdout
    selected = (await run(listed, "servers", "--columns", "last-sync-up", "--format", "ndjson")).stdout
    assert json.loads(selected.splitlines()[0]) == {"last_sync_at": one["last_sync_at"], "last_sync_at_iso": stamp}
