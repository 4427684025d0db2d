"""Pages: every row once, whatever the page's size, and no endless request."""

import pytest

from streamusage import InvalidAnswerError
from streamusage.library.paging import by_number, newest_first

Row = tuple[int, str]
"""An instant and a content."""


class StoredRows:
    """Answers pages of rows as the service does."""

    def __init__(self, rows: list[Row], limit: int) -> None:
        self.rows, self.limit = sorted(rows, reverse=True), limit
        self.requests = 0

    async def newest(self, from_ms: int, to_ms: int) -> tuple[list[Row], bool]:
        self.requests += 1
        found = [row for row in self.rows if from_ms <= row[0] < to_ms]
        return found[: self.limit], len(found) > self.limit

    async def numbered(self, first: int) -> tuple[list[Row], bool]:
        self.requests += 1
        found = [row for row in reversed(self.rows) if row[0] >= first]
        return found[: self.limit], len(found) > self.limit


async def rows_of(stored: StoredRows) -> list[Row]:
    pages = newest_first(stored.newest, lambda row: row[0], 0, 2**53, "host")
    return [row async for page in pages for row in page]


SEVERAL = [(1, "a"), (2, "b"), (2, "c"), (2, "c"), (3, "d"), (4, "e"), (4, "f"), (5, "g")]


@pytest.mark.parametrize("limit", [4, 5, 7, 8, 100])
async def test_each_row_comes_once_newest_first_also_equal_ones_of_one_millisecond(limit: int) -> None:
    stored = StoredRows(SEVERAL, limit)
    assert await rows_of(stored) == stored.rows


async def test_page_that_is_filled_by_one_millisecond_is_an_error_not_an_endless_loop() -> None:
    with pytest.raises(InvalidAnswerError, match="more rows of one millisecond"):
        await rows_of(StoredRows(SEVERAL, 3))


async def test_empty_list_is_one_request() -> None:
    stored = StoredRows([], 5)
    assert await rows_of(stored) == []
    assert stored.requests == 1


@pytest.mark.parametrize("limit", [1, 2, 3, 5])
async def test_numbered_rows_come_once_ascending(limit: int) -> None:
    stored = StoredRows([(number, "") for number in (1, 2, 3, 5, 8)], limit)
    pages = by_number(stored.numbered, lambda row: row[0], 2)
    assert [row[0] async for page in pages for row in page] == [2, 3, 5, 8]
