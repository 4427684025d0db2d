"""Pages as text of a terminal: at 80 columns nothing is cut, no word of a table is divided, links are topics."""

import re
from collections import Counter
from functools import cache
from pathlib import Path

import pytest
from rich.cells import cell_len
from rich.markdown import Markdown

from tests.support.program import REPOSITORY
from tui.commands.handbook.pages import list_pages
from tui.commands.handbook.rendering import fold_code, render_page

DOCS = REPOSITORY / "docs"
PAGES = list_pages(DOCS)


def rendered(text: str, page: str = "page.md", width: int = 80, *, has_colours: bool = False) -> str:
    return render_page(text, page, PAGES, width, has_colours=has_colours)


def words_of_tables(text: str) -> Counter[str]:
    """Words of the cells below the heads of tables, without those of links, which become topics."""
    words: Counter[str] = Counter()
    is_body = False
    for token in Markdown(text).parsed:
        is_body = {"tbody_open": True, "tbody_close": False}.get(token.type, is_body)
        if is_body and token.children:
            is_link, cell = False, ""
            for part in token.children:
                is_link = {"link_open": True, "link_close": False}.get(part.type, is_link)
                cell += "\0" if is_link else part.content
            words.update(word for word in cell.split() if "\0" not in word)
    return words


@cache
def shown_page(topic: str) -> str:
    return rendered(PAGES[topic].read_text(), PAGES[topic].relative_to(DOCS).as_posix())


@pytest.mark.parametrize("topic", PAGES)
def test_no_line_of_a_page_is_too_long_and_every_word_of_its_tables_is_whole(topic: str) -> None:
    shown = shown_page(topic)
    assert [line for line in shown.splitlines() if cell_len(line) > 80] == []
    assert words_of_tables(PAGES[topic].read_text()) - Counter(shown.replace("`", "").split()) == Counter()


@pytest.mark.parametrize("topic", PAGES)
def test_no_code_of_a_page_is_cut(topic: str) -> None:
    text = PAGES[topic].read_text()
    code = " ".join(re.findall(r"^```\w*\n(.*?)^```", text, re.DOTALL | re.MULTILINE))
    shown = Counter(shown_page(topic).split())
    assert {word for word in Counter(code.split()) - shown if len(word) < 70} == set()


@pytest.mark.parametrize("topic", PAGES)
def test_no_diagram_or_column_of_a_page_is_folded_at_80_columns(topic: str) -> None:
    blocks = re.findall(r"^```\w*\n(.*?)^```", PAGES[topic].read_text(), re.DOTALL | re.MULTILINE)
    drawn = [line for block in blocks for line in block.splitlines() if re.search(r"[│┌└├─▼]|\w {3,}\w.* {3,}\w", line)]
    assert [line for line in drawn if cell_len(line) > 78] == []


def test_table_has_aligned_columns_and_whole_words() -> None:
    table = "| a | text |\n|---|---|\n| `x y` | one two |\n| **z** | three |\n"
    assert rendered(table) == (
        "a      text\n" + "─" * 14 + "\n`x y`  one two\nz      three\n"
    )  # fmt: skip


def test_table_that_does_not_fit_is_a_list_with_its_headings() -> None:
    long = "streamusage/service/store/migrations"
    table = f"| module | tests | owner |\n|---|---|---|\n| {long} | {long} | service |\n| a |  | b |\n"
    assert rendered(table, width=60) == f"{long}\n    tests: {long}\n    owner: service\n\na\n    owner: b\n"


@pytest.mark.parametrize(
    ("markdown", "text"),
    [
        ("see [operating.md](operating.md)", "see [operating]"),
        ("see [operating.md](operating.md#backups)", "see [operating#backups]"),
        ("[Backups](operating.md#backups) are", "Backups [operating#backups] are"),
        ("[HLS](sources/hls.md)", "HLS [sources/hls]"),
        ("[`icecast`](sources/icecast.md)", "[sources/icecast]"),
        ("[below](#there)", "below"),
        ("[bench](../bench/README.md)", "bench"),
        ("[Patroni](https://example.net/x)", "Patroni (https://example.net/x)"),
        ("<https://example.net/x>", "https://example.net/x"),
    ],
)
def test_link_shows_where_it_leads(markdown: str, text: str) -> None:
    assert rendered(markdown) == f"{text}\n"


def test_code_is_marked_by_backticks_and_by_colour() -> None:
    assert rendered("run `ls`") == "run `ls`\n"
    assert rendered("run `ls`", has_colours=True) == "run \x1b[36m`ls`\x1b[0m\n"


def test_text_of_a_page_is_not_read_as_markup_or_emoji() -> None:
    assert rendered("[bold]x[/] :smile: `[red]`") == "[bold]x[/] :smile: `[red]`\n"


@pytest.mark.parametrize(
    ("line", "width", "lines"),
    [
        ("short", 20, ["short"]),
        ("  word word word word", 16, ["  word word word", "      word"]),
        ("x" * 30, 20, ["x" * 20, "    " + "x" * 10]),
    ],
)
def test_long_code_is_continued_with_an_indent(line: str, width: int, lines: list[str]) -> None:
    assert fold_code(line, width) == lines


def test_divided_command_can_be_copied() -> None:
    command = "ffmpeg -loglevel error -re -f lavfi -i testsrc=size=320x180:rate=10 -c:v libx264 -f flv rtmp://127.0.0.1"
    shown = rendered(f"```sh\n{command}\n# {'comment ' * 12}\n```\n")
    assert (
        "".join(line.strip() for line in shown.partition("#")[0].replace("\\\n", " ").splitlines()).split()
        == command.split()
    )
    assert "\\" not in shown.partition("#")[2]


def test_comments_of_a_page_are_not_shown() -> None:
    assert rendered("Run:\n\n<!-- run by .ci/run: demo -->\n```sh\nls\n```\n") == "Run:\n\n  ls\n"


def test_page_is_at_most_100_columns_wide() -> None:
    text = (Path(DOCS) / "concepts.md").read_text()
    assert rendered(text, width=300) == rendered(text, width=100)
