"""Spans of several days: cut when they are written, cut later if an earlier version wrote them, joined for readers."""

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import Connection, insert, select

from streamusage.api.extension import CoverageSpan
from streamusage.core.coverage import Interval, Provenance
from streamusage.service.queries.coverage import list_coverage
from streamusage.service.rules.apply import Piece, ServerState
from streamusage.service.store.partitions.long_spans import cut_long_spans
from streamusage.service.store.schema import spans
from streamusage.service.store.server_rows import piece_of_row, save_pieces
from streamusage.service.store.server_states import ServerCondition, save_state
from streamusage.service.store.store import Store, open_store

DAY = 86_400_000
HOUR = 3_600_000
MIDNIGHT = 20_775 * DAY
NOW = MIDNIGHT + 5 * DAY
LIVE, BACKFILLED, LOST = Provenance.LIVE, Provenance.BACKFILLED, Provenance.LOST


@pytest.fixture
def store(store_url: str) -> Iterator[Store]:
    store = open_store(store_url, NOW)
    yield store
    store.close()


@pytest.fixture
def connection(store: Store) -> Iterator[Connection]:
    with store.writing() as connection, connection.begin():
        save_state(connection, ServerState(server="a", epoch=1, since=MIDNIGHT, watermark=NOW), ServerCondition())
        yield connection


def stored(connection: Connection) -> list[tuple[int, int]]:
    rows = connection.execute(select(spans.c.from_ms, spans.c.to_ms).order_by(spans.c.from_ms))
    return [((row.from_ms - MIDNIGHT) // HOUR, (row.to_ms - MIDNIGHT) // HOUR) for row in rows]


def listed(connection: Connection, from_hour: int, to_hour: int) -> list[CoverageSpan]:
    window = Interval(MIDNIGHT + from_hour * HOUR, MIDNIGHT + to_hour * HOUR)
    (server,) = list_coverage(connection, window, NOW, None).servers
    return server.spans


def piece(from_hour: int, to_hour: int, state: Provenance = LIVE, **values: Any) -> Piece:
    plain = Piece(MIDNIGHT + from_hour * HOUR, MIDNIGHT + to_hour * HOUR, state, "", None, None)
    return plain._replace(**values)


def test_span_grows_up_to_midnight(connection: Connection) -> None:
    for hour in (22, 23, 24, 25):
        save_pieces(connection, "a", [piece(hour, hour + 1)])
    assert stored(connection) == [(22, 24), (24, 26)]
    assert [(span.from_ms, span.to_ms) for span in listed(connection, 0, 48)] == [piece(22, 26)[:2]]


def test_piece_of_several_days_is_cut_and_listed_as_one(connection: Connection) -> None:
    filled = piece(20, 75, BACKFILLED, detected_at=NOW - HOUR, filled_at=NOW)
    save_pieces(connection, "a", [piece(1, 20), filled, piece(75, 96)])
    assert stored(connection) == [(1, 20), (20, 24), (24, 48), (48, 72), (72, 75), (75, 96)]
    spans_of_window = listed(connection, 30, 80)
    assert [(span.from_ms, span.to_ms, span.state) for span in spans_of_window] == [
        (MIDNIGHT + 30 * HOUR, filled.to_ms, BACKFILLED),
        (filled.to_ms, MIDNIGHT + 80 * HOUR, LIVE),
    ]
    assert (spans_of_window[0].detected_at, spans_of_window[0].filled_at) == (NOW - HOUR, NOW)


def test_span_continued_after_midnight_keeps_when_it_was_detected(connection: Connection) -> None:
    save_pieces(connection, "a", [piece(20, 24, LOST, detected_at=NOW - 2 * HOUR)])
    save_pieces(connection, "a", [piece(24, 30, LOST, detected_at=NOW - HOUR)])
    assert [span.detected_at for span in listed(connection, 25, 30)] == [NOW - 2 * HOUR]


def test_span_of_an_earlier_version_is_listed_and_then_cut(connection: Connection) -> None:
    long = piece(30, 100)
    connection.execute(insert(spans).values(server="a", **long._asdict()))
    before = listed(connection, 90, 110)
    assert next((span.from_ms, span.to_ms) for span in before) == (MIDNIGHT + 90 * HOUR, long.to_ms)
    assert cut_long_spans(connection, NOW) == 1
    assert stored(connection) == [(30, 48), (48, 72), (72, 96), (96, 100)]
    assert listed(connection, 90, 110) == before
    assert cut_long_spans(connection, NOW) == 0


def test_parts_of_a_cut_span_differ_from_it_in_time_only(connection: Connection) -> None:
    whole = piece(30, 60, Provenance.PARTIAL, reason="journal lost", detected_at=7, filled_at=9)
    save_pieces(connection, "a", [whole])
    parts = [piece_of_row(row) for row in connection.execute(select(spans).order_by(spans.c.from_ms))]
    assert [part._replace(from_ms=0, to_ms=0) for part in parts] == [whole._replace(from_ms=0, to_ms=0)] * 2
