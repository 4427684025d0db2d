"""Folding of the samples of a long outage."""

import msgspec
import pytest

from streamusage.agent.journal.folding import FOLD_AFTER_MS, QUARTER_MS, fold_samples
from streamusage.agent.journal.rows import key_of
from streamusage.api.report import SampleRow
from tests.support.agent.counting_agent import MINUTE, NOW, CountingAgent

DAY_MS = 1440 * MINUTE


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


def test_samples_of_forty_days_are_those_that_the_limits_of_the_service_assume(counting: CountingAgent) -> None:
    """docs/decisions/0009-limits.md: 385 samples for a stream that is always on."""
    counting.count_minute()
    now = NOW // DAY_MS * DAY_MS
    with counting.journal.transaction() as tx:
        head = msgspec.structs.replace(counting.ledger.head, acknowledged=0)
        for minute in range(now - 40 * DAY_MS, now, MINUTE):
            revision = head.revision + 1
            row = SampleRow(slot=minute, scope="live", name="s", revision=revision, active=1, highest=minute // MINUTE)
            tx.put(key_of(row)[1], row)
            head = fold_samples(tx, msgspec.structs.replace(head, revision=revision), minute, minute + MINUTE)
        rows = [row for row in tx.changed_since(0) if isinstance(row, SampleRow) and row.name == "s"]
        assert len(rows) == 120 + 22 * 4 + 6 * 24 + 33
        slots = sorted(row.slot for row in rows)
        assert slots[:33] == list(range(now - 40 * DAY_MS, now - 7 * DAY_MS, DAY_MS))
        ends = [*slots[1:], now]
        highest = {row.slot: row.highest for row in rows}
        assert [highest[slot] for slot in slots] == [end // MINUTE - 1 for end in ends], "the highest is kept"
