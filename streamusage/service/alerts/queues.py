"""The messages of one receiver: sends them in order, and waits after a failure.

| outcome                          | then                                                                      |
|----------------------------------|---------------------------------------------------------------------------|
| 2xx                              | the message is removed, the next one is sent                              |
| 400, 405, 410, 413, 414, 415, 422 | the message is dropped: it would be refused again                        |
| anything else, or no answer      | all messages of the receiver wait, twice as long after each failure       |
| older than `give_up`             | the message is dropped                                                    |

A process that is killed between an answer and the removal leaves the message: it is sent again, with the same key.
"""

import logging
from collections.abc import Callable
from random import Random
from typing import TYPE_CHECKING, Protocol

from sqlalchemy import Connection

from streamusage.service.alerts.retries import DeliveryAttempt, delay_ms, is_final
from streamusage.service.alerts.rows.message_rows import (
    QueuedMessage,
    ReceiverRow,
    load_messages,
    load_receiver,
    remove_message,
    save_receiver,
)
from streamusage.service.alerts.settings import Receiver, Sending
from streamusage.service.retention_round import StoreAccess
from streamusage.service.store.engines.locks import LockSet

if TYPE_CHECKING:
    from streamusage.service.alerts.posting import Poster

log = logging.getLogger("streamusage.service.jobs")

BATCH = 20
"""Messages that are read at once."""


class MessageQueue(Protocol):
    """The messages that wait for one receiver, and what is known of it."""

    async def load(self) -> tuple[ReceiverRow, list[QueuedMessage]]:
        """Return what is known of the receiver, and its oldest messages."""
        ...

    async def finish(self, queued: QueuedMessage, row: ReceiverRow) -> None:
        """Remove a message that was delivered or dropped."""
        ...

    async def fail(self, row: ReceiverRow) -> None:
        """Keep what is known after a failure."""
        ...


class StoredQueue:
    """The messages of a receiver in the store: they survive the process."""

    def __init__(self, access: StoreAccess, receiver: str) -> None:
        self._access = access
        self._receiver = receiver

    async def load(self) -> tuple[ReceiverRow, list[QueuedMessage]]:
        """Return what is known of the receiver, and its oldest messages."""
        return await self._access.read(
            lambda connection: (
                load_receiver(connection, self._receiver),
                load_messages(connection, self._receiver, BATCH),
            )
        )

    async def finish(self, queued: QueuedMessage, row: ReceiverRow) -> None:
        """Remove a message that was delivered or dropped."""

        def work(connection: Connection) -> None:
            remove_message(connection, queued)
            save_receiver(connection, row)

        await self._access.write(work, LockSet())

    async def fail(self, row: ReceiverRow) -> None:
        """Keep what is known after a failure."""
        await self._access.write(lambda connection: save_receiver(connection, row), LockSet())


class MemoryQueue:
    """The messages of a receiver about a store that cannot keep them."""

    def __init__(self, receiver: str) -> None:
        self._row = ReceiverRow(receiver)
        self._messages: list[QueuedMessage] = []
        self._number = 0

    def add(self, queued: QueuedMessage) -> None:
        """Queue a message."""
        self._number += 1
        self._messages.append(queued._replace(number=self._number))

    def __len__(self) -> int:
        return len(self._messages)

    async def load(self) -> tuple[ReceiverRow, list[QueuedMessage]]:
        """Return what is known of the receiver, and its oldest messages."""
        return self._row, self._messages[:BATCH]

    async def finish(self, queued: QueuedMessage, row: ReceiverRow) -> None:
        """Remove a message that was delivered or dropped."""
        self._row = row
        self._messages = [other for other in self._messages if other.number != queued.number]

    async def fail(self, row: ReceiverRow) -> None:
        """Keep what is known after a failure."""
        self._row = row


async def send_queue(
    receiver: Receiver,
    queue: MessageQueue,
    poster: "Poster",
    sending: Sending,
    now_ms: Callable[[], int],
    may_send: Callable[[QueuedMessage], bool],
    random: Random,
) -> int | None:
    """Send the messages that are due, up to a failure or to one that may not be sent now.

    Return after how many milliseconds to continue; `None` if nothing is due before more is queued.
    """
    while True:
        row, messages = await queue.load()
        wait_ms = row.next_at - now_ms()
        if not messages:
            return None
        # A time further away is of a clock that was wrong.
        if row.attempts and 0 < wait_ms <= _longest_wait_ms(sending):
            return wait_ms
        for queued in messages:
            if not may_send(queued):
                return None
            if now_ms() - queued.message.created_at > sending.give_up_ms:
                row = row._replace(dropped=row.dropped + 1, error="a message was too old to be sent; it was dropped")
                log.error("a message for the receiver %s was dropped: it could not be sent in time", receiver.name)
                await queue.finish(queued, row)
                continue
            outcome = await poster.post(receiver, queued.message, now_ms())
            row = _after(receiver, row, outcome, sending, now_ms(), random)
            if not outcome.is_delivered and not is_final(outcome.status):
                await queue.fail(row)
                return row.next_at - now_ms()
            await queue.finish(queued, row)


def _after(
    receiver: Receiver, row: ReceiverRow, outcome: DeliveryAttempt, sending: Sending, now_ms: int, random: Random
) -> ReceiverRow:
    if outcome.is_delivered:
        if row.attempts:
            log.warning("the receiver %s accepts alerts again after %d attempts", receiver.name, row.attempts)
        return row._replace(delivered=row.delivered + 1, delivered_at=now_ms, attempts=0, next_at=0, error="")
    failed = row._replace(failures=row.failures + 1, failed_at=now_ms, error=outcome.describe())
    if is_final(outcome.status):
        log.error("the receiver %s refused a message, which was dropped: %s", receiver.name, outcome.describe())
        return failed._replace(dropped=row.dropped + 1, attempts=0, next_at=0)
    wait_ms = delay_ms(
        row.attempts + 1, sending.first_retry_ms, sending.longest_retry_ms, random, outcome.retry_after_seconds
    )
    if not row.attempts:
        log.warning(
            "the receiver %s did not accept an alert: %s; messages are kept and sent again", receiver.name,
            outcome.describe(),
        )  # fmt: skip
    return failed._replace(attempts=row.attempts + 1, next_at=now_ms + wait_ms)


def _longest_wait_ms(sending: Sending) -> int:
    return max(sending.longest_retry_ms, 3_600_000)
