"""Pages of lists whose end the service announces with `more`."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Protocol, TypeVar

from streamusage.client.errors import InvalidAnswerError

Row = TypeVar("Row")


class FetchNewest(Protocol[Row]):
    """Fetches the newest rows of a window, and whether it has older ones."""

    async def __call__(self, from_ms: int, to_ms: int) -> tuple[list[Row], bool]:
        """Return the rows of `[from_ms, to_ms)`, newest first, and whether there are older ones."""


async def newest_first(
    fetch: FetchNewest[Row], at_of: Callable[[Row], int], from_ms: int, to_ms: int, host: str
) -> AsyncIterator[list[Row]]:
    """Yield the pages of a window, newest first, each row once.

    Rows of one millisecond may be divided between two pages: the next page begins with that millisecond again, and its
    rows that are known are left out. Raises `InvalidAnswerError` where one millisecond has more rows than a page.
    """
    known: list[Row] = []
    """The rows of the oldest millisecond so far."""
    more = True
    while more:
        rows, more = await fetch(from_ms, to_ms)
        again, new = list(known), list[Row]()
        for row in rows:
            if row in again:
                again.remove(row)  # of two equal rows only as many as are known
            else:
                new.append(row)
        yield new
        if not more:
            return
        if not new:
            raise InvalidAnswerError(host, "read a list", "more rows of one millisecond than a page has")
        oldest = at_of(rows[-1])
        known = [row for row in (*known, *new) if at_of(row) == oldest]
        to_ms = oldest + 1


async def by_number(
    fetch: Callable[[int], Awaitable[tuple[list[Row], bool]]], number_of: Callable[[Row], int], first: int
) -> AsyncIterator[list[Row]]:
    """Yield the pages of numbered rows from `first` on, ascending."""
    more = True
    while more:
        rows, more = await fetch(first)
        yield rows
        if not rows:
            return
        first = number_of(rows[-1]) + 1
