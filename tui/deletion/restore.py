"""Restores deleted records: those of the last delete, and those of the local journal."""

from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import tzinfo
from itertools import islice
from typing import NamedTuple

from streamusage.client.usage_client import UsageClient
from streamusage.core.usage import SessionKey, UsageRecord
from tui.deletion.journal import DeletedRecord
from tui.model import formats
from tui.model.text import sanitize

RECORDS_A_REQUEST = 2000
MOST_LISTED = 1_000
"""Deletes and records of the journal that a list shows, the newest ones; `streamtop journal` shows all."""


_STEP_RECORDS, _STEP_ENTRIES = 1_000, 100


@dataclass
class Restored:
    """What a restore did."""

    imported: int = 0
    kept: int = 0
    """Records that the service has already."""

    def describe(self) -> str:
        """Return the result as a sentence."""
        there = f"; {_count(self.kept)} there already" if self.kept else ""
        return f"restored {_count(self.imported)}{there}"


class Restorable(NamedTuple):
    """An entry of the list of deleted records: one record, or all of one delete."""

    name: str
    help: str
    records: Sequence[UsageRecord]


async def restore_records(
    client: UsageClient, records: Sequence[UsageRecord], restored: Callable[[Restored], None]
) -> None:
    """Import records again; `restored` receives the sum after each request. Raises `UsageApiError`."""
    done = Restored()
    for first in range(0, len(records), RECORDS_A_REQUEST):
        result = await client.import_records([*map(_documented, records[first : first + RECORDS_A_REQUEST])])
        done = Restored(done.imported + result.imported, done.kept + result.kept)
        restored(done)


def restorable_steps(
    deleted: Iterable[DeletedRecord], is_listed: Callable[[SessionKey], bool], now_ms: int, tz: tzinfo | None
) -> Generator[None, None, list[Restorable]]:
    """Return the deletes of several records and the deleted records, the newest delete first."""
    by_delete: dict[int, list[DeletedRecord]] = {}
    for number, record in enumerate(deleted, 1):
        by_delete.setdefault(record.deleted_at, []).append(record)
        if number % _STEP_RECORDS == 0:
            yield

    def entries() -> Iterator[Restorable]:
        for deleted_at in sorted(by_delete, reverse=True):
            records = by_delete[deleted_at]
            at = formats.moment(deleted_at, now_ms, tz)
            if len(records) > 1:
                yield Restorable(f"all {_count(len(records))}", f"deleted {at} together", records)
            for record in records:
                started = formats.moment(record.start_time, now_ms, tz)
                listed = "; listed again" if is_listed(record.key) else ""
                yield Restorable(
                    sanitize(str(record.stream)),
                    f"started {started}, {formats.count(record.total_subscribers)} in all, deleted {at}{listed}",
                    (record,),
                )

    listed = list[Restorable]()
    for entry in islice(entries(), MOST_LISTED):
        listed.append(entry)
        if len(listed) % _STEP_ENTRIES == 0:
            yield
    return listed


def _documented(record: UsageRecord) -> UsageRecord:
    return UsageRecord(**{name: getattr(record, name) for name in UsageRecord.__struct_fields__})


def _count(number: int) -> str:
    return f"{number:,} record" + ("" if number == 1 else "s")
