"""Ledger: unacknowledged figures to the unit and minute."""

from tests.support.agent.counting_agent import MINUTE, NOW, CountingAgent


def test_acknowledgement_covers_the_figures_of_the_report_and_no_later_ones(counting: CountingAgent) -> None:
    counting.server.connect(counting.now, "publish", "stage-1")
    counting.count_minute(viewers=3)
    upto = counting.report()
    counting.now += 1
    for _ in range(2):
        counting.server.connect(counting.now, "play", "stage-1")
    counting.take_reading()
    assert counting.unacknowledged_connections == 5
    counting.acknowledge(upto)
    assert counting.unacknowledged_connections == 2
    assert counting.ledger.head.handed_over.connections == 3


def test_restored_service_is_missing_the_figures_that_it_lost(counting: CountingAgent) -> None:
    counting.count_minute(viewers=3)
    early = counting.report()
    counting.acknowledge(early)
    for _ in range(3):
        counting.count_minute(viewers=2)
    counting.acknowledge(counting.report())
    assert (counting.unacknowledged_connections, counting.ledger.oldest_unacknowledged_slot()) == (0, None)
    counting.acknowledge(early)
    assert counting.unacknowledged_connections >= 6
    assert counting.ledger.oldest_unacknowledged_slot() == NOW + MINUTE


def test_oldest_unacknowledged_slot_is_the_first_that_the_service_lacks(counting: CountingAgent) -> None:
    assert counting.ledger.oldest_unacknowledged_slot() is None
    for _ in range(10):
        counting.count_minute(viewers=1)
    assert counting.ledger.oldest_unacknowledged_slot() == NOW


def test_acknowledged_revision_above_the_journals_own_fences_an_older_copy(
    counting: CountingAgent,
) -> None:
    counting.count_minute(viewers=1)
    counting.acknowledge(counting.ledger.head.revision)
    assert not counting.ledger.head.fenced
    counting.acknowledge(counting.ledger.head.revision + 1)
    assert counting.ledger.head.fenced
    counting.acknowledge(counting.ledger.head.revision)
    assert counting.ledger.head.fenced, "a fenced journal stays fenced"
