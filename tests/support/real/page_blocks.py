"""The blocks of code of a page of the documentation. A comment before each block says how CI runs it:

<!-- run -->                            in one shell, which stops at the first command that fails
<!-- run in a terminal until: X -->     in a terminal that shows X at some time; then `q` is typed. For several
                                        programs of a block: until: X, then: Y
<!-- run in the background until: X --> the shell continues when their output has X
<!-- run after STEP -->                 as above, after the test's own commands of that step; before `in`: a comma
<!-- file: NAME -->                     written to that file
<!-- run by .ci/run: NAME -->           in a clone of the repository
<!-- diagram -->                        no commands, and no language
"""

import re
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple

from markdown_it import MarkdownIt
from markdown_it.token import Token


class Kind(StrEnum):
    """What is done with a block."""

    RUN = "run"
    TERMINAL = "run in a terminal"
    BACKGROUND = "run in the background"
    FILE = "file"
    CI = "run by .ci/run"
    DIAGRAM = "diagram"


_NAMED = re.compile(r"(?P<kind>file|run by \.ci/run): (?P<name>\S+)|(?P<diagram>diagram)")
_RUN = re.compile(
    r"run(?: after (?P<step>[^,]+?))?(?:,? in (?P<where>a terminal|the background) until: (?P<until>.+))?"
)


class Block(NamedTuple):
    """A block of a page."""

    kind: Kind
    text: str
    """Its lines, without the indentation of a list."""
    name: str = ""
    """The file, or its name in .ci/run."""
    step: str = ""
    """The step of the test that comes first."""
    until: tuple[str, ...] = ()
    """The texts to wait for, in this order."""


class Page(NamedTuple):
    """The code of a page."""

    blocks: list[Block]
    inline: list[str]
    """Code in the sentences of the page."""


def read_page(page: Path) -> Page:
    """Return the code of a page. Fail for a block without a comment that says how it is run."""
    tokens = MarkdownIt("commonmark").enable("table").parse(page.read_text("utf-8"))
    blocks = []
    for before, token in zip([None, *tokens], tokens, strict=False):
        if token.type in ("fence", "code_block"):
            mark = _comment(before)
            assert mark, f"{page.name}: no comment says how CI runs this block:\n{token.content}"
            blocks.append(_block(mark, token, page.name))
    children = [child for token in tokens for child in token.children or []]
    return Page(blocks, [child.content for child in children if child.type == "code_inline"])


def _comment(token: Token | None) -> str:
    comment = re.fullmatch(r"<!-- (.*) -->", token.content.strip()) if token and token.type == "html_block" else None
    return comment[1] if comment else ""


def _block(mark: str, token: Token, page: str) -> Block:
    if named := _NAMED.fullmatch(mark):
        assert not named["diagram"] or not token.info, f"{page}: a diagram has no language:\n{token.content}"
        return Block(Kind(named["kind"] or named["diagram"]), token.content, name=named["name"] or "")
    run = _RUN.fullmatch(mark)
    assert run, f"{page}: no such way to run a block: {mark}"
    kind = Kind(f"run in {run['where']}") if run["where"] else Kind.RUN
    until = tuple((run["until"] or "").split(", then: ")) if run["until"] else ()
    return Block(kind, token.content, step=run["step"] or "", until=until)
