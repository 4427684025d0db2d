"""Evaluates the rules and sends the messages, in one process of several.

Every process watches the lease (`rows/lease.py`). The one that holds it evaluates the rules each `every`, keeps states
and messages in one transaction that fails if another process has taken over, and sends what waits. Reports never wait
for it: it reads a snapshot in a thread, and its writes lock no server.

| trouble                          | then                                                                          |
|----------------------------------|-------------------------------------------------------------------------------|
| the process dies                 | another one takes over `hand_over` later, plus up to two evaluations          |
| a rule cannot be evaluated       | its alerts stay as they are; the others are evaluated                         |
| the clock is in doubt            | only rules about clock and store are evaluated, and only their messages sent  |
| the store cannot be used         | `store_alerts` evaluates and sends the rules about it from memory             |
"""

import asyncio
import logging
import os
import secrets
import socket
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from copy import copy
from random import Random
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from sqlalchemy import Connection

from streamusage.api.alerts import AlertMessage, AlertStatus, DeliveryTest, Silence
from streamusage.service.alerts.estate_rows import EstateReading, ReadingSettings, read_estate
from streamusage.service.alerts.messages import compose_messages, compose_refresh, compose_test
from streamusage.service.alerts.queues import StoredQueue, send_queue
from streamusage.service.alerts.rows.alert_rows import KEPT_MS, LOST_KEPT_MS, load_silences, load_states, save_states
from streamusage.service.alerts.rows.lease import (
    Lease,
    ListedReceiver,
    LostLeaseError,
    SenderReport,
    keep_lease,
    load_lease,
    release_lease,
    take_lease,
)
from streamusage.service.alerts.rows.message_rows import (
    QueuedMessage,
    add_messages,
    load_receivers,
    note_refresh,
    remove_messages_of_others,
)
from streamusage.service.alerts.rules import WITHOUT_CLOCK, AlertRule, Found, find_conditions
from streamusage.service.alerts.settings import AlertSettings, Receiver
from streamusage.service.alerts.states import Advance, AlertState, advance_rule, end_removed, join
from streamusage.service.alerts.store_alerts import StoreAlerts
from streamusage.service.errors import StoreError, UnreachableStoreError, UnusableStoreError
from streamusage.service.retention_round import StoreAccess
from streamusage.service.store.engines.locks import LockSet
from streamusage.service.store.store import Store
from streamusage.service.trusted_clock import TrustedClock

if TYPE_CHECKING:
    from streamusage.service.alerts.posting import Poster

log = logging.getLogger("streamusage.service.jobs")

_HANGING_MS = 30_000
"""How long an evaluation may wait for the store before that is a fault."""
_LOG_RULE_MS = 60_000
"""How often the failure of a rule is logged."""


class AlertEngine:
    """Alerts of one service process. For the event loop."""

    def __init__(
        self,
        access: StoreAccess,
        store: Store,
        clock: TrustedClock,
        settings: AlertSettings | None,
        zones: Sequence[ZoneInfo],
        settle_ms: int,
    ) -> None:
        """`settings` is `None` for a service without an alerts file, which only lists what others send."""
        self._access = access
        self._store = store
        self._clock = clock
        self.settings = settings
        self._zones = zones
        self._settle_ms = settle_ms
        self.name = f"{socket.gethostname()}:{os.getpid()}"
        self._holder = f"{self.name}:{secrets.token_hex(4)}"
        """Name in the lease: two processes of containers may have the same host and number."""
        self._held: Lease | None = None
        self._held_elapsed_ms = 0
        """When the lease was kept last, on the elapsed clock."""
        self._seen = Lease()
        self._seen_elapsed_ms: int | None = None
        """Since when the lease is as it was seen."""
        self._states: dict[str, AlertState] | None = None
        """Alerts by id, as the store has them; `None` where that is not known."""
        self._opened: Poster | None = None
        self._random = Random()
        self.evaluations = 0
        """Completed ones since the start."""
        self._began_elapsed_ms: int | None = None
        """When the evaluation under way began; `None` between two."""
        self._sending: dict[str, asyncio.Task[None]] = {}
        self._rule_logged: dict[str, int] = {}
        self._store_alerts = StoreAlerts(self._random)

    async def run(self) -> None:
        """Evaluate and send until cancelled. Without settings do nothing."""
        settings = self.settings
        if settings is None:
            return
        watching = asyncio.create_task(self._watch_store(settings))
        try:
            while True:
                await self._clock.sleep(settings.sending.every_ms / 1000)
                self._began_elapsed_ms = self._clock.elapsed_ms()
                await self._evaluate_guarded(copy(settings))  # one evaluation never sees an exchange
                self._began_elapsed_ms = None
                self.evaluations += 1
        finally:
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)
            await self._stop_sending()

    async def close(self) -> None:
        """Let another process take over, and close the connections. The store is still open."""
        held, self._held = self._held, None
        if held is not None:
            with suppress(LostLeaseError, StoreError):  # it expires
                await self._access.write(lambda connection: release_lease(connection, held), LockSet())
        if self._opened is not None:
            await self._opened.close()

    @property
    def _poster(self) -> "Poster":
        if self._opened is None:
            from streamusage.service.alerts.posting import Poster  # imports the HTTP client, which few services need

            self._opened = Poster()
        return self._opened

    @property
    def memory_alerts(self) -> list[AlertStatus]:
        """The alerts about the store that only this process knows."""
        return self._store_alerts.list_states()

    async def test(self, receiver: Receiver) -> DeliveryTest:
        """Send a test message at once and return what the receiver answered."""
        now_ms = self._clock.now_ms()
        service = "streamtop" if self.settings is None else self.settings.sending.name
        message = compose_test(receiver.name, service, secrets.token_hex(16), now_ms)
        outcome = await self._poster.post(receiver, message, now_ms)
        return DeliveryTest(
            now=now_ms,
            receiver=receiver.name,
            is_delivered=outcome.is_delivered,
            status=outcome.status,
            took_ms=outcome.took_ms,
            answer=outcome.answer,
        )

    async def _evaluate_guarded(self, settings: AlertSettings) -> None:
        try:
            await self._evaluate(settings)
        except LostLeaseError:
            log.warning("another process evaluates and sends alerts now")
            self._forget()
        except (UnusableStoreError, UnreachableStoreError):
            self._states = None  # whether the newest write was kept is not known
        except StoreError as error:
            self._states = None
            log.warning("alerts were not evaluated: %s", error)
        except Exception:
            self._states = None
            log.exception("alerts were not evaluated")

    async def _watch_store(self, settings: AlertSettings) -> None:
        """Evaluate the rules about the store, also while an evaluation of the others waits for it."""
        while True:
            await self._clock.sleep(settings.sending.every_ms / 1000)
            faults = [self._store.health.describe_fault(), self._store.reachability.describe_loss()]
            began_ms, elapsed_ms = self._began_elapsed_ms, self._clock.elapsed_ms()
            if began_ms is not None and elapsed_ms - began_ms > max(_HANGING_MS, settings.sending.hand_over_ms):
                faults.append("it answers neither reads nor writes of the alerts")
            try:
                self._store_alerts.evaluate(
                    settings,
                    self._poster,
                    [fault for fault in faults if fault],
                    self._store.display_url,
                    self._clock.now_ms(),
                    was_sender=self._held is not None,
                )
            except Exception:
                log.exception("the alert rules about the store could not be evaluated")

    async def _evaluate(self, settings: AlertSettings) -> None:
        if not await self._hold_lease(settings):
            return
        now_ms = self._clock.now_ms()
        rules = [rule for rule in settings.rules if rule.kind != "store"]
        if self._clock.state.doubt is not None:
            rules = [rule for rule in rules if rule.kind in WITHOUT_CLOCK]
        reading_settings = ReadingSettings(self._zones, self._settle_ms, self._clock.state)

        failing: dict[str, str] = {}

        def work(connection: Connection) -> tuple[dict[str, AlertState], Advance]:
            # All of it runs in the thread: the loop answers requests meanwhile.
            known = load_states(connection) if self._states is None else self._states
            reading, silences = (
                read_estate(connection, rules, reading_settings, now_ms),
                load_silences(connection, now_ms),
            )
            failing.update({rule.name: cause for rule in rules if (cause := reading.failures.get(rule.kind))})
            return known, self._advance(settings, rules, reading, silences, known, failing, now_ms)

        known, advance = await self._access.read(work)
        evaluated = [rule.name for rule in rules if rule.name not in failing]
        await self._keep(settings, known, advance, evaluated, failing, now_ms)
        self._start_sending(settings)

    def _advance(
        self,
        settings: AlertSettings,
        rules: Sequence[AlertRule],
        reading: EstateReading,
        silences: Sequence[Silence],
        known: Mapping[str, AlertState],
        failing: dict[str, str],
        now_ms: int,
    ) -> Advance:
        assert self._held is not None
        by_rule: dict[str, dict[str, AlertState]] = {}
        for state in known.values():
            by_rule.setdefault(state.rule, {})[state.id] = state
        advances = []
        for rule in rules:
            of_rule = by_rule.get(rule.name, {})
            found: Found | None = None
            if rule.name not in failing:
                try:
                    found = find_conditions(rule, reading.estate)
                except Exception as error:
                    failing[rule.name] = f"{type(error).__name__}: {error}"
                    log.exception("the alert rule %s could not be evaluated", rule.name)
            if found is None:
                self._log_failure(rule, failing[rule.name])
                continue
            is_new = rule.name not in self._held.report.rules
            advances.append(advance_rule(rule, of_rule, found, silences, now_ms, is_new))
        if self._clock.state.doubt is None:
            names = [rule.name for rule in settings.rules]
            receivers = [receiver.name for receiver in settings.receivers]
            advances.append(end_removed(known, names, receivers, now_ms))
            advances.append(Advance(gone=_forgettable(known, advances, now_ms)))
        return join(advances)

    async def _keep(
        self,
        settings: AlertSettings,
        known: dict[str, AlertState],
        advance: Advance,
        evaluated: Iterable[str],
        failing: dict[str, str],
        now_ms: int,
    ) -> None:
        held = self._held
        assert held is not None
        known_rules = {*held.report.rules, *evaluated}
        report = SenderReport(
            rules={
                rule.name: rule.severity
                for rule in settings.rules
                if rule.name in known_rules or rule.kind == "store"  # which each process evaluates
            },
            failing=failing,
            receivers=tuple(
                ListedReceiver(name=receiver.name, format=receiver.format, host=receiver.host)
                for receiver in settings.receivers
            ),
        )
        after = {**known, **{state.id: state for state in advance.changed}}
        for key in advance.gone:
            after.pop(key, None)
        messages = [
            message
            for message in compose_messages(advance.notices, settings.sending.name, now_ms)
            if (receiver := settings.receiver(message.receiver)) is not None
            and (message.event != "resolved" or receiver.sends_resolved)
        ]

        def write(connection: Connection) -> tuple[Lease, dict[str, int]]:
            lease = keep_lease(connection, held, report, now_ms)
            save_states(connection, advance.changed, advance.gone)
            if report.receivers != held.report.receivers:
                remove_messages_of_others(connection, [receiver.name for receiver in settings.receivers])
            refreshes = self._compose_refreshes(connection, settings, after.values(), now_ms)
            return lease, add_messages(connection, [*messages, *refreshes], settings.sending.queue)

        self._held, dropped = await self._access.write(write, LockSet())
        self._held_elapsed_ms = self._clock.elapsed_ms()
        self._states = after
        for name, count in dropped.items():
            log.error("%d alert messages for the receiver %s were dropped: too many wait", count, name)
        for notice in advance.notices:
            log.info("alert %s: %s (%s)", notice.event, notice.alert.summary, notice.alert.rule)

    def _compose_refreshes(
        self, connection: Connection, settings: AlertSettings, states: Iterable[AlertState], now_ms: int
    ) -> list[AlertMessage]:
        if self._clock.state.doubt is not None:
            return []
        kept = [receiver for receiver in settings.receivers if receiver.format == "alertmanager"]
        rows = load_receivers(connection) if kept else {}
        messages: list[AlertMessage] = []
        for receiver in kept:
            row = rows.get(receiver.name)
            if row is not None and 0 <= now_ms - row.refreshed_at < receiver.resend_ms:
                continue
            firing = [
                state
                for state in states
                if state.phase == "firing" and receiver.name in state.notified and not state.silenced_by
            ]
            note_refresh(connection, receiver.name, now_ms)
            messages += compose_refresh(firing, receiver.name, settings.sending.name, now_ms)
        return messages

    async def _hold_lease(self, settings: AlertSettings) -> bool:
        """Return whether this process holds the lease, which it takes over where nobody keeps it."""
        if self._held is not None:
            return True
        seen = await self._access.read(load_lease)
        elapsed_ms = self._clock.elapsed_ms()
        if seen != self._seen or self._seen_elapsed_ms is None:
            self._seen, self._seen_elapsed_ms = seen, elapsed_ms
        waited_ms = elapsed_ms - self._seen_elapsed_ms
        if seen.holder not in ("", self._holder) and waited_ms < settings.sending.hand_over_ms:
            return False
        now_ms = self._clock.now_ms()
        self._held = await self._access.write(
            lambda connection: take_lease(connection, seen, self._holder, now_ms), LockSet()
        )
        self._held_elapsed_ms = elapsed_ms
        self._states = None
        if seen.holder not in ("", self._holder):
            former = seen.holder.rpartition(":")[0]
            log.warning("this process sends alerts now; %s has not for %d s", former, waited_ms // 1000)
        return True

    def _forget(self) -> None:
        self._held, self._states, self._seen_elapsed_ms = None, None, None

    def _start_sending(self, settings: AlertSettings) -> None:
        for receiver in settings.receivers:
            running = self._sending.get(receiver.name)
            if running is None or running.done():
                self._sending[receiver.name] = asyncio.create_task(self._send(receiver, settings))

    async def _send(self, receiver: Receiver, settings: AlertSettings) -> None:
        try:
            wait_ms: int | None = 0
            # A longer wait ends with an evaluation: by then the receiver may have other settings.
            while wait_ms is not None and wait_ms <= settings.sending.every_ms:
                await self._clock.sleep(wait_ms / 1000)
                wait_ms = await send_queue(
                    receiver,
                    StoredQueue(self._access, receiver.name),
                    self._poster,
                    settings.sending,
                    self._clock.now_ms,
                    lambda queued: self._may_send(queued, settings),
                    self._random,
                )
        except StoreError:
            pass  # the store logs it; the message is sent again
        except Exception:
            log.exception("alerts for the receiver %s were not sent", receiver.name)

    def _may_send(self, queued: QueuedMessage, settings: AlertSettings) -> bool:
        is_fresh = self._clock.elapsed_ms() - self._held_elapsed_ms < settings.sending.hand_over_ms
        if self._held is None or not is_fresh:
            return False
        return self._clock.state.doubt is None or all(alert.kind in WITHOUT_CLOCK for alert in queued.message.alerts)

    async def _stop_sending(self) -> None:
        tasks = list(self._sending.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._store_alerts.stop()

    def _log_failure(self, rule: AlertRule, cause: str) -> None:
        elapsed_ms = self._clock.elapsed_ms()
        logged = self._rule_logged.get(rule.name)
        if logged is None or elapsed_ms - logged >= _LOG_RULE_MS:
            self._rule_logged[rule.name] = elapsed_ms
            log.error("the alert rule %s could not be evaluated: %s; its alerts stay as they are", rule.name, cause)


def _forgettable(known: Mapping[str, AlertState], advances: Sequence[Advance], now_ms: int) -> tuple[str, ...]:
    """Return the ids of alerts that were resolved long ago. Those of a condition that holds for ever are kept."""
    changed = {state.id for advance in advances for state in advance.changed}
    return tuple(
        state.id
        for state in known.values()
        if state.phase == "resolved"
        and state.id not in changed
        and now_ms - (state.resolved_at or 0) > (KEPT_MS if state.kind != "gap-lost" else LOST_KEPT_MS)
    )
