"""`streamtop docs`: shows a page of the documentation, lists all, or searches them."""

import os
import re
import shutil
import sys
from pathlib import Path

import click

import tui
from streamusage.command_help import HelpfulCommand
from streamusage.core.exit_codes import LOCAL_EXIT_CODES, ExitCode
from tui.commands.errors import CommandError
from tui.commands.handbook.pages import cut_section, find_documentation, find_topic, list_pages, sections_of, title_of
from tui.commands.handbook.search import search_pages
from tui.commands.handbook.topics import group_topics
from tui.model.suggestions import close_names

LISTED_FOLDERS = ("decisions/",)
"""Folders of which the list has only the index."""
MOST_FOUND = 40
"""Most sections that a search lists."""
PIPE_WIDTH = 80


@click.command(
    cls=HelpfulCommand,
    exit_codes={**LOCAL_EXIT_CODES, ExitCode.NOT_FOUND: "no such topic or section, or nothing has the words"},
)
@click.argument("topic", required=False)
@click.option("--search", "words", metavar="WORDS", help="List the sections that have all of these words.")
@click.option("--markdown", is_flag=True, help="Print the page as it is written, in Markdown.")
def docs(topic: str | None, words: str | None, markdown: bool) -> None:
    """Show the documentation in the terminal, without a network.

    Without TOPIC: list all topics. On a terminal a page opens in your pager (PAGER), otherwise it is printed as plain
    text of 80 columns.

    \b
    Examples:
      streamtop docs                    all topics
      streamtop docs operating          a page
      streamtop docs operating#backups  a section of it
      streamtop docs hls                short for sources/hls
      streamtop docs --search 'edge timeout'
    """
    folder = find_documentation(Path(tui.__file__).parent)
    if folder is None:
        raise CommandError(
            "this installation has no documentation; install streamtop from its wheel, or run it in its checkout",
            ExitCode.FAILURE,
        )
    pages = list_pages(folder)
    if words is not None:
        if topic is not None:
            raise click.UsageError("--search searches all pages; give no TOPIC with it")
        click.echo(_found(pages, words), nl=False)
    elif topic is None:
        click.echo(_topics(pages), nl=False)
    else:
        _show(pages, folder, topic, markdown=markdown)


def _show(pages: dict[str, Path], folder: Path, wanted: str, *, markdown: bool) -> None:
    name, _, anchor = wanted.partition("#")
    found = find_topic(name, list(pages))
    if len(found) != 1:
        close = found or close_names(name, [*pages, *(topic.rpartition("/")[2] for topic in pages)])
        hint = f"did you mean {' or '.join(close)}?" if close else "streamtop docs lists all topics"
        raise CommandError(f"no documentation page {name!r}; {hint}", ExitCode.NOT_FOUND)
    path = pages[found[0]]
    text = path.read_text("utf-8")
    if anchor:
        section = cut_section(text, anchor)
        if section is None:
            anchors = [known.anchor for known in sections_of(text)]
            hint = f"did you mean {' or '.join(close_names(anchor, anchors) or anchors[1:9])}?"
            raise CommandError(f"page {found[0]} has no section {anchor!r}; {hint}", ExitCode.NOT_FOUND)
        text = section
    if markdown:
        click.echo(text, nl=False)
        return
    from tui.commands.handbook.rendering import render_page

    is_terminal = sys.stdin.isatty() and sys.stdout.isatty()
    has_colours = is_terminal and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    width = shutil.get_terminal_size((PIPE_WIDTH, 24)).columns if is_terminal else PIPE_WIDTH
    shown = render_page(text, path.relative_to(folder).as_posix(), pages, width, has_colours=has_colours)
    if is_terminal:
        click.echo_via_pager(shown, color=None if has_colours else False)  # None: as the pager can show them
    else:
        click.echo(shown, nl=False)


def _topics(pages: dict[str, Path]) -> str:
    lines = []
    longest = max(map(len, (topic for topic in pages if _is_listed(topic))))
    for group, topics in group_topics(pages).items():
        lines += ["", group]
        for topic in filter(_is_listed, topics):
            title = re.sub(rf"(?i)^{re.escape(topic)}: ", "", title_of(pages[topic].read_text("utf-8")))
            lines.append(f"  {topic:<{longest}}  {_cut(title, PIPE_WIDTH - longest - 4)}")
    lines += ["", "streamtop docs TOPIC shows a page. On a page, [TOPIC] is a link to another one."]
    return "\n".join(lines[1:]) + "\n"


def _is_listed(topic: str) -> bool:
    return not topic.startswith(LISTED_FOLDERS)


def _found(pages: dict[str, Path], words: str) -> str:
    found = search_pages({topic: path.read_text("utf-8") for topic, path in pages.items()}, words)
    if not found:
        raise CommandError(f"no section has {words!r}; streamtop docs lists all topics", ExitCode.NOT_FOUND)
    lines = [
        f"{section.topic}\n    {_cut(section.title + (': ' if section.line else '') + section.line, PIPE_WIDTH - 4)}"
        for section in found[:MOST_FOUND]
    ]
    if len(found) > MOST_FOUND:
        lines.append(f"{len(found) - MOST_FOUND} more; give further words")
    return "\n".join(lines) + "\n"


def _cut(text: str, width: int) -> str:
    line = " ".join(text.split())
    return line if len(line) <= width else f"{line[: width - 1].rstrip()}…"
