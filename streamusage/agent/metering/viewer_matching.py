"""Match a line of the server's log with the viewer connection that it ends. Pure.

The ids of a media server start again after its restart, so the start time must match as well. Some logs have no ids
and name only the peer of a connection. Their sources list only viewers who are still there after the log was read, so
that such a line never ends a viewer who is listed: which of several of one peer it was, nothing could show.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import NamedTuple

from streamusage.agent.reading import SHARED, EndedConnection, ViewerReading
from streamusage.api.report import ViewerRow

CLOCK_SLACK_MS = 500
"""How far the start of a connection may differ between the server's statistics and its log."""

LONGEST_UNNOTICED_STEP_MS = 20_000
"""How far the log's clock may have been set and set back between two readings."""

DRIFT_PER_MS = 5_000
"""Two clocks that never step differ by at most one millisecond in so many (100 ppm each)."""

LONGEST_ANSWER_MS = 5_000
"""Longest time from a request to the moment that its reply describes, by which the start of a viewer on a page is
uncertain. Two connections that use one id are much further apart."""

ROUNDING_MS = 1
"""How far two clocks may round one duration differently."""


def start_precision_ms(line: EndedConnection) -> int:
    """Return how far the start of a line may differ from the true one, where one clock dates lines and readings."""
    return line.granularity_ms + min(CLOCK_SLACK_MS, line.granularity_ms) + line.duration_ms // DRIFT_PER_MS


class Page(NamedTuple):
    """The newest page, for lines that may end a viewer whom it shows."""

    seen: Collection[str]
    """The viewers on it."""
    answer_ms: int
    """How late it was answered."""
    shown_at: int
    """Until when its viewers stayed at least."""


def match_viewer(
    line: EndedConnection,
    started_at: int,
    viewers: Mapping[str, ViewerRow],
    boots: list[str],
    page: Page,
    may_end_connections: Callable[[str], bool],
    earlier_boots_from: int | None = None,
) -> ViewerRow | None:
    """Return the viewer of the given boots, the present one first, that a log line ends; `None` where no reading showed
    it.

    Of several candidates those come first whose start is that of the line as exactly as both are known, then those of
    its stream, then those whose lines are to be expected: viewers of the present boot who have left, and those of a
    boot that `may_end_connections`. Else a viewer who was shown for hours would stay, and these hours would count again
    for one who joined just before a crash. Of several exact ones the earliest is chosen: its own line may then end one
    of the others, but theirs might be too late to end it. Of others the one with the nearest start is chosen. A line
    that names only a peer ends no viewer on the page, and a line that was written before the page none of them either.
    Viewers of earlier boots that began before `earlier_boots_from` are left out: a page shows the latest possible
    start.
    """
    by_peer = line.connection_id.startswith("@")
    earlier = later = start_precision_ms(line)
    if not by_peer:
        answer_ms = max(page.answer_ms, LONGEST_ANSWER_MS if line.granularity_ms else 0)
        earlier, later = earlier + answer_ms, later - line.granularity_ms + answer_ms
    candidates = _find_candidates(line, viewers, boots, page.seen, earlier_boots_from)
    was_written_before = started_at + line.duration_ms + line.granularity_ms < page.shown_at - CLOCK_SLACK_MS
    matching = (
        viewer
        for viewer in candidates
        if -earlier <= viewer.started_at - started_at <= later
        and not (was_written_before and viewer.viewer_id in page.seen)
    )
    error_ms = line.granularity_ms + line.duration_ms // DRIFT_PER_MS + ROUNDING_MS

    def preference(viewer: ViewerRow) -> tuple[bool, bool, int, int]:
        after_ms = viewer.started_at - started_at
        is_exact = -error_ms <= after_ms <= error_ms + page.answer_ms
        is_of_stream = (viewer.scope, viewer.name) == (line.scope, line.name)
        rank = _rank(viewer.viewer_id, boots[0], page, may_end_connections)
        return not is_exact, not is_of_stream, rank, viewer.started_at if is_exact else abs(after_ms)

    return min(matching, key=preference, default=None)


def _rank(viewer_id: str, present_boot: str, page: Page, may_end_connections: Callable[[str], bool]) -> int:
    """Return 0 where a line of a viewer is to be expected, else 1."""
    boot = viewer_id.rpartition("/")[0]
    is_expected = viewer_id not in page.seen if boot == present_boot else may_end_connections(boot)
    return 0 if is_expected else 1


class Window(NamedTuple):
    """What is known of the time between two readings, for lines whose own times cannot be compared."""

    last_at: int
    now: int
    is_length_known: bool
    """Whether it is known how long ago the last reading was."""
    current_boot: str
    """The boot that did not restart since the last reading: its ids are unique. Empty if it did."""
    ended_boot: str
    """The boot that ended since the last reading; empty if none did, or if the log is past its end."""
    newest_boots: Collection[str]
    """The present boot and that of the last reading. Of earlier ones hardly a line is still to come."""
    boot_age_ms: int
    """Age of the present boot: a longer connection began before it."""
    known_before: Collection[str]
    """The viewers of the last reading."""
    answer_ms: int
    """How late the newest page was answered, in whole milliseconds of another clock."""
    ended_during_answer: bool
    """Whether the line was written while the newest page was answered, by the clock as it is set now."""
    possible_starts: Collection[int]
    """The start of the connection by each clock that may have written the line."""
    is_draining: bool = False
    """Whether an earlier boot still serves connections, whose ids may be those of the present boot."""


def match_by_duration(
    line: EndedConnection,
    started_at: int | None,
    window: Window,
    viewers: Mapping[str, ViewerRow],
    boots: list[str],
    seen: Collection[str],
    earlier_boots_from: int | None = None,
) -> ViewerRow | None:
    """As `match_viewer`, where the log's clock is not the agent's. `started_at` is right within 5 s, or `None`.

    A known viewer lived at least until the last reading that showed it, and at most until now; a viewer whom the
    present page is the first to show left while the page was answered.
    """
    slack = line.granularity_ms + CLOCK_SLACK_MS + LONGEST_ANSWER_MS + line.duration_ms // DRIFT_PER_MS
    last_at, now = window.last_at, window.now
    by_peer = line.connection_id.startswith("@")
    may_be_of_ended_boot = (
        line.duration_ms > window.boot_age_ms
        or started_at is None
        or started_at < now - window.boot_age_ms - start_precision_ms(line)
    )

    def is_plausible(viewer: ViewerRow) -> bool:
        known_for_ms = (last_at if viewer.counted_to is None else viewer.counted_to) - viewer.started_at
        if known_for_ms - slack > line.duration_ms:
            return False
        if window.current_boot and viewer.viewer_id.startswith(f"{window.current_boot}/"):
            if by_peer and started_at is not None and abs(viewer.started_at - started_at) > slack:
                return False  # a line with an id is of this connection, one with a peer perhaps of another
            is_older = line.duration_ms - line.duration_ms // DRIFT_PER_MS > window.boot_age_ms
            return not (window.is_draining and is_older)
        if (viewer.scope, viewer.name) != (line.scope, line.name):
            return False  # more likely a viewer of a later boot, which has the id too, than one who moved
        is_of_ended_boot = viewer.viewer_id == f"{window.ended_boot}/{line.connection_id}" and viewer.counted_to is None
        if is_of_ended_boot and may_be_of_ended_boot:
            # In doubt it is this viewer, so that nobody counts twice: the machine may have been paused together with
            # its clocks, then the viewer began earlier than it seemed; or its clock was set and set back.
            began_earlier = started_at is None or started_at < viewer.started_at
            return began_earlier or line.duration_ms <= now - viewer.started_at + slack
        if window.current_boot and started_at is not None:
            began_after_ms = started_at - (now - window.boot_age_ms)
            if began_after_ms > line.granularity_ms + window.answer_ms:
                return False  # it began in the present boot, and the viewer in an earlier one
        if started_at is not None and abs(viewer.started_at - started_at) > (
            slack if started_at >= last_at else LONGEST_UNNOTICED_STEP_MS
        ):
            return False
        if window.is_length_known and viewer.viewer_id.rpartition("/")[0] not in window.newest_boots:
            return any(abs(viewer.started_at - start) <= LONGEST_UNNOTICED_STEP_MS for start in window.possible_starts)
        if viewer.viewer_id not in window.known_before:
            error_ms = line.granularity_ms + window.answer_ms + ROUNDING_MS
            return window.ended_during_answer and abs(line.duration_ms - (now - viewer.started_at)) <= error_ms
        return not window.is_length_known or line.duration_ms <= now - viewer.started_at + slack

    matching = filter(is_plausible, _find_candidates(line, viewers, boots, seen, earlier_boots_from))
    return min(
        matching,
        key=lambda viewer: (
            viewer.viewer_id in window.known_before,
            viewer.counted_to is not None,
            abs(last_at - viewer.started_at - line.duration_ms),
        ),
        default=None,
    )


def find_left_viewers(
    lines: Iterable[EndedConnection], listed: Iterable[ViewerReading], answer_ms: int
) -> list[ViewerReading]:
    """Return the viewers of a page that left while it was answered: the lines were written since it was requested.

    Lines that name only a peer are of none of them.
    """
    present = list(listed)
    left = []
    for line in (line for line in lines if line.kind == "play"):
        slack = line.granularity_ms + CLOCK_SLACK_MS + LONGEST_ANSWER_MS + answer_ms + line.duration_ms // DRIFT_PER_MS
        matching = (
            viewer
            for viewer in present
            if viewer.viewer_id == line.connection_id and abs(viewer.age_ms - line.duration_ms) <= slack
        )
        viewer = min(matching, key=lambda viewer: abs(viewer.age_ms - line.duration_ms), default=None)
        if viewer is not None:
            present.remove(viewer)
            left.append(viewer)
    return left


def _find_candidates(
    line: EndedConnection,
    viewers: Mapping[str, ViewerRow],
    boots: list[str],
    seen: Collection[str],
    earlier_boots_from: int | None,
) -> Iterable[ViewerRow]:
    """Return the viewers of the given boots that have the line's id or, for a line without one, its peer and stream.

    A viewer who moved between streams may be known under another one.
    """
    if not line.connection_id.startswith("@"):
        found = [viewers[key] for boot in boots if (key := f"{boot}/{line.connection_id}") in viewers]
    else:
        found = [
            viewer
            for viewer in viewers.values()
            if viewer.viewer_id not in seen
            and viewer.viewer_id.endswith(line.connection_id)
            and (line.counter == SHARED or (viewer.scope, viewer.name) == (line.scope, line.name))
            and viewer.viewer_id.rpartition("/")[0] in boots
        ]
    if earlier_boots_from is None:
        return found
    present = f"{boots[0]}/"
    return [one for one in found if one.viewer_id.startswith(present) or one.started_at >= earlier_boots_from]
