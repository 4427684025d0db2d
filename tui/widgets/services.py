"""What a table of several services draws of each: its freshness in the header, its name beside a session."""

from tui.app.state import ConsoleState
from tui.model import formats
from tui.model.sessions.store import Session
from tui.model.staleness import StalenessLevel
from tui.model.text import padded, sanitize, shortened, width
from tui.widgets.lines import Part

TITLE = "SERVICE"
_MOST_CELLS = 14
SKEW_SHOWN_FROM_MS = 5_000


def service_cells(state: ConsoleState) -> int:
    """Return the width of the column of the services, with the blank before it; 0 where there is one service."""
    if not state.parts:
        return 0
    longest = max(width(sanitize(name)) for name in state.parts)
    return 1 + min(_MOST_CELLS, max(len(TITLE), longest + 2))


def service_cell(state: ConsoleState, session: Session, cells: int) -> Part:
    """Return the service of a session, marked where its figures are too old."""
    name = shortened(sanitize(session.service), cells - 3)
    if is_outdated(state, session):
        return padded(f" ▲ {name}", cells), "bad"
    return padded(f" {name}", cells), "" if session.live else "quiet"


def is_outdated(state: ConsoleState, session: Session) -> bool:
    """Return whether the service of a session is one of several and has not answered in time."""
    return bool(state.parts) and not state.part_of(session).freshness().allows_deletes


def service_facts(state: ConsoleState) -> list[tuple[list[Part], bool]]:
    """Return the freshness of each service with its name, those that are late first, and whether it is in time."""
    facts = []
    for name, part in state.parts.items():
        freshness = part.freshness()
        in_time = freshness.step is StalenessLevel.LIVE
        shown = shortened(sanitize(name), 16)
        age = freshness.describe().partition(",")[0]
        ink = {StalenessLevel.LIVE: "good", StalenessLevel.WAITING: "quiet", StalenessLevel.LATE: "warn"}
        parts: list[Part] = [("●" if in_time else "▲", ink.get(freshness.step, "bad"))]
        parts.append((f" {shown}", "strong") if in_time else (f" {shown} {age}", ink.get(freshness.step, "bad")))
        if part.armed_for_ms() > 0:
            parts.append((f" ARMED {formats.age(part.armed_for_ms())}", "bad"))
        elif part.settings.read_only:
            parts.append((" RO", "strong"))
        if part.shows_skew and part.skew_ms is not None and abs(part.skew_ms) >= SKEW_SHOWN_FROM_MS:
            parts.append((f" clock {part.skew_ms / 1000:+.0f}s", "warn"))
        facts.append(([("  ", ""), *parts], in_time))
    return sorted(facts, key=lambda fact: fact[1])
