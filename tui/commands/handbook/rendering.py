"""A page as text of a terminal: headings at the left, tables whose words are whole, links as topics."""

from collections.abc import Collection, Iterable
from io import StringIO
from textwrap import wrap
from typing import Any, ClassVar

from rich import box
from rich.console import Console, ConsoleOptions, Group, RenderResult
from rich.markdown import CodeBlock, Heading, Markdown, MarkdownElement, TableElement
from rich.padding import Padding
from rich.style import Style
from rich.table import Table
from rich.text import Text
from rich.theme import Theme

from tui.commands.handbook.links import topic_of_link
from tui.commands.handbook.tables import GAP, column_widths

NARROWEST, WIDEST = 40, 100
"""Widths of a page in cells: longer lines are hard to read."""

CODE_INDENT = 2

_THEME = Theme(
    {
        "markdown.h1": "bold underline",
        "markdown.h2": "bold",
        "markdown.h3": "bold",
        "markdown.h4": "italic",
        "markdown.code": "cyan",
        "markdown.code_block": "cyan",
        "markdown.table.header": "bold",
        "markdown.table.border": "dim",
        "markdown.link": "underline",
        "markdown.item.bullet": "none",
        "markdown.item.number": "none",
    }
)


class _LeftHeading(Heading):
    """A heading that is not centred, with the Markdown's marks for those who see no styles."""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield Text.assemble(("#" * int(self.tag[1:]) + " ", Style(dim=True)), self.text)


class _FoldedCode(CodeBlock):
    """A block of code as it is; a line that is too long is continued with an indent."""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        code = str(self.text).rstrip("\n").expandtabs(4)
        width, is_shell = options.max_width - CODE_INDENT, self.lexer_name == "sh"
        lines = [folded for line in code.split("\n") for folded in fold_code(line, width, is_shell=is_shell)]
        text = Text("\n".join(lines), style="markdown.code_block", no_wrap=True, overflow="ignore")
        yield Padding(text, (0, 0, 0, CODE_INDENT))


class _ReadableTable(TableElement):
    """A table whose words are whole; a list of its rows where that needs more cells than there are."""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        head = [cell.content for cell in self.header.row.cells] if self.header and self.header.row else []
        rows = [[cell.content for cell in row.cells] for row in self.body.rows] if self.body else []
        rows = [[*row, *[Text("") for _ in head[len(row) :]]] for row in rows]
        for text in (*head, *(cell for row in rows for cell in row)):
            text.overflow = "fold"
        for heading in head:
            heading.stylize("markdown.table.header")
        widths = column_widths([[cell.plain for cell in row] for row in (head, *rows)], options.max_width)
        yield _as_list(head, rows) if widths is None else _as_table(head, rows, widths)


def _as_table(head: list[Text], rows: list[list[Text]], widths: list[int]) -> Table:
    is_high = any(len(cell.plain) > width for row in rows for cell, width in zip(row, widths, strict=True))
    table = Table(
        box=box.SIMPLE_HEAD,  # which has one cell between columns
        show_header=any(cell.plain for cell in head),
        style="markdown.table.border",
        pad_edge=False,
        show_edge=False,
        padding=(0, GAP - 1, 0, 0),
        leading=1 if is_high else 0,
    )
    for heading, width in zip(head, widths, strict=True):
        table.add_column(heading, width=width, overflow="fold")
    for row in rows:
        table.add_row(*row)
    return table


def _as_list(head: list[Text], rows: list[list[Text]]) -> Group:
    parts: list[Any] = []
    for row in rows:
        parts.append(Text.assemble(row[0], style="bold"))
        for heading, cell in zip(head[1:], row[1:], strict=True):
            if cell.plain:
                label = Text.assemble(heading, ": ") if len(head) > 2 and heading.plain else Text("")
                parts.append(Padding(Text.assemble(label, cell), (0, 0, 0, 4)))
        parts.append(Text(""))
    return Group(*parts[:-1])


class PageMarkdown(Markdown):
    """A page of the documentation. Its links are topics."""

    elements: ClassVar[dict[str, type[MarkdownElement]]] = {
        **Markdown.elements,
        "heading_open": _LeftHeading,
        "fence": _FoldedCode,
        "code_block": _FoldedCode,
        "table_open": _ReadableTable,
    }

    def __init__(self, text: str, page: str, topics: Collection[str]) -> None:
        super().__init__(text, hyperlinks=False)
        self.parsed = [token for token in self.parsed if not _is_comment(token)]
        for token in self.parsed:
            if token.children:
                token.children = list(_without_links(token.children, page, topics))
                for child in token.children:
                    if child.type == "code_inline":  # a pager may remove colours
                        child.content = f"`{child.content}`"


def _is_comment(token: Any) -> bool:
    return bool(token.type == "html_block" and token.content.startswith("<!--"))


def _without_links(tokens: Iterable[Any], page: str, topics: Collection[str]) -> Iterable[Any]:
    """Yield the tokens of a paragraph with each link as its text, then its topic in brackets, or its address.

    The text of a link that only repeats the name of the page is left out.
    """
    inside: list[Any] | None = None
    target = ""
    for token in tokens:
        if token.type == "link_open":
            target, inside = str(token.attrs.get("href", "")), []
        elif token.type == "link_close" and inside is not None:
            text, behind = "".join(part.content for part in inside), _behind_link(target, page, topics)
            topic = topic_of_link(target, page, topics)
            if topic is None or text.removesuffix(".md") != topic.partition("#")[0].rpartition("/")[2]:
                yield from inside
                behind = f" {behind}" if behind and text != target else ""
            yield type(token)("text", "", 0, content=behind)
            inside = None
        elif inside is not None:
            inside.append(token)
        else:
            yield token


def _behind_link(target: str, page: str, topics: Collection[str]) -> str:
    topic = topic_of_link(target, page, topics)
    if topic is not None:
        return f"[{topic}]"
    return f"({target})" if "://" in target else ""


def render_page(text: str, page: str, topics: Collection[str], width: int, *, has_colours: bool) -> str:
    """Return a page as text of `width` cells, with the terminal's codes for styles if it has colours.

    `page` is its path below the folder of the pages, `topics` are all of them.
    """
    width = max(NARROWEST, min(WIDEST, width))
    output = StringIO()
    console = Console(
        file=output,
        width=width,
        theme=_THEME,
        force_terminal=has_colours,
        color_system="standard" if has_colours else None,
        legacy_windows=False,
        highlight=False,
        emoji=False,
        markup=False,
    )
    console.print(PageMarkdown(text, page, topics))
    return "\n".join(line.rstrip() for line in output.getvalue().strip("\n").split("\n")) + "\n"


def fold_code(line: str, width: int, *, is_shell: bool = False) -> list[str]:
    """Return a line of code as lines of at most `width` characters, divided at spaces. Later ones have an indent.

    A divided command of a shell, but no comment, has a backslash at the end of each line, so that it can be copied.
    """
    if len(line) <= width:
        return [line]
    joint = " \\" if is_shell and not line.lstrip().startswith("#") else ""
    indent = " " * (len(line) - len(line.lstrip()) + 4)
    lines = wrap(
        line,
        width - len(joint),
        subsequent_indent=indent if len(indent) < width // 2 else "    ",
        break_on_hyphens=False,
        drop_whitespace=True,
        replace_whitespace=False,
        expand_tabs=False,
    )
    return [*(f"{part}{joint}" for part in lines[:-1]), *lines[-1:]]
