"""Messages that wait in the store, and what is known of their receivers."""

from collections import Counter
from collections.abc import Iterable
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import Connection, Row, delete, func, insert, select

from streamusage.api.alerts import AlertMessage
from streamusage.service.store.schema import alert_messages, alert_receivers
from streamusage.service.store.sql import upsert

_MESSAGE = msgspec.json.Decoder(AlertMessage)
_FIRST_DROPPED = ("refresh", "repeat")
"""Events of messages that are dropped before others where too many wait: newer ones replace them."""


class QueuedMessage(NamedTuple):
    """A message that waits."""

    number: int
    message: AlertMessage


class ReceiverRow(NamedTuple):
    """How the deliveries to a receiver fare."""

    name: str
    attempts: int = 0
    """Failed ones in a row."""
    next_at: int = 0
    """When the next one is due, in trusted time."""
    delivered: int = 0
    failures: int = 0
    dropped: int = 0
    refreshed_at: int = 0
    delivered_at: int | None = None
    failed_at: int | None = None
    error: str = ""


class Waiting(NamedTuple):
    """How many messages wait for a receiver, and since when the oldest does."""

    messages: int
    oldest_at: int


def load_messages(connection: Connection, receiver: str, limit: int) -> list[QueuedMessage]:
    """Return the oldest messages of a receiver in the order in which they are to be sent."""
    query = select(alert_messages).where(alert_messages.c.receiver == receiver)
    rows = connection.execute(query.order_by(alert_messages.c.number).limit(limit))
    return [QueuedMessage(row.number, _MESSAGE.decode(row.body)) for row in rows]


def add_messages(connection: Connection, messages: Iterable[AlertMessage], most: int) -> dict[str, int]:
    """Queue messages, at most so many of each receiver. Return how many were dropped, by receiver.

    A refresh replaces those that wait. Where too many wait, refreshes and repeats are dropped first, then the oldest.
    """
    listed = list(messages)
    if not listed:
        return {}
    for receiver in {message.receiver for message in listed if message.event == "refresh"}:
        _delete(connection, receiver, "refresh")
    number = connection.execute(select(func.max(alert_messages.c.number))).scalar() or 0
    connection.execute(
        insert(alert_messages),
        [
            {
                "number": number + index,
                "key": message.id,
                "receiver": message.receiver,
                "event": message.event,
                "created_at": message.created_at,
                "body": msgspec.json.encode(message),
            }
            for index, message in enumerate(listed, start=1)
        ],
    )
    dropped = Counter[str]()
    for receiver in {message.receiver for message in listed}:
        dropped[receiver] = _drop_surplus(connection, receiver, most)
    found = {name: count for name, count in dropped.items() if count}
    for name, count in found.items():
        row = load_receiver(connection, name)
        save_receiver(connection, row._replace(dropped=row.dropped + count))
    return found


def remove_message(connection: Connection, queued: QueuedMessage) -> None:
    """Remove a message that was delivered or given up. Numbers are used again; keys are not."""
    is_it = (alert_messages.c.number == queued.number) & (alert_messages.c.key == queued.message.id)
    connection.execute(delete(alert_messages).where(is_it))


def remove_messages_of_others(connection: Connection, receivers: Iterable[str]) -> int:
    """Remove the messages and figures of receivers that are not among these. Return how many messages there were."""
    names = sorted(receivers)
    connection.execute(delete(alert_receivers).where(alert_receivers.c.name.not_in(names)))
    return connection.execute(delete(alert_messages).where(alert_messages.c.receiver.not_in(names))).rowcount


def count_waiting(connection: Connection) -> dict[str, Waiting]:
    """Return how many messages wait, by receiver."""
    query = select(
        alert_messages.c.receiver, func.count().label("messages"), func.min(alert_messages.c.created_at).label("oldest")
    ).group_by(alert_messages.c.receiver)
    return {row.receiver: Waiting(int(row.messages), int(row.oldest)) for row in connection.execute(query)}


def load_receivers(connection: Connection) -> dict[str, ReceiverRow]:
    """Return what is known of every receiver, by name."""
    return {row.name: _receiver(row) for row in connection.execute(select(alert_receivers))}


def load_receiver(connection: Connection, name: str) -> ReceiverRow:
    """Return what is known of a receiver; of a new one, nothing."""
    row = connection.execute(select(alert_receivers).where(alert_receivers.c.name == name)).one_or_none()
    return ReceiverRow(name) if row is None else _receiver(row)


def save_receiver(connection: Connection, row: ReceiverRow) -> None:
    """Write what is known of a receiver, but for its refreshes."""
    upsert(connection, alert_receivers, [row._asdict()], keep=("refreshed_at",))


def note_refresh(connection: Connection, name: str, now_ms: int) -> None:
    """Write that a receiver was queued a refresh."""
    row = load_receiver(connection, name)
    upsert(connection, alert_receivers, [row._asdict() | {"refreshed_at": now_ms}])


def _receiver(row: Row[Any]) -> ReceiverRow:
    return ReceiverRow(**{name: getattr(row, name) for name in ReceiverRow._fields})


def _drop_surplus(connection: Connection, receiver: str, most: int) -> int:
    mine = alert_messages.c.receiver == receiver
    numbers = [
        (row.event not in _FIRST_DROPPED, row.number)
        for row in connection.execute(select(alert_messages.c.number, alert_messages.c.event).where(mine))
    ]
    surplus = sorted(numbers)[: max(0, len(numbers) - most)]
    for _, number in surplus:
        connection.execute(delete(alert_messages).where(alert_messages.c.number == number))
    return len(surplus)


def _delete(connection: Connection, receiver: str, event: str) -> None:
    connection.execute(
        delete(alert_messages).where(alert_messages.c.receiver == receiver, alert_messages.c.event == event)
    )
