"""Subscribers of several streams as one audience."""

from streamusage.api.extension import History, HistoryPoint
from streamusage.core.coverage import Provenance
from tui.commands.reconcile.service_side import sum_audience


def history(*points: HistoryPoint) -> History:
    return History(now=0, step_ms=900_000, points=list(points))


def test_audience_leaves_out_times_at_which_a_stream_is_unknown() -> None:
    live = Provenance.LIVE
    first = history(HistoryPoint(0, 5, state=live), HistoryPoint(1, 6, state=live), HistoryPoint(2, 7, state=live))
    second = history(HistoryPoint(0, 1, state=live), HistoryPoint(1, None, state=Provenance.MISSING), HistoryPoint(2))
    assert sum_audience([first, second]) == {0: 6, 2: 7}
    assert sum_audience([]) == {}
