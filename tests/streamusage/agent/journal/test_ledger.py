"""Ledger: unacknowledged figures to the unit and minute."""

from pathlib import Path
from random import Random

import msgspec
import pytest
from msgspec import UNSET

from streamusage.agent.journal.ledger import Ledger
from streamusage.agent.journal.sqlite import SqliteJournal
from streamusage.agent.reading import Reading
from streamusage.api.report import REPAIRED_LIFE, Acknowledgement, Based, EpochIssued, Refusal
from streamusage.core.reasons import RESTARTED
from tests.faults.media_server import MediaServer
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


def test_report_of_the_future_is_refused_with_what_the_service_has_of_the_journal(counting: CountingAgent) -> None:
    counting.count_minute(viewers=3)
    counting.acknowledge(counting.report())
    head = counting.ledger.head
    counting.count_minute(viewers=2)
    received = counting.report()
    covered_to = counting.now
    counting.count_minute(viewers=1)
    counting.report()
    refusal = Refusal(
        error_message="",
        timestamp=counting.now,
        reason="clock",
        epoch=head.epoch,
        acknowledged=received,
        acknowledged_to=covered_to,
    )
    counting.ledger.handle_refusal(msgspec.structs.replace(refusal, epoch=head.epoch + 1))
    assert counting.ledger.head.acknowledged == head.acknowledged, "that of another epoch says nothing"
    counting.ledger.handle_refusal(msgspec.structs.replace(refusal, acknowledged_to=None))
    assert counting.ledger.head.acknowledged == head.acknowledged, "nor does a service that has nothing of this life"
    counting.ledger.handle_refusal(refusal)
    assert (counting.ledger.head.acknowledged, counting.ledger.head.acknowledged_to) == (received, covered_to)
    assert counting.unacknowledged_connections <= 3


def refuse_as_sealed(counting: CountingAgent) -> None:
    counting.ledger.handle_refusal(
        Refusal(error_message="", timestamp=counting.now, reason="sealed", epoch=9, acknowledged=0)
    )


def repaired_state(counting: CountingAgent, life: str) -> EpochIssued:
    """Return the state of the service after a repair: the counters of the acknowledged reading at another time."""
    head = counting.ledger.head
    assert head.baseline is not None
    baseline = msgspec.structs.replace(head.baseline, at=counting.now)
    return EpochIssued(epoch=10, based_on=Based(9, 0), now=counting.now, life=life, baseline=baseline)


def test_journal_of_a_repaired_life_begins_anew_and_sends_nothing_again(counting: CountingAgent) -> None:
    counting.count_minute(viewers=3)
    counting.acknowledge(counting.report())
    repaired = repaired_state(counting, f"journal-1.1{REPAIRED_LIFE}")
    counting.count_minute(viewers=2)  # not acknowledged: it is counted again from the repaired baseline
    refuse_as_sealed(counting)
    counting.ledger.continue_from(repaired, ())
    assert counting.ledger.report(counting.now, "online") is None
    assert (counting.ledger.head.journal, counting.ledger.head.fenced) == ("journal-1~1", False)

    counting.count_minute(viewers=1)
    request = counting.ledger.epoch_request()
    assert request is not None
    assert (request.journal, request.epoch) == ("journal-1~1", 0)
    lines = counting.server.ended_between(repaired.baseline.cursor, counting.ledger.first_reading().cursor)  # type: ignore[union-attr]
    counting.ledger.continue_from(repaired, lines)
    report = counting.ledger.report(counting.now, "online")
    assert report is not None
    assert report.life == "journal-1~1.1"
    assert sum(sum(row.connections.values()) for row in report.slots) >= 3
    assert min(row.slot for row in report.slots) >= repaired.now - MINUTE

    refuse_as_sealed(counting)
    counting.ledger.continue_from(repaired_state(counting, f"journal-1~1.1{REPAIRED_LIFE}"), ())
    assert counting.ledger.head.journal == "journal-1~2"


def test_journal_that_had_no_part_in_a_repaired_life_keeps_its_rows(counting: CountingAgent) -> None:
    counting.count_minute(viewers=3)
    refuse_as_sealed(counting)
    counting.ledger.continue_from(repaired_state(counting, f"journal-7.1{REPAIRED_LIFE}"), ())
    assert counting.ledger.head.journal == "journal-1"
    assert counting.ledger.head.fenced, "another journal counted the same time"


@pytest.mark.parametrize(("previous_epoch", "is_fenced"), [(0, True), (3, False), (4, True), (5, True)])
def test_later_epoch_fences_a_journal_unless_the_store_never_had_it(
    tmp_path: Path, previous_epoch: int, is_fenced: bool
) -> None:
    """Epoch 6 continued epoch 3: in that history the journal's epoch 4 never was. The store was restored meanwhile."""
    server = MediaServer(Random(1), NOW)
    journal = SqliteJournal(tmp_path / "journal.db", synchronous="off")
    ledger = Ledger(journal, "journal-2", "edge-1", "edge", 10_000)
    ledger.record(server.read(NOW, ledger.cursor))
    ledger.continue_from(EpochIssued(epoch=4, based_on=Based(3, 9), now=NOW, life="journal-0.1"), ())
    report = ledger.report(NOW, "online")
    assert report is not None
    ledger.acknowledge(Acknowledgement(epoch=4, acknowledged=report.upto, now=NOW), NOW)
    ledger.handle_refusal(Refusal(error_message="", timestamp=NOW, reason="sealed", epoch=6, acknowledged=0))
    later = EpochIssued(epoch=8, based_on=Based(6, 5), now=NOW, life="journal-1.1", previous_epoch=previous_epoch)
    ledger.continue_from(later, ())
    assert ledger.head.fenced is is_fenced
    journal.close()


def test_mark_of_a_restart_stays_where_the_time_of_day_becomes_known_after_it(tmp_path: Path) -> None:
    """The first reading is placed as late as possible: nothing is left of the time between it and the restart."""
    journal = SqliteJournal(tmp_path / "journal.db", synchronous="off")
    ledger = Ledger(journal, "journal-1", "edge-1", "edge", 10_000)

    def take_reading(boot: str, run: str, elapsed_ms: int, uptime_ms: int) -> None:
        at = ledger.begin_run(run, elapsed_ms, NOW) + elapsed_ms
        ledger.record(
            Reading(
                at=at, boot=boot, started_at=at - uptime_ms, uptime_ms=uptime_ms, run=run, elapsed_ms=elapsed_ms,
                machine_offset_ms=at - elapsed_ms, logs_ends=True,
            )
        )  # fmt: skip

    take_reading("boot-1", "run 1", 900_000, 800_000)
    take_reading("boot-2", "run 2", 70_000, 400_000)
    ledger.confirm_offset("run 2", NOW - 70_000)
    take_reading("boot-2", "run 2", 78_000, 408_000)
    ledger.continue_from(EpochIssued(epoch=1, based_on=Based(0, 0), now=NOW), ())
    report = ledger.report(NOW, "online")
    journal.close()
    assert report is not None
    assert RESTARTED in {span.reason for span in report.spans}


def test_viewer_of_the_bridge_who_left_before_the_first_report_is_not_reported_as_open(tmp_path: Path) -> None:
    server = MediaServer(Random(1), NOW)
    journal = SqliteJournal(tmp_path / "journal.db", synchronous="off")
    ledger = Ledger(journal, "journal-1", "edge-1", "edge", 10_000)
    server.connect(NOW, "play", "stage-1")
    ledger.record(server.read(NOW + 1_000, ledger.cursor))
    server.disconnect(NOW + 2_000, 1)
    ledger.record(server.read(NOW + 3_000, ledger.cursor))
    ledger.continue_from(EpochIssued(epoch=1, based_on=Based(0, 0), now=NOW), ())
    report = ledger.report(NOW, "online")
    journal.close()
    assert report is not None
    assert not [viewer for viewer in report.viewers if viewer.open]


def closed_viewers(counting: CountingAgent) -> list[str]:
    """Return the viewers that the next report closes."""
    report = counting.ledger.report(counting.now, "online")
    assert report is not None
    return [viewer.viewer_id for viewer in report.viewers if not viewer.open]


def test_end_of_a_viewer_whose_newest_change_is_not_acknowledged_is_reported(counting: CountingAgent) -> None:
    counting.count_minute(viewers=1)
    counting.acknowledge(counting.report())
    counting.server.connect(counting.now, "publish", "stage-1")
    counting.count_minute()  # the viewer is a subscriber of the publish now: its row changed
    counting.server.disconnect(counting.now, 1)
    counting.take_reading()
    assert closed_viewers(counting) == ["boot-1/1"]


def test_viewer_who_came_and_went_unacknowledged_is_not_reported(counting: CountingAgent) -> None:
    counting.acknowledge(counting.report())
    counting.count_minute(viewers=1)
    counting.server.disconnect(counting.now, 1)
    counting.take_reading()
    assert closed_viewers(counting) == []


def test_service_whose_acknowledgement_was_lost_before_a_refusal_gets_the_list_of_all_open_viewers(
    counting: CountingAgent,
) -> None:
    """It has viewers whose rows changed since, and whose ends are therefore forgotten here."""
    counting.count_minute(viewers=2)
    accepted = counting.report()
    counting.count_minute()
    refused = Refusal(
        error_message="", timestamp=0, reason="clock", epoch=1, acknowledged=accepted, acknowledged_to=counting.now
    )
    counting.ledger.handle_refusal(refused)
    counting.server.disconnect(counting.now, 1)
    counting.take_reading()
    report = counting.ledger.report(counting.now, "online")
    assert report is not None
    assert report.lists_viewers is True
    assert [viewer.viewer_id for viewer in report.viewers if viewer.open] == ["boot-1/2"]


def test_service_that_lost_revisions_gets_the_list_of_all_open_viewers_until_it_has_them(
    counting: CountingAgent,
) -> None:
    counting.count_minute(viewers=2)
    early = counting.report()
    counting.acknowledge(early)
    counting.server.disconnect(counting.now, 1)
    counting.count_minute()
    counting.acknowledge(counting.report())
    counting.count_minute()
    lost = Refusal(error_message="", timestamp=0, reason="hole", epoch=1, acknowledged=early)
    counting.ledger.handle_refusal(lost)
    counting.ledger.reload()
    report = counting.ledger.report(counting.now, "online")
    assert report is not None
    assert report.lists_viewers is True
    assert [viewer.viewer_id for viewer in report.viewers if viewer.open] == ["boot-1/2"]
    counting.acknowledge(report.upto)
    after = counting.ledger.report(counting.now, "online")
    assert after is not None
    assert (after.lists_viewers, after.viewers) == (UNSET, ())
