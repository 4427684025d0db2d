"""Which part of a divided table is dropped, waits for its partition, or is discarded row by row."""

from streamusage.core.coverage import Interval
from streamusage.service.store.partitions.expired_partitions import FIRST, RowRange, split_expired

DAY = 86_400_000


def days(first: int, last: int) -> Interval:
    return Interval(first * DAY, last * DAY)


def upto(day: int) -> Interval:
    return Interval(FIRST, day * DAY)


def test_rows_of_an_undivided_table_are_discarded_one_by_one() -> None:
    assert split_expired([], 5 * DAY) == ([], [RowRange(upto(5), None)])


def test_expired_partitions_are_dropped_and_one_that_expired_in_part_waits() -> None:
    months = [days(0, 30), days(30, 60), days(60, 90)]
    assert split_expired(months, 65 * DAY) == (months[:2], [RowRange(upto(0), upto(0))])
    assert split_expired(months, 60 * DAY) == (months[:2], [RowRange(upto(0), upto(0))])


def test_rows_between_partitions_are_discarded_one_by_one() -> None:
    dropped, by_row = split_expired([days(10, 20), days(30, 40), days(70, 80)], 50 * DAY)
    assert dropped == [days(10, 20), days(30, 40)]
    assert by_row == [
        RowRange(upto(10), upto(10)),
        RowRange(days(20, 30), days(20, 30)),
        RowRange(days(40, 50), days(40, 70)),
    ]


def test_rows_after_the_last_partition_are_discarded_one_by_one() -> None:
    assert split_expired([days(10, 20)], 50 * DAY) == (
        [days(10, 20)],
        [RowRange(upto(10), upto(10)), RowRange(days(20, 50), days(20, 50))],
    )


def test_rows_of_the_initial_partition_do_not_wait_for_it() -> None:
    initial = upto(400)
    assert split_expired([initial, days(400, 430)], 50 * DAY) == ([], [RowRange(upto(50), initial)])
    assert split_expired([initial, days(400, 430)], 410 * DAY) == ([initial], [])


def test_time_before_the_oldest_partition_expires_in_part() -> None:
    assert split_expired([days(10, 20)], 5 * DAY) == ([], [RowRange(upto(5), upto(10))])
