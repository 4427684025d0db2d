"""Sessions as columns: every session is returned as it was put in, whatever its figures."""

import msgspec
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET

from streamusage.api.extension import SessionRecord
from streamusage.core.coverage import Provenance
from streamusage.core.usage import PartialUsageRecord
from tests.support.console.records import session as session_of
from tui.model.sessions.session import Session, from_record
from tui.model.sessions.session_columns import ColumnReader, SessionColumns, SessionRows

figures = st.none() | st.integers(-5, 5) | st.integers(-(2**70), 2**70).filter(lambda figure: figure != -(2**63))
starts = st.integers(-(2**63) + 1, 2**70)
texts = st.sampled_from(["a", "Straße", "日本", ""])
sessions = st.builds(
    Session,
    scope=texts,
    name=texts,
    start_time=starts,
    end_time=figures,
    duration_ms=figures,
    active=figures,
    peak=figures,
    lost=figures,
    total=figures,
    updated=figures,
    live=st.booleans(),
    provenance=st.none() | st.sampled_from(Provenance),
    recorded=st.booleans(),
    text=texts,
    imported=st.booleans(),
)
records = st.builds(
    PartialUsageRecord, texts, texts, starts, figures, figures, figures, figures, figures, figures, figures
)


@given(st.lists(sessions, max_size=6), st.lists(sessions, max_size=6))
def test_sessions_return_as_they_were_put_in(first: list[Session], second: list[Session]) -> None:
    columns = SessionColumns()
    for session in first:
        columns.append(session)
    for row, session in enumerate(second[: len(first)]):
        columns.put(row, session)
    expected = [*second[: len(first)], *first[len(second) :]]
    assert list(columns) == expected
    assert [columns.key(row) for row in range(len(columns))] == [session.key for session in expected]


services = st.sampled_from(["", "eu", "us"])


@given(st.lists(st.tuples(sessions, services), max_size=8), st.data())
def test_frozen_columns_stay_what_they_were(chosen: list[tuple[Session, str]], data: st.DataObject) -> None:
    known = [msgspec.structs.replace(session, service=service) for session, service in chosen]
    columns = SessionColumns.of(known)
    rows = data.draw(st.lists(st.sampled_from(range(len(known))), unique=True) if known else st.just([]))
    frozen = columns.freeze()
    expected = [known[row] for row in rows]
    assert list(frozen) == known
    assert list(SessionRows(frozen, rows)) == SessionRows(frozen, rows)[:] == expected
    assert frozen.distinct_services() == sorted({session.service for session in known})
    assert list(columns.keys_of(rows)) == [session.key for session in expected]
    assert set(columns.distinct_streams(rows)) == {session.stream for session in expected}
    if rows:
        starts = [columns.start_time[row] for row in rows]
        assert columns.started_between(rows) == (min(starts), max(starts))
    live, ended = columns.live_rows(rows)
    assert live == [row for row in rows if known[row].live]
    assert ended == [row for row in rows if not known[row].live]
    assert columns.has_record(rows) == any(session.recorded for session in expected)
    whole, others = columns.whole_rows(rows)
    assert whole == [row for row in rows if known[row].is_whole]
    assert others == [row for row in rows if not known[row].is_whole]
    for row in rows:
        columns.clear_row(row)
    assert list(frozen) == known, "a copy stays when its rows are released"


our_records = st.builds(
    SessionRecord,
    *(texts, texts, starts, figures, figures, st.integers(0, 2**63 - 1), figures, figures, figures, figures),
    live=st.booleans(),
    provenance=st.sampled_from(Provenance),
    unseen_subscribers=st.just(UNSET) | st.integers(0, 9),
)


@given(st.lists(records | our_records, max_size=6))
def test_columns_of_records_are_the_sessions_of_the_records(records: list[PartialUsageRecord]) -> None:
    columns = SessionColumns()
    columns.extend_records(records[:3])
    columns.extend_records(records[3:])
    assert list(columns) == [from_record(record) for record in records]


@given(sessions.filter(lambda session: max(map(abs, session_figures(session)), default=0) < 2**63))
def test_reader_of_a_row_has_the_fields_of_the_session(session: Session) -> None:
    session = msgspec.structs.replace(session, text=f"{session.scope}/{session.name}".casefold())
    columns = SessionColumns()
    reader = ColumnReader(columns)
    reader.row = columns.append(session)
    for name in (
        *Session.__struct_fields__,
        "key",
        "stream",
        "is_whole",
        "provenance_name",
    ):
        assert getattr(reader, name) == getattr(session, name), name
    assert reader.lasted_ms(7) == session.lasted_ms(7)


def session_figures(session: Session) -> list[int]:
    return [value for name in Session.__struct_fields__ if type(value := getattr(session, name)) is int]


def test_keys_of_all_rows_are_those_of_each_row() -> None:
    plain = SessionColumns.of([session_of("a", 1), session_of("b", 2)])
    assert list(plain.keys_of(range(2))) == [plain.key(row) for row in range(2)]
    several = SessionColumns.of([session_of("a", 1, service="one"), session_of("a", 1, service="two")])
    assert list(several.keys_of(range(2))) == [several.key(row) for row in range(2)]
    assert len(set(several.keys_of(range(2)))) == 2
