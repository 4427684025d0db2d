"""The lines under the gap view's grid, as far as they fit: states of the cell, timeline of the gap, legend."""

from collections.abc import Iterable, Sequence

from streamusage.api.extension import CoverageSpan
from tui.model.text import safe, width
from tui.widgets.lines import Part

LEAST_LINES = 3

Lines = list[list[Part]]


def wrap_states(states: Iterable[tuple[str, CoverageSpan | None]], cells: int, lines: int) -> Lines:
    """Return the states of the cell under the cursor, wrapped into at most `lines` lines; a cut is marked."""
    wrapped: list[Part] = []
    for text, span in states:
        ink = "quiet" if span is None or wrapped else span.state.value
        wrapped += [(f" {part}", ink) for part in _wrap_facts(safe(text), max(20, cells - 2))]
    rows: Lines = [[part] for part in wrapped[:lines]]
    if len(wrapped) > lines:
        rows[-1].append(("  … ⏎ details", "accent"))
    return rows


def fit_description(states: Lines, notice: Part | None, blocks: Sequence[Lines], last: Lines, lines: int) -> Lines:
    """Return the states, the notice, each block that fits whole, and `last` at the bottom if it fits too."""
    if notice is not None:
        line = [(f" {notice[0]}", notice[1])]
        states = [*states, line] if len(states) < lines else [*states[: lines - 1], line]
    rows = list(states)
    for block in blocks:
        if block and len(rows) + 1 + len(block) <= lines:
            rows += [[], *block]
    free = lines - len(rows) - len(last)
    return [*rows, *([] for _ in range(free)), *last] if last and free >= 1 else rows


def _wrap_facts(text: str, cells: int) -> list[str]:
    """Wrap the text between its facts (` · `) into lines of at most `cells` cells."""
    lines: list[str] = []
    for fact in text.split(" · "):
        if lines and width(lines[-1]) + 3 + width(fact) <= cells:
            lines[-1] += f" · {fact}"
        else:
            lines.append(fact)
    return lines
