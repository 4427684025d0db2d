"""The lines above and below every view: header, summary, status, keys."""

from collections.abc import Sequence
from typing import NamedTuple

from tui.app.actions import Action
from tui.app.state import ConsoleState
from tui.model import formats
from tui.model.alert_list import mark_of
from tui.model.sessions.live_list import UNREADABLE
from tui.model.staleness import StalenessLevel
from tui.model.text import sanitize, shortened, width
from tui.model.unread import NO_READING
from tui.widgets.error_page import error_page
from tui.widgets.lines import Part
from tui.widgets.services import service_facts

_STEP_INKS = {
    StalenessLevel.WAITING: "quiet",
    StalenessLevel.LIVE: "good",
    StalenessLevel.LATE: "warn",
    StalenessLevel.STALE: "bad",
    StalenessLevel.OFFLINE: "bad",
}

_ALERT_INKS = {"critical": "bad", "warning": "warn", "info": "strong"}

SKEW_SHOWN_FROM_MS = 5_000
"""Clocks further apart than this are shown: ages in other tools will not agree."""

_NAME_CELLS = 22
"""Cells reserved for the program and its profile: only freshness may displace the name of the service."""


class _Fact(NamedTuple):
    parts: list[Part]
    importance: int
    """Where not all fit, the least important is left out first."""

    @property
    def cells(self) -> int:
        """The width."""
        return sum(width(text) for text, _ in self.parts)


def header(state: ConsoleState, view: str, cells: int) -> tuple[list[Part], list[Part]]:
    """Return left: program, profile, view; right: freshness, pause, clocks, the server that owes most, RO, as they fit.

    In a line too narrow for freshness beside anything else, freshness alone is shown.
    """
    name = shortened(sanitize(state.host if state.parts else state.settings.profile or state.host), 30)
    left: list[Part] = [(" streamtop  ", "accent"), (name, "strong")]
    if view:
        left.append((f"  {view}", ""))
    facts = _facts(state)
    named = min(width(f" streamtop  {name}"), _NAME_CELLS)
    while len(facts) > 1 and named + 3 + sum(fact.cells for fact in facts) > cells:
        facts.remove(min(facts, key=lambda fact: fact.importance))
    right = [part for fact in facts for part in fact.parts]
    return (left, [*right, (" ", "")]) if facts[0].cells + 3 <= cells else (right, [])


def _facts(state: ConsoleState) -> list[_Fact]:
    """Return the facts at the right of the header, in order."""
    freshness = state.freshness()
    ink = _STEP_INKS[freshness.step]
    in_time = freshness.step is StalenessLevel.LIVE
    facts = [_Fact([("●" if in_time else f"▲ {freshness.describe()}", ink)], 6)]
    if state.parts:
        facts = [_Fact(parts, 5 if in_time else 6) for parts, in_time in service_facts(state)]
    if state.is_paused:
        at = f"stepped back to {formats.clock_time(state.now_ms(), state.tz, seconds=True)}"
        facts.append(_Fact([(f"   ‖ {at if state.timeline.back else 'paused'}", "warn")], 4))
        if state.waiting:
            facts.append(_Fact([(f", +{formats.count(len(state.waiting))} waiting", "warn")], 1))
    if state.shows_skew and state.skew_ms is not None and abs(state.skew_ms) >= SKEW_SHOWN_FROM_MS:
        facts.append(_Fact([(f"   clock {state.skew_ms / 1000:+.0f}s", "warn")], 2))
    if state.doubts_clock():
        facts.append(_Fact([("   clock doubtful", "bad")], 4))
    if mark := mark_of(state.alerts):
        severity = None if state.alerts is None else state.alerts.severity
        facts.append(_Fact([(f"   {mark}", _ALERT_INKS.get(severity or "warning", "warn"))], 4))
    unread, owing = state.longest_unread_server(), state.unseen.owing_most
    if unread is not None:
        facts.append(_Fact([(f"   · {shortened(sanitize(unread.server), 16)} {NO_READING}", "bad")], 3))
    elif owing is not None:
        owed = f"   · {shortened(sanitize(owing.server), 16)} owes {formats.age(owing.owed_ms)}"
        facts.append(_Fact([(owed, "missing")], 3))
    if state.parts:
        return facts
    if state.armed_for_ms() > 0:
        facts.append(_Fact([(f"   ARMED {formats.age(state.armed_for_ms())}", "bad")], 5))
    elif state.settings.read_only:
        facts.append(_Fact([("   RO", "strong")], 5))
    return facts


def summary(state: ConsoleState, cells: int) -> tuple[list[Part], list[Part]]:
    """Return what is counted, which servers are left out, and what the filter hides, in a form that fits."""
    if not state.unseen or not state.leaves_out_server:
        return _summary(state, ""), []
    unseen = state.unseen
    without = f"without {unseen.names()}"
    forms = [_summary(state, without), _summary(state, without, noun=False)]
    if not state.view.filter and not state.marks:
        descriptions = (unseen.describe(state.now_ms(), state.tz), unseen.describe_briefly())
        forms = [*(_summary(state, description) for description in descriptions), *forms]
    return next((form for form in forms if sum(width(text) for text, _ in form) <= cells), forms[-1]), []


def _summary(state: ConsoleState, unseen: str, *, noun: bool = True) -> list[Part]:
    """Return the summary with a text about the servers that are not seen; `noun` is whether sessions are named."""
    totals = state.totals()
    sessions = "session" if totals.sessions == 1 else "sessions"
    left: list[Part] = [
        (f" {formats.count(totals.live)}", "strong"),
        (" on air of ", "quiet"),
        (formats.count(totals.sessions), "strong"),
        (f" {sessions}   " if noun else "   ", "quiet"),
        (("≥ " if state.leaves_out_server else "") + formats.count(totals.watching), "strong"),
        (" watching", "quiet"),
    ]
    if unseen:
        left.append((f" ({unseen})", "missing"))
    if state.unrecorded:
        left.append((f"   {formats.count(len(state.unrecorded))} on air without a record", "warn"))
    if not state.has_figures:
        left = []
    if state.view.filter:
        left += [("   ", ""), (sanitize(state.view.filter.text), "accent")]
        left.append((f"  ({formats.count(state.view.hidden())} hidden)", "quiet"))
    if state.marks:
        left.append((f"   ✓ {formats.count(len(state.marks))} marked", "marked"))
    return left


def status(state: ConsoleState, notice: Part | None, row: int | None) -> tuple[list[Part], list[Part]]:
    """Return left: notice and failure (a quiet notice yields to a failure), or limits; right: the cursor's row."""
    right: list[Part] = []
    if row is not None and state.view.sessions:
        number = state.view.number(row)
        place = "" if number is None else f"{formats.count(number)} of "
        right = [(f"{place}{formats.count(state.view.sessions)} ", "quiet")]
    if state.opening:
        return [opening(state)], right
    if state.failure and error_page(state) is None:
        failure = (" " + sanitize(state.failure), "bad")
        if notice is None or notice[1] == "quiet":
            return [failure], []
        return [(f" {notice[0]} ", notice[1]), failure], []
    if notice is not None:
        return [(" " + notice[0], notice[1])], right
    if state.cannot_show.startswith(UNREADABLE):
        return [(f" {sanitize(state.cannot_show)}", "warn")], right
    if state.drift:
        return [(f" {sanitize(state.drift.summary())}", "warn")], right
    if state.cannot_show:
        return [(f" {state.cannot_show}", "quiet")], right
    return [], right


def opening(state: ConsoleState) -> Part:
    """Return what is awaited: keys are held for it."""
    return (f" opening {state.opening} …  esc: cancel", "strong")


def keys(actions: Sequence[Action], cells: int) -> list[Part]:
    """Return the keys of a context, as many as fit; back, help and quit always."""
    shown = [action for action in actions if action.label]
    always = [action for action in shown if action.name in ("back", "help", "quit")]
    parts: list[Part] = [(" ", "")]
    room = cells - 1 - sum(_key_cells(action) for action in always)
    for action in shown:
        if action not in always:
            if _key_cells(action) > room:
                continue
            room -= _key_cells(action)
        parts += [(action.shown, "strong"), (f" {action.label}  ", "quiet")]
    return parts


def _key_cells(action: Action) -> int:
    return width(action.shown) + 1 + width(action.label) + 2
