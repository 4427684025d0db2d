"""Acknowledged rows that the journal discards: a service that is restored within a week gets all of them again.

What is counted later is no contradiction to what the service has.
"""

import pytest

from streamusage.api.report import Acknowledgement
from streamusage.service.rules.apply import apply_report, classify_report
from tests.faults.memory import Store
from tests.support.agent.counting_agent import MINUTE, CountingAgent

DAY = 24 * 60 * MINUTE


def sync(counting: CountingAgent, store: Store) -> None:
    """Report to a service in memory, and acknowledge what it has."""
    report = counting.ledger.report(counting.now, "online")
    assert report is not None
    if classify_report(store.state, report) == "apply":
        store.write(apply_report(store.state, report, store.stored_for(report), counting.now))
    counting.acknowledge(store.state.acknowledged)


def check_totals(counting: CountingAgent, store: Store) -> None:
    truth = counting.server.truth
    rows = [stored.row for stored in store.slots.values()]
    assert sum(sum(row.connections.values()) for row in rows) == len(truth.connections)
    assert sum(row.bytes_out for row in rows) == truth.bytes_out[-1]
    assert sum(row.view_time_ms for row in rows) == sum(ended - began for began, ended in truth.views)


def connections_in_journal(counting: CountingAgent) -> int:
    """Return how many connections a report to a service without any would have."""
    counting.acknowledge(0)
    report = counting.ledger.report(counting.now, "online")
    assert report is not None
    return sum(sum(row.connections.values()) for row in report.slots)


def count_days(counting: CountingAgent, days: int) -> None:
    """Count a viewer of a minute each day."""
    for _ in range(days):
        counting.count_minute(viewers=1)
        counting.server.disconnect(counting.now, max(counting.server.open))
        counting.take_reading()
        counting.now += DAY


def test_service_that_is_restored_a_week_after_an_outage_of_nine_days_gets_all_of_it_again(
    counting: CountingAgent,
) -> None:
    count_days(counting, 9)
    counting.take_reading()
    store = Store()
    sync(counting, store)
    counting.now += 7 * DAY - MINUTE
    counting.take_reading()
    sync(counting, store)
    assert connections_in_journal(counting) == 9


def test_rows_are_discarded_a_week_after_their_acknowledgement(counting: CountingAgent) -> None:
    store = Store()
    count_days(counting, 9)
    sync(counting, store)
    counting.now += 6 * DAY
    count_days(counting, 1)
    sync(counting, store)
    counting.now += MINUTE
    sync(counting, store)
    assert connections_in_journal(counting) == 1


@pytest.mark.parametrize("ahead_ms", [-400 * DAY, 400 * DAY])
def test_clock_of_the_agent_discards_nothing(counting: CountingAgent, ahead_ms: int) -> None:
    """By the service's clock, the rows were acknowledged a minute ago."""
    count_days(counting, 2)
    store = Store()
    sync(counting, store)
    acknowledged = Acknowledgement(epoch=1, acknowledged=store.state.acknowledged, now=counting.now + MINUTE)
    counting.ledger.acknowledge(acknowledged, counting.now + ahead_ms)
    assert connections_in_journal(counting) == 2


def test_marks_of_a_service_whose_clock_was_ahead_are_forgotten(counting: CountingAgent) -> None:
    """Its times were in 400 days; afterwards rows are discarded a week after their acknowledgement as before."""
    count_days(counting, 2)
    store = Store()
    sync(counting, store)
    acknowledged = Acknowledgement(epoch=1, acknowledged=store.state.acknowledged, now=counting.now + 400 * DAY)
    counting.ledger.acknowledge(acknowledged, counting.now)
    for _ in range(12):
        count_days(counting, 1)
        sync(counting, store)
        assert len(counting.ledger.head.acknowledged_marks) <= 9
    assert connections_in_journal(counting) == 7


def test_figures_of_a_media_server_that_was_unread_for_nine_days_are_accepted(counting: CountingAgent) -> None:
    """It stopped in the minute of the last reading, which the service has, and its log shows when its viewers left."""
    store = Store()
    counting.count_minute(viewers=3)
    counting.now += MINUTE // 3
    counting.take_reading()
    sync(counting, store)
    counting.server.move_bytes(counting.now + 1_000)
    counting.server.quit(counting.now + 2_000, counting.now + 9 * DAY)
    counting.now += 9 * DAY
    sync(counting, store)
    counting.count_minute(viewers=2)
    counting.server.quit(counting.now, counting.now)
    counting.take_reading()
    sync(counting, store)
    check_totals(counting, store)


def test_view_time_before_the_known_start_of_a_viewer_of_nine_days_is_accepted(counting: CountingAgent) -> None:
    """The clock of the media server's machine is faster, so that each page shows an earlier start of the viewer."""
    store = Store()
    counting.count_minute(viewers=1)
    sync(counting, store)
    connection = next(iter(counting.server.open.values()))
    for _ in range(9):
        counting.now += DAY
        connection.started_at -= 500
        counting.take_reading()
        sync(counting, store)
    counting.server.disconnect(counting.now, connection.number)
    counting.take_reading()
    sync(counting, store)
    check_totals(counting, store)
