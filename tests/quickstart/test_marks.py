"""README and quickstarts have no commands that CI does not run, and a page fails with its commands."""

import re
from pathlib import Path

import pytest

from tests.support.program import REPOSITORY
from tests.support.real.page_blocks import Block, Kind, read_page
from tests.support.real.page_commands import PageRun, scratch_for_everyone

PAGES = ("README.md", "docs/quickstart.md", "docs/quickstart-icecast.md")
PROGRAMS = {"streamtop", "pip", "python", "python3", "asciinema", "apt-get", "sudo", "make", "nginx", "curl", "."}


def is_command_line(code: str) -> bool:
    """Return whether code in a sentence is more than the name of a command of streamtop."""
    program, *arguments = code.split()
    return program in PROGRAMS and any(program != "streamtop" or not word.isalpha() for word in arguments)


@pytest.mark.parametrize("page", PAGES)
def test_every_command_of_the_page_is_in_a_block_that_ci_runs(page: str) -> None:
    run = "".join(block.text for name in PAGES for block in read_page(REPOSITORY / name).blocks)
    assert [code for code in read_page(REPOSITORY / page).inline if is_command_line(code) and code not in run] == []


def test_ci_runs_the_blocks_that_it_is_said_to_run() -> None:
    script = (REPOSITORY / ".ci/run").read_text()
    marked = [
        (name, block.name) for name in PAGES for block in read_page(REPOSITORY / name).blocks if block.kind is Kind.CI
    ]
    run = re.findall(r'^step "[^"]+" as_printed(?:_in_terminal)? (\S+) (\S+) ', script, re.MULTILINE)
    assert sorted(run) == sorted(marked)


@pytest.mark.parametrize(
    "block",
    [
        "```sh\nls\n```",
        "```\nls\n```",
        "```console\n$ ls\n```",
        "~~~\nls\n~~~",
        "    ls",
        "1. List:\n\n   ```sh\n   ls\n   ```",
        "<!-- run -->\n\nThis lists:\n\n```sh\nls\n```",
        "<!-- not run: a reason -->\n```sh\nls\n```",
        "<!-- diagram -->\n```sh\nls\n```",
        "<!-- run\n-->\n```sh\nls\n```",
    ],
)
def test_block_without_a_mark_is_refused(tmp_path: Path, block: str) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"# Page\n\n<!-- run -->\n```sh\ntrue\n```\n\n{block}\n")
    with pytest.raises(AssertionError, match=r"page\.md: "):
        read_page(page)


@pytest.mark.parametrize(
    ("mark", "block"),
    [
        ("run", Block(Kind.RUN, "ls\n")),
        ("run after midnight in Berlin", Block(Kind.RUN, "ls\n", step="midnight in Berlin")),
        ("run in a terminal until: A, then: B, C", Block(Kind.TERMINAL, "ls\n", until=("A", "B, C"))),
        ("run after it, in the background until: A", Block(Kind.BACKGROUND, "ls\n", step="it", until=("A",))),
        ("file: nginx.conf", Block(Kind.FILE, "ls\n", name="nginx.conf")),
        ("run by .ci/run: demo", Block(Kind.CI, "ls\n", name="demo")),
    ],
)
def test_mark_says_how_a_block_in_a_list_is_run(tmp_path: Path, mark: str, block: Block) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"1. Do `this`:\n\n   <!-- {mark} -->\n   ```sh\n   ls\n   ```\n")
    assert read_page(page) == ([block], ["this"])


@pytest.mark.parametrize("code", ["streamtop demo --tour", "pip install .", "streamtop replay outage.tape"])
def test_commands_in_sentences_are_found(code: str) -> None:
    assert is_command_line(code)


@pytest.mark.parametrize("code", ["streamtop servers repair", "streamtop", "--check", "agent.toml"])
def test_names_in_sentences_are_no_commands(code: str) -> None:
    assert not is_command_line(code)


@pytest.mark.parametrize(
    ("mark", "commands", "failure"),
    [
        ("run", "false\ntrue", "commands failed"),
        ("run in the background until: ready", "echo starting", "No such process"),
        ("run in a terminal until: hello", "echo goodbye", "not shown: hello"),
        ("run in a terminal until: hello", "false\necho hello", "not shown: hello"),
        ("run in a terminal until: hello", "echo hello; exit 3", "ended with 3"),
        ("run in a terminal until: hello, then: bye", "echo hello", "not shown: bye"),
    ],
)
def test_page_fails_if_a_command_or_its_text_fails(tmp_path: Path, mark: str, commands: str, failure: str) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"<!-- {mark} -->\n```sh\n{commands}\n```\n")
    with scratch_for_everyone() as scratch, pytest.raises(AssertionError, match=failure):
        PageRun(page, scratch, ()).run({})


def test_addresses_of_examples_are_those_of_the_test(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    urls = "http://usage.example.net:5080 https://sm.example.net/a https://example.org 127.0.0.1:5080"
    page.write_text(f"<!-- run -->\n```sh\necho {urls}\n```\n")
    with scratch_for_everyone() as scratch:
        run = PageRun(page, scratch, (443, 5080))
        run.run({})
        usage, manager, other, address = run.log.read_text().split()
    assert usage == f"http://{address}" != "http://127.0.0.1:5080"
    assert re.fullmatch(r"https://127\.0\.0\.1:[23]\d{4}/a", manager)
    assert other == "https://example.org"
