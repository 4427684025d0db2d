"""Alerts about the store itself, which cannot keep them: states and messages are in the memory of each process.

The process that sent alerts when the store failed sends these at once. The others cannot take the lease of a store that
is not reached, nor know whether that process lives: they send them `hand_over` later, with the same ids. So a receiver
may get them more than once, and gets them even if the machine of the database was that of the sender.
"""

import asyncio
import dataclasses
from collections.abc import Sequence
from random import Random
from typing import TYPE_CHECKING

from streamusage.api.alerts import AlertStatus
from streamusage.service.alerts.estate import WatchedEstate
from streamusage.service.alerts.messages import compose_messages
from streamusage.service.alerts.queues import MemoryQueue, send_queue
from streamusage.service.alerts.rows.message_rows import QueuedMessage
from streamusage.service.alerts.rules import find_conditions
from streamusage.service.alerts.settings import AlertSettings, Receiver
from streamusage.service.alerts.states import AlertState, advance_rule

if TYPE_CHECKING:
    from streamusage.service.alerts.posting import Poster


class StoreAlerts:
    """The alerts about the store of one process."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self._states: dict[str, AlertState] = {}
        self._queues: dict[str, MemoryQueue] = {}
        self._sending: dict[str, asyncio.Task[None]] = {}
        self._now_ms = 0

    def list_states(self) -> list[AlertStatus]:
        """Return the alerts, also those that ended."""
        return [state.status() for state in self._states.values()]

    def evaluate(
        self,
        settings: AlertSettings,
        poster: "Poster",
        faults: Sequence[str],
        store: str,
        now_ms: int,
        *,
        was_sender: bool,
    ) -> None:
        """Evaluate the rules about the store, and start to send what waits."""
        self._now_ms = now_ms
        estate = WatchedEstate(now_ms=now_ms, store_faults=tuple(faults), store=store)
        for rule in settings.rules:
            if rule.kind != "store":
                continue
            if not was_sender:
                rule = dataclasses.replace(rule, for_ms=rule.for_ms + settings.sending.hand_over_ms)
            known = {key: state for key, state in self._states.items() if state.rule == rule.name}
            advance = advance_rule(rule, known, find_conditions(rule, estate), (), now_ms)
            self._states.update({state.id: state for state in advance.changed})
            for key in advance.gone:
                del self._states[key]
            for message in compose_messages(advance.notices, settings.sending.name, now_ms):
                queue = self._queues.setdefault(message.receiver, MemoryQueue(message.receiver))
                queue.add(QueuedMessage(0, message))
        for receiver in settings.receivers:
            waiting = self._queues.get(receiver.name)
            running = self._sending.get(receiver.name)
            if waiting is not None and len(waiting) and (running is None or running.done()):
                self._sending[receiver.name] = asyncio.create_task(self._send(receiver, waiting, poster, settings))

    async def stop(self) -> None:
        """Stop sending."""
        tasks = list(self._sending.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _send(self, receiver: Receiver, queue: MemoryQueue, poster: "Poster", settings: AlertSettings) -> None:
        await send_queue(
            receiver,
            queue,
            poster,
            settings.sending,
            lambda: self._now_ms,
            lambda _queued: True,
            self._random,
        )
