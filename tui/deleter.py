"""Carries out a delete that was confirmed: journal first, then session by session, each by its own start time.

A stream is never deleted as a whole: a session that began since it was asked for would go with it.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from streamusage.client import NotFound, UsageApiError, UsageClient
from streamusage.usage import SessionKey, StreamId, UsageRecord
from tui import deleted


@dataclass
class Outcome:
    """What came of a delete."""

    stream: StreamId
    deleted: list[SessionKey] = field(default_factory=list)
    gone_before: list[SessionKey] = field(default_factory=list)
    failed: list[tuple[SessionKey, str]] = field(default_factory=list)
    not_tried: list[SessionKey] = field(default_factory=list)
    why_not: str = ""
    """Why nothing more was tried."""
    failure: Exception | None = None
    """What stopped it."""


async def delete_sessions(
    client: UsageClient,
    stream: StreamId,
    records: list[UsageRecord],
    journal_path: Path | None,
    now_ms: int,
    progress: Callable[[int], None] = lambda done: None,
) -> Outcome:
    """Deletes exactly these records' sessions. Stops at the first failure that the next one would meet as well."""
    outcome = Outcome(stream)
    try:
        await asyncio.to_thread(deleted.append, records, journal_path, service=client.host, deleted_at=now_ms)
    except deleted.JournalError as error:
        outcome.not_tried = [record.key for record in records]
        outcome.why_not, outcome.failure = str(error), error
        return outcome
    for number, record in enumerate(records):
        try:
            await client.delete_session(record.key)
        except NotFound:
            outcome.gone_before.append(record.key)
        except (UsageApiError, ValueError) as error:
            outcome.failed.append((record.key, str(error)))
            outcome.not_tried = [later.key for later in records[number + 1 :]]
            outcome.why_not, outcome.failure = str(error), error
            return outcome
        else:
            outcome.deleted.append(record.key)
        progress(number + 1)
    return outcome


def in_words(outcome: Outcome) -> str:
    """What happened, in one sentence."""
    parts = []
    if outcome.deleted:
        parts.append(f"{len(outcome.deleted):,} deleted")
    if outcome.gone_before:
        parts.append(f"{len(outcome.gone_before):,} gone already")
    if outcome.failed:
        parts.append(f"{len(outcome.failed):,} failed")
    if outcome.not_tried:
        parts.append(f"{len(outcome.not_tried):,} not tried")
    told = ", ".join(parts) or "nothing to delete"
    return f"{told}: {outcome.why_not}" if outcome.why_not else told
