"""Folding of the samples of a long outage."""

import pytest

from streamusage.agent.journal.folding import FOLD_AFTER_MS, QUARTER_MS
from streamusage.api.report import SampleRow
from tests.support.agent.counting_agent import MINUTE, NOW, CountingAgent


def samples(counting: CountingAgent) -> dict[int, SampleRow]:
    report = counting.ledger.report(counting.now, "online")
    assert report is not None
    return {row.slot: row for row in report.samples}


def test_old_unacknowledged_samples_fold_to_quarters_and_keep_the_highest(counting: CountingAgent) -> None:
    counting.server.connect(counting.now, "publish", "stage-1")
    hours = 5
    seen: dict[int, list[int]] = {}
    for minute in range(hours * 60):
        if minute % 20 == 7:
            for number in [number for number, connection in counting.server.open.items() if connection.kind == "play"]:
                counting.server.disconnect(counting.now + 1, number)
        counting.count_minute(viewers=1)
        watching = sum(connection.kind == "play" for connection in counting.server.open.values())
        seen.setdefault(counting.now // QUARTER_MS * QUARTER_MS, []).append(watching)
    reported = samples(counting)
    folded = [slot for slot in reported if slot + QUARTER_MS + FOLD_AFTER_MS <= counting.now]
    quarters = (hours * 60 * MINUTE - FOLD_AFTER_MS) // QUARTER_MS
    assert sorted(folded) == [NOW + number * QUARTER_MS for number in range(quarters)]
    assert len(reported) - len(folded) == pytest.approx(FOLD_AFTER_MS // MINUTE, abs=1)
    assert {slot: reported[slot].highest for slot in folded[1:]} == {slot: max(seen[slot]) for slot in folded[1:]}
    assert len(counting.ledger.report(counting.now, "online").slots) > hours * 60 - 2, "slots are never folded"  # type: ignore[union-attr]


def test_acknowledged_samples_are_not_folded(counting: CountingAgent) -> None:
    counting.server.connect(counting.now, "publish", "stage-1")
    for _ in range(30):
        counting.count_minute(viewers=1)
    counting.acknowledge(counting.report())
    for _ in range(4 * 60):
        counting.count_minute()
    with counting.journal.transaction() as tx:
        assert len(list(tx.samples_between(NOW, NOW + 2 * QUARTER_MS))) >= 29
