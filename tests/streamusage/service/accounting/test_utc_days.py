"""Daily statistics from stored UTC days equal those from hours and slots, to the byte."""

import random
from collections.abc import Iterator
from datetime import date
from typing import Any

import msgspec
import pytest
from sqlalchemy import Connection, delete, func, insert, select, update

from streamusage.api.daily import Daily
from streamusage.core.coverage import SLOT_MS
from streamusage.core.days import day_interval, zone
from streamusage.service.accounting.closing import advance_accounting, is_accounting_due
from streamusage.service.accounting.hours import resum_hours
from streamusage.service.accounting.utc_days import (
    compare_day,
    find_unsummed_days,
    forget_days,
    resum_days,
    sum_days,
)
from streamusage.service.queries.daily import list_daily_statistics
from streamusage.service.rules.utc_days import DAY_MS
from streamusage.service.store.schema import hours, servers, slot_connections, slots, spans, utc_days
from streamusage.service.store.store import Store, open_store

FIRST, LAST = date(2026, 10, 23), date(2026, 10, 28)
"""Clocks change in Berlin on the 25th, and on Lord Howe Island, by half an hour, on the 4th."""
ZONES = (
    "UTC", "Europe/Berlin", "Asia/Kolkata", "Asia/Kathmandu", "America/St_Johns", "Pacific/Auckland",
    "Australia/Lord_Howe", "Pacific/Kiritimati", "Pacific/Pago_Pago",
)  # fmt: skip
UTC = zone("UTC")
FROM_MS = day_interval(FIRST, UTC).from_ms - DAY_MS
TO_MS = day_interval(LAST, UTC).to_ms + DAY_MS
NOW = TO_MS + 3_600_000
NAMES = ("edge-1", "edge-2", "quiet")


@pytest.fixture
def store(store_url: str) -> Iterator[Store]:
    store = open_store(store_url, FROM_MS)
    yield store
    store.close()


def fill(connection: Connection, chance: random.Random) -> None:
    for name in NAMES:
        state = dict.fromkeys(("since",), FROM_MS) | dict.fromkeys(("watermark", "last_sync_at"), TO_MS)
        numbers = {"epoch": 2, "issued": 2, "acknowledged": 1, "sync_interval_ms": 10_000, "clock_offset_ms": 0}
        texts = {"role": "edge", "life": "j.1", "phase": "online", "owes": "", "baseline": None}
        connection.execute(insert(servers), [{"server": name} | state | numbers | texts])
        connection.execute(insert(spans), [*some_spans(name, chance)])
    for name in NAMES[:2]:
        for _ in range(900):
            insert_slot(connection, chance, name, FROM_MS + chance.randrange((TO_MS - FROM_MS) // SLOT_MS) * SLOT_MS)


def some_spans(name: str, chance: random.Random) -> Iterator[dict[str, Any]]:
    at = FROM_MS
    while at < TO_MS:
        to_ms = min(TO_MS, at + chance.choice((chance.randrange(1, 5_000_000), chance.randrange(1, 300_000_000))))
        state = chance.choice(("live", "live", "backfilled", "partial", "lost"))
        yield {"server": name, "from_ms": at, "to_ms": to_ms, "state": state, "reason": ""}
        at = to_ms


def insert_slot(connection: Connection, chance: random.Random, name: str, slot: int) -> None:
    epoch = chance.choice((1, 2))
    of_slot = (slots.c.server == name, slots.c.epoch == epoch, slots.c.slot == slot)
    connection.execute(delete(slots).where(*of_slot))
    sums = {column.name: chance.choice((0, chance.randrange(2**33))) for column in slots.c if column.name not in
            ("server", "epoch", "slot")}  # fmt: skip
    peaks = {f"peak_{way}_at": slot + chance.randrange(SLOT_MS) for way in ("in", "out")}
    connection.execute(insert(slots), [sums | peaks | {"server": name, "epoch": epoch, "slot": slot}])
    key = {"server": name, "epoch": epoch, "slot": slot}
    for protocol in chance.sample(("rtmp", "hls", "webrtc"), chance.randrange(3)):
        connection.execute(
            delete(slot_connections).where(*(slot_connections.c[column] == value for column, value in key.items()),
                                           slot_connections.c.protocol == protocol)
        )  # fmt: skip
        late = {"late_connections": chance.choice((0, 2))}
        connection.execute(
            insert(slot_connections), [key | late | {"protocol": protocol, "connections": chance.randrange(9)}]
        )


def answers(connection: Connection) -> dict[str, bytes]:
    def encode(daily: Daily) -> bytes:
        return msgspec.json.encode(daily)

    found = {name: encode(list_daily_statistics(connection, FIRST, LAST, zone(name), NOW, None, ())) for name in ZONES}
    one_server = list_daily_statistics(connection, FIRST, LAST, zone("Asia/Kathmandu"), NOW, "edge-2", ())
    return found | {"edge-2": encode(one_server)}


def sum_everything(connection: Connection, *, days: bool) -> None:
    while is_accounting_due(connection, [], NOW):
        if not days and connection.execute(select(func.min(servers.c.summed_to))).scalar_one() >= TO_MS:
            return
        advance_accounting(connection, [], NOW)


def test_days_from_stored_utc_days_equal_those_from_hours(store: Store) -> None:
    chance = random.Random(11)
    with store.writing() as connection, connection.begin():
        fill(connection, chance)
        from_slots = answers(connection)
        sum_everything(connection, days=False)
        assert connection.execute(select(func.count()).select_from(utc_days)).scalar_one() == 0
        assert answers(connection) == from_slots
        sum_everything(connection, days=True)
        stored = connection.execute(select(func.count()).select_from(utc_days)).scalar_one()
        assert stored == 2 * (TO_MS - FROM_MS) // DAY_MS
        assert answers(connection) == from_slots
        assert b'"final"' in from_slots["UTC"]

        # Figures that arrive later, and a repair.
        touched = [FROM_MS + chance.randrange((TO_MS - FROM_MS) // SLOT_MS) * SLOT_MS for _ in range(40)]
        for slot in touched:
            insert_slot(connection, chance, "edge-1", slot)
        resum_hours(connection, "edge-1", touched, TO_MS)
        resum_days(connection, "edge-1", touched)
        later = answers(connection)
        assert later != from_slots
        for name in NAMES:
            assert {compare_day(connection, name, day) for day in range(FROM_MS, TO_MS, DAY_MS)} == {None}
        forget_days(connection, "edge-1", FROM_MS + 3 * DAY_MS + 5)
        assert answers(connection) == later
        sum_everything(connection, days=True)
        assert answers(connection) == later
        connection.execute(delete(utc_days))
        connection.execute(update(servers).values(days_summed_to=0, summed_to=0))
        connection.execute(delete(hours))
        assert answers(connection) == later


def test_day_that_differs_from_its_hours_is_found(store: Store) -> None:
    with store.writing() as connection, connection.begin():
        fill(connection, random.Random(12))
        sum_everything(connection, days=True)
        of_server = utc_days.c.server == "edge-1"
        connection.execute(delete(utc_days).where(of_server, utc_days.c.day == FROM_MS))
        broken = update(utc_days).where(of_server, utc_days.c.day == FROM_MS + DAY_MS)
        connection.execute(broken.values(samples=b"\0" * 4_608))
        connection.execute(insert(utc_days), [{"server": "quiet", "day": FROM_MS, "figures": b"", "samples": b""}])
        assert compare_day(connection, "edge-1", FROM_MS) == "is missing, but has hours"
        assert compare_day(connection, "edge-1", FROM_MS + DAY_MS) == "differs from its hours"
        assert compare_day(connection, "edge-1", FROM_MS + 2 * DAY_MS) is None
        assert compare_day(connection, "quiet", FROM_MS) == "has figures, but no hours"


def test_a_step_sums_a_limited_number_of_days(store: Store) -> None:
    with store.writing() as connection, connection.begin():
        fill(connection, random.Random(13))
        sum_everything(connection, days=False)
        behind = find_unsummed_days(connection)
        assert [item.server for item in behind] == list(NAMES)
        sum_days(connection, behind)
        assert connection.execute(select(func.count()).select_from(utc_days)).scalar_one() == 2
        stored = dict(connection.execute(select(servers.c.server, servers.c.days_summed_to)).all())
        assert stored == {"edge-1": FROM_MS + DAY_MS, "edge-2": FROM_MS + DAY_MS, "quiet": TO_MS}
