"""How much of a server may be folded."""

import msgspec
import pytest

from streamusage.agent.journal.ledger import KEEP_ACKNOWLEDGED_MS
from streamusage.agent.metering.meter import LONGEST_ABSENCE_MS
from streamusage.api.report import Baseline, PeakWindow, Report, SlotRow, StreamSlotRow
from streamusage.service.errors import ContradictionError
from streamusage.service.rules.folding import (
    NOTHING_FOLDED,
    REVISED_MS,
    FoldedServer,
    KeptFrom,
    limit_by_closings,
    limit_by_server,
    refuse_folded,
)
from streamusage.service.rules.utc_days import DAY_MS

MINUTE = 60_000
HOUR = 60 * MINUTE
NOW = 20_000 * DAY_MS + 7 * HOUR
SERVER = FoldedServer(NOTHING_FOLDED, 0, NOW - MINUTE, NOW - 7 * HOUR, NOW - 7 * HOUR, 0, None)
LIMIT = KeptFrom(NOW - 7 * HOUR - 50 * DAY_MS, NOW - 7 * HOUR - 60 * DAY_MS)
REPORT = Report(
    server="edge-1", role="edge", life="j.1", epoch=1, since=0, upto=1, sent_at=NOW, sync_interval_ms=10_000,
    baseline=Baseline(at=NOW, boot="b", started_at=0, since=0, bytes_in=0, bytes_out=0, window=PeakWindow(0, 0, 0)),
)  # fmt: skip


@pytest.mark.parametrize(
    ("closed_until", "minutes"),
    [
        ([], 15 * DAY_MS),
        ([20 * DAY_MS], 15 * DAY_MS),
        ([15 * DAY_MS + 5 * HOUR, 20 * DAY_MS], 15 * DAY_MS),
        ([15 * DAY_MS, 15 * DAY_MS - 5 * HOUR], 14 * DAY_MS),
        ([15 * DAY_MS - 1, 15 * DAY_MS], 14 * DAY_MS),
        ([14 * DAY_MS + 1, 0], 0),
    ],
)
def test_nothing_of_a_day_that_is_open_in_an_account_zone_is_folded(closed_until: list[int], minutes: int) -> None:
    wanted = KeptFrom(15 * DAY_MS + 9 * HOUR, 10 * DAY_MS + 9 * HOUR)
    limit = limit_by_closings(wanted, closed_until)
    assert limit == KeptFrom(minutes, min(minutes, 10 * DAY_MS))


def test_limits_are_midnights() -> None:
    wanted = KeptFrom(15 * DAY_MS - 1, 10 * DAY_MS + MINUTE)
    assert limit_by_closings(wanted, [20 * DAY_MS]) == KeptFrom(14 * DAY_MS, 10 * DAY_MS)


def test_server_that_has_reported_everything_has_the_limits_of_all() -> None:
    assert limit_by_server(LIMIT, SERVER, NOW) == LIMIT


def test_agents_change_no_figures_of_minutes_that_may_be_folded() -> None:
    assert max(KEEP_ACKNOWLEDGED_MS, LONGEST_ABSENCE_MS) + DAY_MS <= REVISED_MS


def test_minutes_that_an_agent_may_still_change_stay() -> None:
    silent = SERVER._replace(watermark=LIMIT.minutes + REVISED_MS - 1)
    assert limit_by_server(LIMIT, silent, NOW) == LIMIT._replace(minutes=LIMIT.minutes - DAY_MS)
    silent = SERVER._replace(watermark=LIMIT.minutes + REVISED_MS)
    assert limit_by_server(LIMIT, silent, NOW) == LIMIT


def test_minutes_that_are_not_summed_stay() -> None:
    behind = SERVER._replace(summed_to=LIMIT.minutes - HOUR)
    assert limit_by_server(LIMIT, behind, NOW) == LIMIT._replace(minutes=LIMIT.minutes - DAY_MS)


def test_hours_of_which_no_utc_day_is_summed_stay() -> None:
    behind = SERVER._replace(days_summed_to=LIMIT.hours - DAY_MS)
    assert limit_by_server(LIMIT, behind, NOW) == LIMIT._replace(hours=LIMIT.hours - DAY_MS)
    inexact = SERVER._replace(inexact_day=LIMIT.hours - 3 * DAY_MS)
    assert limit_by_server(LIMIT, inexact, NOW) == LIMIT._replace(hours=LIMIT.hours - 3 * DAY_MS)


def test_hours_are_kept_for_two_days_more_than_minutes() -> None:
    same = KeptFrom(LIMIT.minutes, LIMIT.minutes)
    assert limit_by_server(same, SERVER, NOW) == KeptFrom(LIMIT.minutes, LIMIT.minutes - 2 * DAY_MS)


@pytest.mark.parametrize(
    "more", [{"watermark": None}, {"watermark": NOW + DAY_MS}, {"since": NOW + DAY_MS}, {"parts_pending": 1}]
)
def test_server_whose_figures_are_not_settled_keeps_its_limits(more: dict[str, int | None]) -> None:
    before = KeptFrom(5 * DAY_MS, 3 * DAY_MS)
    assert limit_by_server(LIMIT, SERVER._replace(kept_from=before, **more), NOW) == before  # type: ignore[arg-type]


def test_limits_only_rise() -> None:
    later = SERVER._replace(kept_from=KeptFrom(LIMIT.minutes + DAY_MS, LIMIT.hours + DAY_MS))
    assert limit_by_server(LIMIT, later, NOW) == later.kept_from


def test_report_of_a_folded_minute_is_a_contradiction() -> None:
    old = SlotRow(slot=LIMIT.minutes - MINUTE, revision=1)
    for rows in (
        {"slots": (old,)},
        {"stream_slots": (StreamSlotRow(slot=old.slot, scope="live", name="a", revision=1),)},
    ):
        with pytest.raises(ContradictionError, match="only sums of hours are kept"):
            refuse_folded(msgspec.structs.replace(REPORT, **rows), LIMIT.minutes)
    kept = SlotRow(slot=LIMIT.minutes, revision=1)
    refuse_folded(msgspec.structs.replace(REPORT, slots=(kept,)), LIMIT.minutes)
