"""A gap's story as lines: what happened when, what the fill brought. Drawn under the grid, and where it is opened."""

from collections.abc import Sequence
from datetime import tzinfo

from streamusage.api.extension import CoverageSpan, Outage, ServerStatus
from tui.model import formats
from tui.model.gaps.gap_timeline import delta_table, journal_in_words, story
from tui.model.gaps.grid import GLYPHS, filled_in_words
from tui.model.gaps.outages import attempts_in_words, outages_of
from tui.model.text import padded, padded_left, safe
from tui.widgets.lines import Part

_LABEL_CELLS = 14
_TIME_CELLS = 9

MEANINGS = {
    "live": "reported within three sync intervals",
    "backfilled": "reported later, after an outage",
    "partial": "some of it is covered",
    "missing": "nothing has come yet; the server still owes it",
    "lost": "the agent declared that it can never come",
    "held": "came, but could not be accepted; an operator must look",
}


def story_lines(
    gap: CoverageSpan, server: ServerStatus | None, outages: Sequence[Outage], tz: tzinfo | None, now_ms: int
) -> list[list[Part]]:
    """What happened around a gap, an event a line, and what the agent told of its attempts."""
    lines: list[list[Part]] = []
    for event in story(gap, server, now_ms, outages):
        at = "" if event.at_ms is None else formats.clock_time(event.at_ms, tz, seconds=True)
        ink = event.state.value if event.state else ""
        lines.append([(f" {padded(at, _TIME_CELLS)}", ""), (f"{GLYPHS[event.state]} ", ink), (safe(event.what), "")])
    told = [safe(attempts_in_words(outage)) for outage in outages_of(gap, outages)]
    told += [journal_in_words(server)] if server is not None else []
    return [*lines, *([(f" {padded('', _TIME_CELLS)}  {text}", "quiet")] for text in told)]


def delta_lines(gap: CoverageSpan, tz: tzinfo | None) -> list[list[Part]]:
    """Every figure that the fill brought, or that nothing has come yet."""
    if gap.delta is None:
        what = "Nothing has come of it yet: its figures are not known, which is not a zero."
        return [[(f" {what}", gap.state.value)]]
    filled = f", filled {filled_in_words(gap, tz)}" if gap.filled_at is not None else ""
    lines: list[list[Part]] = [[(f" WHAT IT BROUGHT{filled}", "quiet")]]
    for name, text in delta_table(gap.delta, tz):
        figure = f"  {text}" if " at " in text else padded_left(text, 12)
        lines.append([(f"   {padded(name, _LABEL_CELLS)}", "quiet"), (figure, "strong")])
    return lines


def legend() -> list[Part]:
    """The states in one line."""
    parts: list[Part] = [(" ", "")]
    for state, glyph in GLYPHS.items():
        if state is not None:
            parts += [(f"{glyph} ", state.value), (f"{state.value}  ", "quiet")]
    return parts


def legend_lines() -> list[list[Part]]:
    """The states with what they mean, a line each."""
    return [
        [(f" {glyph} ", state.value), (padded(state.value, 12), ""), (MEANINGS[state.value], "quiet")]
        for state, glyph in GLYPHS.items()
        if state is not None
    ]
