"""Executes a confirmed delete: journal first, then session by session, each by its own start time.

A stream is never deleted as a whole: a session that began since the request would be deleted with it.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from streamusage.client.errors import NotFoundError, RefusedError, UnreachableError, UsageApiError
from streamusage.client.usage_client import UsageClient
from streamusage.core.usage import SessionKey, UsageRecord
from tui.deletion import journal as deletion_journal

_CONFLICTS = (409, 412)
"""HTTP statuses of a service whose session is no longer the one that was listed."""
MOST_REFUSALS = 3
"""After so many refusals in a row the rest is not tried: the cause is not one record."""


@dataclass
class Outcome:
    """The result of a delete."""

    subject: str
    """What was to be deleted, as an operator names it."""
    deleted: list[SessionKey] = field(default_factory=list)
    gone_before: list[SessionKey] = field(default_factory=list)
    failed: list[tuple[SessionKey, str]] = field(default_factory=list)
    """Each with the reason."""
    not_tried: list[SessionKey] = field(default_factory=list)
    stop_reason: str = ""
    """Why the rest was not tried."""
    failure: Exception | None = None
    """The first error."""
    conflicts: int = 0
    """How many failed because they changed after they were listed."""
    without_answer: int = 0
    """How many failed and may be deleted all the same: the service did not answer."""


async def delete_sessions(
    client: UsageClient,
    subject: str,
    records: list[UsageRecord],
    journal_path: Path | None,
    now_ms: int,
    progress: Callable[[int], None] = lambda done: None,
    stopped: Callable[[], bool] = lambda: False,
) -> Outcome:
    """Delete exactly these records' sessions, one by one, until `stopped`.

    A session that the service refuses is skipped; if it refuses several in a row, or cannot be reached, the rest is
    not tried. `progress` receives the number of sessions done.
    """
    outcome = Outcome(subject)
    refused = 0
    try:
        await asyncio.to_thread(
            deletion_journal.append_records, records, journal_path, service=client.host, deleted_at=now_ms
        )
    except deletion_journal.DeletionJournalError as error:
        outcome.not_tried = [record.key for record in records]
        outcome.stop_reason, outcome.failure = str(error), error
        return outcome
    for number, record in enumerate(records):
        if stopped():
            outcome.not_tried = [later.key for later in records[number:]]
            outcome.stop_reason = "stopped by you"
            return outcome
        try:
            await client.delete_session(record.key)
        except NotFoundError:
            outcome.gone_before.append(record.key)
        except (UsageApiError, ValueError) as error:
            outcome.failed.append((record.key, _reason(error)))
            outcome.failure = outcome.failure or error
            outcome.conflicts += getattr(error, "status", None) in _CONFLICTS
            outcome.without_answer += isinstance(error, UnreachableError) and error.status is None
            refused += 1
            if refused < MOST_REFUSALS and isinstance(error, RefusedError | ValueError) and number + 1 < len(records):
                continue
            outcome.not_tried = [later.key for later in records[number + 1 :]]
            outcome.stop_reason = _reason(error)
            return outcome
        else:
            refused = 0
            outcome.deleted.append(record.key)
        progress(number + 1)
    return outcome


def describe_outcome(outcome: Outcome) -> str:
    """Return what happened, in one sentence."""
    parts = []
    if outcome.deleted:
        parts.append(f"{len(outcome.deleted):,} deleted")
    if outcome.gone_before:
        parts.append(f"{len(outcome.gone_before):,} gone already")
    if outcome.failed:
        parts.append(f"{len(outcome.failed):,} failed")
    if outcome.not_tried:
        parts.append(f"{len(outcome.not_tried):,} not tried")
    counts = ", ".join(parts) or "nothing to delete"
    reason = outcome.stop_reason or (outcome.failed[0][1] if outcome.failed else "")
    return f"{counts}: {reason}" if reason else counts


def describe_rest(outcome: Outcome) -> list[str]:
    """Return what is left of a delete that did not complete, in sentences; empty where nothing is left."""
    sentences = []
    if outcome.conflicts:
        what = "1 session" if outcome.conflicts == 1 else f"{outcome.conflicts:,} sessions"
        sentences.append(f"{what} changed after being listed, so the service refused the delete")
    if outcome.without_answer:
        sentences.append("the one without an answer may be deleted all the same")
    if left := len(outcome.failed) + len(outcome.not_tried) - outcome.without_answer:
        sentences.append(f"{left:,} still at the service")
    return sentences


def _reason(error: UsageApiError | ValueError) -> str:
    """Return why a session could not be deleted, without the session and the host, which are shown beside it."""
    return error.cause if isinstance(error, UsageApiError) else str(error)
