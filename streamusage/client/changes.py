"""Pages through the changes of a service: from a cursor, or all records, until there are no more.

`ChangeSet.add_page` is the rule and pure; `read_pages` fetches the pages.

    | pages                                       | changed   | removed | reset              |
    |---------------------------------------------|-----------|---------|--------------------|
    | no cursor: records a, b                     | a, b      | –       | yes, from a start  |
    | cursor: record a; then record a again       | the later a | –     | no                 |
    | cursor: record a; then a deleted            | –         | a       | no                 |
    | cursor: a deleted; then record a (restored) | a         | –       | no                 |
    | cursor: record a; then reset with record b  | b         | –       | yes                |

Within one page a key is either a record or deleted; if a service sends both, the record counts.
"""

from collections.abc import AsyncIterator, Callable, Iterator
from itertools import islice
from typing import Generic, TypeVar

from streamusage.api.extension import Changes, SessionRecord
from streamusage.client.errors import InvalidAnswerError
from streamusage.client.usage_client import UsageClient
from streamusage.core.usage import SessionKey

Converted = TypeVar("Converted")

_SLICE = 500
"""Records that are converted before the event loop gets its turn."""


class ChangeSet(Generic[Converted]):
    """The sum of pages since a cursor. Each record is converted by `convert` once."""

    def __init__(self, cursor: str | None, convert: Callable[[SessionRecord], Converted]) -> None:
        self.cursor = cursor
        """The cursor after the pages so far; `None` before all records."""
        self.reset = cursor is None
        """Whether the set has all sessions: discard every other one."""
        self._convert = convert
        self._found: dict[SessionKey, Converted | None] = {}

    def add_page(self, page: Changes) -> Iterator[None]:
        """Add a page, in slices: yields after each of them."""
        if page.reset:
            self.reset = True
            self._found.clear()
        self._found.update(dict.fromkeys(page.deleted))
        records = iter(page.records)
        while part := list(islice(records, _SLICE)):
            self._found.update((record.key, self._convert(record)) for record in part)
            yield
        self.cursor = page.cursor

    @property
    def changed(self) -> list[Converted]:
        """The sessions that are new or different, in the order of their first change."""
        return [session for session in self._found.values() if session is not None]

    @property
    def removed(self) -> list[SessionKey]:
        """Keys of the sessions that were deleted."""
        return [key for key, session in self._found.items() if session is None]


async def read_pages(client: UsageClient, cursor: str | None) -> AsyncIterator[Changes]:
    """Yield the pages of all changes since a cursor, or of all records.

    Raises `UsageApiError`, among others where the service announces more changes and its cursor stays the same.
    """
    more = True
    while more:
        page = await client.changes(cursor)
        yield page
        more = page.more
        if more and page.cursor == cursor:
            raise InvalidAnswerError(
                client.host, "read the changes", "the service announces more changes without a new cursor"
            )
        cursor = page.cursor


async def read_changes(
    client: UsageClient, cursor: str | None, convert: Callable[[SessionRecord], Converted]
) -> ChangeSet[Converted]:
    """Return all changes since a cursor, or all records. Raises `UsageApiError`, as `read_pages` does."""
    changes = ChangeSet(cursor, convert)
    async for page in read_pages(client, cursor):
        for _ in changes.add_page(page):
            await client.pause()
    return changes
