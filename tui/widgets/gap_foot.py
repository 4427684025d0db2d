"""What stands under the gap view's grid, by how much room there is: the cell in words, the gap's story, the legend."""

from collections.abc import Iterable, Sequence

from streamusage.api.extension import CoverageSpan
from tui.model.text import safe, width
from tui.widgets.lines import Part

LEAST_LINES = 3

Lines = list[list[Part]]


def words(told: Iterable[tuple[str, CoverageSpan | None]], cells: int, lines: int) -> Lines:
    """The cell under the cursor in words, of at most so many lines; what is cut is said to be."""
    wrapped: list[Part] = []
    for text, span in told:
        ink = "quiet" if span is None or wrapped else span.state.value
        wrapped += [(f" {part}", ink) for part in _wrapped(safe(text), max(20, cells - 2))]
    made = [[part] for part in wrapped[:lines]]
    if len(wrapped) > lines:
        made[-1].append(("  … ⏎ tells all", "accent"))
    return made


def foot(said: Lines, notice: Part | None, blocks: Sequence[Lines], last: Lines, lines: int) -> Lines:
    """The words, then the notice, then each block that fits whole, and `last` at the very bottom where it fits too."""
    if notice is not None:
        line = [(f" {notice[0]}", notice[1])]
        said = [*said, line] if len(said) < lines else [*said[: lines - 1], line]
    made = list(said)
    for block in blocks:
        if block and len(made) + 1 + len(block) <= lines:
            made += [[], *block]
    free = lines - len(made) - len(last)
    return [*made, *([] for _ in range(free)), *last] if last and free >= 1 else made


def _wrapped(text: str, cells: int) -> list[str]:
    """The text broken between its facts (` · `) into lines of at most `cells` cells."""
    lines: list[str] = []
    for fact in text.split(" · "):
        if lines and width(lines[-1]) + 3 + width(fact) <= cells:
            lines[-1] += f" · {fact}"
        else:
            lines.append(fact)
    return lines
