"""The summary of what happened while the terminal had no focus."""

from tests.support.console.records import session
from tui.model.sessions.store import Change
from tui.model.sessions.tally import Tally


def test_tally_summarizes_started_ended_deleted_and_failed() -> None:
    tally = Tally()
    live, over = session("a"), session("a", live=False)
    tally.add_changes([Change(live.key, None, live)])
    tally.begin(0)
    tally.add_changes([Change(live.key, None, live), Change(over.key, live, over), Change(over.key, over, None)])
    tally.add_changes([Change(live.key, live, session("a", active=9))])
    tally.add_failure()
    assert tally.end(65_000, "edge-3 owes 4m") == (
        "you looked away for 1m: 1 started, 1 ended, 1 deleted, 1 polls failed, edge-3 owes 4m"
    )
    tally.begin(0)
    assert tally.end(9_000, "") == ""
    assert tally.end(99_000, "") == "", "no absence has begun"
