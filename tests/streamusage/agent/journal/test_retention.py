"""Acknowledged rows that the journal discards: what is counted later is no contradiction to what the service has."""

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
