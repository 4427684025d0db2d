"""Polls a plain Stream Manager: its whole list of usage records and its live list, of which only changes are processed.

The first poll collects all sessions as columns. Later ones decode the rows that changed. What is kept between polls is
a hash and the key of each row, and the sessions on air.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from streamusage.client.errors import InvalidAnswerError
from streamusage.client.listed_records import Listing, PlainKey
from streamusage.client.usage_client import UsageClient
from streamusage.core.usage import PartialUsageRecord, SessionKey
from tui.app.live_list_reader import LiveListReader
from tui.model.sessions.live_list import merge_live_list
from tui.model.sessions.session import Session, from_record
from tui.model.sessions.session_batch import SMALL_LIST, SessionBatch

_STEP_SESSIONS = 500


@dataclass
class ListChanges:
    """What a poll of the lists changed."""

    changed: Sequence[Session]
    removed: list[SessionKey]
    reset: bool
    live_list_is_readable: bool
    live_list_problem: str = ""
    """Why the live list could not be read; empty where it could."""


class PlainLists:
    """What is known of the lists of one service. A poll that fails changes nothing of it."""

    def __init__(self, client: UsageClient) -> None:
        self._client = client
        self._live_list = LiveListReader(client)
        self._listing = Listing()
        self._is_first = True
        self._on_air: dict[SessionKey, Session] = {}
        """The sessions of the live list, as they were passed on last."""
        self._recorded: dict[SessionKey, Session] = {}
        """The usage records of those that have one."""

    @property
    def is_first(self) -> bool:
        """Whether no poll has succeeded yet."""
        return self._is_first

    async def poll(self) -> ListChanges:
        """Poll both lists. Raises `UsageApiError` where the records cannot be read; the live list may fail."""
        if self._is_first:
            return await self._poll_first()
        changes = await self._poll_again()
        if changes is None:
            # A record that did not change is needed for a session that is on air now: decode all of them once more.
            self._listing.forget()
            changes = await self._poll_again()
        if changes is None:
            raise InvalidAnswerError(self._client.host, "read the lists", "a record is listed and cannot be found")
        return changes

    async def _pause_after(self, steps: Iterable[object]) -> None:
        for _ in steps:
            await self._client.pause()

    async def _poll_first(self) -> ListChanges:
        batch = SessionBatch()

        def collect(records: Sequence[PartialUsageRecord], keys: Sequence[PlainKey]) -> None:
            batch.extend_records(records, keys[-len(records) :])

        listing = (await self._client.usage_since(Listing(), collect)).listing
        places: dict[PlainKey, list[int]] = {}
        await self._pause_after(listing.places(batch.repeated, places))
        for several in places.values():
            listing.always_decode(several)
        live = await self._live_list.read()
        on_air: dict[SessionKey, Session] = {}
        await self._pause_after(merge_live_list(batch, live or [], on_air))
        recorded = {key: session for key in on_air if (session := batch.get(key)) is not None}
        for number, session in enumerate(on_air.values()):
            batch.put(session)
            if number % _STEP_SESSIONS == 0:
                await self._client.pause()
        self._listing, self._on_air, self._recorded, self._is_first = listing, on_air, recorded, False
        changed = list(batch) if len(batch) <= SMALL_LIST else batch
        return ListChanges(
            changed,
            [],
            reset=True,
            live_list_is_readable=live is not None,
            live_list_problem=self._live_list.problem,
        )

    async def _poll_again(self) -> ListChanges | None:
        """Return the changes; `None` where a record is needed that was not decoded."""
        records: dict[SessionKey, Session] = {}

        def collect(some: Sequence[PartialUsageRecord], _: Sequence[PlainKey]) -> None:
            records.update((record.key, from_record(record)) for record in some)

        reader = await self._client.usage_since(self._listing, collect)
        for superseded in reader.superseded:
            records.pop(SessionKey(*superseded), None)
        live = await self._live_list.read()
        known = _Known(records, self._recorded, reader.removed)
        on_air: dict[SessionKey, Session] = {}
        await self._pause_after(merge_live_list(known, live or [], on_air))
        if await self._needs_record(on_air, reader.listing, records):
            return None
        removed = {SessionKey(*key) for key in reader.removed if key not in on_air}
        changed = {key: session for key, session in records.items() if key not in on_air}
        for number, (key, session) in enumerate(on_air.items()):
            if session != self._on_air.get(key):
                changed[key] = session
            if number % _STEP_SESSIONS == 0:
                await self._client.pause()
        for key in self._on_air.keys() - on_air.keys() - records.keys():
            session_before = known.get(key)
            if session_before is not None:
                changed[key] = session_before
            else:
                removed.add(key)
        self._listing, self._on_air = reader.listing, on_air
        self._recorded = {key: record for key in on_air if (record := known.get(key)) is not None}
        return ListChanges(
            list(changed.values()),
            list(removed),
            reset=False,
            live_list_is_readable=live is not None,
            live_list_problem=self._live_list.problem,
        )

    async def _needs_record(
        self, on_air: Iterable[SessionKey], listing: Listing, records: dict[SessionKey, Session]
    ) -> bool:
        new: set[PlainKey] = {key for key in on_air if key not in self._on_air and key not in records}
        places: dict[PlainKey, list[int]] = {}
        await self._pause_after(listing.places(new, places))
        return bool(places)


class _Known:
    """The usage records that are known, by key: those that were decoded now, and those of sessions on air."""

    def __init__(
        self, decoded: dict[SessionKey, Session], before: dict[SessionKey, Session], removed: set[PlainKey]
    ) -> None:
        self._decoded, self._before, self._removed = decoded, before, removed

    def get(self, key: SessionKey) -> Session | None:
        """Return the usage record of a key, or `None`."""
        found = self._decoded.get(key)
        if found is None and key not in self._removed:
            found = self._before.get(key)
        return found
