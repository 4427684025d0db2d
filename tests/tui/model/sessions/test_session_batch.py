"""Batches of a first poll: a store that adopts one equals a store that applied its sessions."""

from hypothesis import given
from hypothesis import strategies as st

from streamusage.core.usage import PartialUsageRecord
from tests.support.console.records import session
from tui.model.sessions.session import Session, from_record
from tui.model.sessions.session_batch import SessionBatch
from tui.model.sessions.store import SessionStore

names = st.sampled_from(["a", "b", "C"])
starts = st.sampled_from([1, 2, 2**63, 2**70])
figures = st.none() | st.integers(0, 3) | st.just(2**66)
records = st.builds(
    PartialUsageRecord, names, names, starts, figures, figures, figures, figures, figures, figures, figures
)
sessions = st.builds(session, names, starts, names, active=figures, live=st.booleans())


@given(st.lists(st.lists(records, max_size=5), max_size=4), st.lists(sessions, max_size=4), st.lists(sessions))
def test_store_that_adopts_a_batch_equals_one_that_applied_its_sessions(
    parts: list[list[PartialUsageRecord]], put: list[Session], discarded: list[Session]
) -> None:
    batch, applied, adopted = SessionBatch(), SessionStore(), SessionStore()
    for part in parts:
        batch.extend_records(part, [(record.scope, record.name, record.start_time) for record in part])
        for record in part:
            applied.apply([from_record(record)])
    for one in put:
        batch.put(one)
    for one in discarded:
        batch.discard(one.key)
    applied.apply(put)
    applied.apply([], {one.key for one in discarded})
    for _ in adopted.adopt(batch):
        pass
    assert sorted(adopted, key=lambda one: one.key) == sorted(applied, key=lambda one: one.key)
    assert adopted.totals() == applied.totals()
    assert all(adopted.get(one.key) == one for one in applied)
    keys = [record.key for part in parts for record in part]
    assert batch.repeated == {key for key in keys if keys.count(key) > 1}
    one = session("new", 5)
    for store in (adopted, applied):
        store.apply([one])
    assert adopted.get(one.key) == one
    assert adopted.totals() == applied.totals()
