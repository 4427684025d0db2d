"""The man pages that the package carries are those of the commands, and well-formed."""

import subprocess
from pathlib import Path

import pytest

from tests.support.commands.command_tree import every_command
from tests.support.needs import need
from tests.support.program import Program
from tui.cli import streamtop
from tui.commands.manual.pages import man_pages

PAGES = Path(__file__).parents[4] / "tui" / "files" / "man"
WRITE = "python -m tui man --directory tui/files/man"


def test_packaged_pages_are_those_of_the_commands() -> None:
    made = {f"{page.name}.1": page.text for page in man_pages(streamtop)}
    packaged = {path.name: path.read_text(encoding="utf-8") for path in PAGES.iterdir()}
    assert sorted(packaged) == sorted(made), f"write them anew: rm {PAGES}/*; {WRITE}"
    outdated = [name for name, text in made.items() if packaged[name] != text]
    assert outdated == [], f"write them anew: {WRITE}"


def test_every_command_has_a_page_with_options_and_exit_codes() -> None:
    names = {f"streamtop-{words.replace(' ', '-')}.1" for words, _ in every_command()} | {"streamtop.1"}
    assert names == {path.name for path in PAGES.iterdir()}
    page = (PAGES / "streamtop-ls.1").read_text(encoding="utf-8")
    for expected in (
        ".SH EXIT STATUS",
        "\\fB\\-\\-columns NAME,…\\fR",
        ".SH EXAMPLES\n.nf\nstreamtop ls\n",
        "streamtop\\fR(1)",
    ):
        assert expected in page


def test_pages_have_no_warnings() -> None:
    need("mandoc")
    files = sorted(PAGES.iterdir())
    ended = subprocess.run(["mandoc", "-Tlint", "-W", "warning", *files], capture_output=True, text=True, check=False)
    warnings = [line for line in ended.stdout.splitlines() if "missing date" not in line]  # the same bytes on each day
    assert warnings == []


async def test_page_is_printed_and_a_mistyped_command_is_answered_with_what_it_may_mean(streamtop: Program) -> None:
    page = await streamtop("man", "daily", "corrections")
    assert (page.code, page.out) == (0, (PAGES / "streamtop-daily-corrections.1").read_text(encoding="utf-8"))
    refused = await streamtop("man", "daily", "corections")
    assert (refused.code, refused.err) == (
        2,
        "streamtop: there is no command 'daily corections'; did you mean daily corrections or daily correct "
        "or daily voids?\n",
    )


async def test_folder_that_cannot_be_written_is_named(streamtop: Program) -> None:
    (streamtop.home / "file").write_text("")
    ended = await streamtop("man", "--directory", "file/man1")
    assert (ended.code, ended.out) == (1, "")
    assert ended.err.startswith("streamtop: cannot write file/man1: ")


@pytest.mark.parametrize("text", ["a\\b", "-x --long", ".TH evil", "'quote", '"both"'])
def test_texts_are_no_requests_of_roff(text: str) -> None:
    import click

    from tui.commands.manual.roff import man_page

    need("mandoc")
    command = click.Command("x", help=f"Print.\n\n{text}\n\n\b\nExamples:\n  {text}\n", params=[])
    page = man_page(("x",), command, exit_codes={0: text})
    shown = subprocess.run(["mandoc", "-Tutf8"], input=page.text, capture_output=True, text=True, check=True).stdout
    assert shown.count(text) == 3, shown
