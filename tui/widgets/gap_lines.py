"""Lines about a cell and its gap: states, timeline, what was recovered, legend. For the grid and the gap's view."""

from collections.abc import Iterable, Sequence
from datetime import tzinfo

from streamusage.api.extension import CoverageSpan, Outage, ServerStatus
from streamusage.core.coverage import Provenance
from tui.model import formats
from tui.model.gaps.gap_timeline import delta_table, describe_journal, list_events
from tui.model.gaps.grid import GLYPHS, describe_fill
from tui.model.gaps.outages import describe_attempts, outages_of
from tui.model.text import padded, padded_left, sanitize, width
from tui.widgets.lines import Part

LEAST_LINES = 3

Lines = list[list[Part]]

_LABEL_CELLS = 14
_TIME_CELLS = 9

MEANINGS = {
    "live": "reported within three sync intervals",
    "backfilled": "reported later, after an outage",
    "partial": "some of it is covered; figures are lower bounds",
    "missing": "not reported yet; the server owes it",
    "lost": "declared unrecoverable by the agent",
    "held": "received, not accepted; an operator must decide",
}


def timeline_lines(
    gap: CoverageSpan, server: ServerStatus | None, outages: Sequence[Outage], tz: tzinfo | None, now_ms: int
) -> list[list[Part]]:
    """Return what happened around a gap, an event a line, and what the agent reported of its attempts."""
    lines: list[list[Part]] = []
    events = list_events(gap, server, now_ms, outages)
    times = ["" if event.at_ms is None else formats.clock_time(event.at_ms, tz, seconds=True) for event in events]
    cells = max([_TIME_CELLS, *(len(time) + 1 for time in times)])
    for event, at in zip(events, times, strict=True):
        ink = event.state.value if event.state else ""
        lines.append([(f" {padded(at, cells)}", ""), (f"{GLYPHS[event.state]} ", ink), (sanitize(event.what), "")])
    remarks = [sanitize(describe_attempts(outage)) for outage in outages_of(gap, outages)]
    remarks += [describe_journal(server)] if server is not None else []
    return [*lines, *([(f" {padded('', cells)}  {text}", "quiet")] for text in remarks)]


def delta_lines(gap: CoverageSpan, tz: tzinfo | None) -> list[list[Part]]:
    """Return every recovered figure, a line each."""
    if gap.delta is None and gap.state not in (Provenance.MISSING, Provenance.HELD, Provenance.LIVE):
        return [[(" What arrived late is no longer known: the minutes of this time were discarded.", "quiet")]]
    if gap.delta is None:
        return [[(" Not reported yet: its figures are unknown, not zero.", gap.state.value)]]
    backfilled_at = f", backfilled {describe_fill(gap, tz)}" if gap.filled_at is not None else ""
    lines: list[list[Part]] = [[(f" RECOVERED{backfilled_at}", "quiet")]]
    for name, text in delta_table(gap.delta, tz):
        figure = f"  {text}" if " at " in text else padded_left(text, 12)
        lines.append([(f"   {padded(name, _LABEL_CELLS)}", "quiet"), (figure, "strong")])
    return lines


def legend() -> list[Part]:
    """Return the states in one line."""
    parts: list[Part] = [(" ", "")]
    for state, glyph in GLYPHS.items():
        if state is not None:
            parts += [(f"{glyph} ", state.value), (f"{state.value}  ", "quiet")]
    return parts


def legend_lines() -> list[list[Part]]:
    """Return the states with their meanings, a line each."""
    return [
        [(f" {glyph} ", state.value), (padded(state.value, 12), ""), (MEANINGS[state.value], "quiet")]
        for state, glyph in GLYPHS.items()
        if state is not None
    ]


def wrap_states(states: Iterable[tuple[str, CoverageSpan | None]], cells: int, lines: int) -> Lines:
    """Return the states of the cell under the cursor, wrapped into at most `lines` lines; a cut is marked."""
    wrapped: list[Part] = []
    for text, span in states:
        ink = "quiet" if span is None or wrapped else span.state.value
        wrapped += [(f" {part}", ink) for part in _wrap_facts(sanitize(text), max(20, cells - 2))]
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
