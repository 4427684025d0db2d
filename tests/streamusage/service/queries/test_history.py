"""Points of a history: missing is not zero."""

from streamusage.api.extension import HistoryPoint
from streamusage.core.coverage import Interval, Provenance
from streamusage.service.queries.history import fold_to_steps, slots_without_samples, sum_points, with_samples
from streamusage.service.rules.apply import Piece

MINUTE = 60_000


LIVE, MISSING, HELD = Provenance.LIVE, Provenance.MISSING, Provenance.HELD


def test_missing_is_not_zero_in_a_history() -> None:
    pieces = [Piece(0, MINUTE, LIVE, "", None, None), Piece(MINUTE, 3 * MINUTE, MISSING, "", 0, None)]
    one = with_samples(
        slots_without_samples([*pieces, Piece(3 * MINUTE, 4 * MINUTE, LIVE, "", None, None)]), {0: (4, 6)}
    )
    assert [one[slot].active for slot in sorted(one)] == [4, None, None, 0]
    other = with_samples(
        slots_without_samples([Piece(0, 2 * MINUTE, LIVE, "", None, None)]), {0: (1, 1), MINUTE: (2, 3)}
    )
    total = sum_points([one, other])
    assert total[0] == HistoryPoint(0, 5, 7, LIVE)
    assert total[MINUTE] == HistoryPoint(MINUTE, 2, 3, MISSING), "the known part, marked as incomplete"
    assert fold_to_steps(total, Interval(0, 5 * MINUTE), 2 * MINUTE) == [
        HistoryPoint(0, 2, 7, MISSING),
        HistoryPoint(2 * MINUTE, 0, 0, MISSING),
        HistoryPoint(4 * MINUTE, None, None, None),
    ]
