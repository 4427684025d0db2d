"""Wrong-row safety: only sessions that the dialog named are deleted, whatever changes after the key.

Thousands of seeded rounds over the model: rows change, reorder, vanish and appear at every step between key press and
delete. `test_flow.py` tests the same through the whole console.
"""

import asyncio
from pathlib import Path

from streamusage.core.usage import SessionKey, StreamId
from tests.support.console.changing_service import ChangingService
from tests.support.console.records import session
from tui.deletion import plan as delete_plan
from tui.deletion.execute import delete_sessions
from tui.model.sessions.session_columns import SessionColumns

ROUNDS = 4_000


def test_only_confirmed_keys_are_sent(tmp_path: Path) -> None:
    deletes = sessions = 0
    for seed in range(ROUNDS):
        service = ChangingService(seed)
        plan = service.request_delete()
        if plan is None or plan.impossible_reason:
            continue
        confirmed, dialog_text = set(plan.keys), delete_plan.blast_radius(plan, 20, None)
        service.change_and_poll()
        shown_changes = delete_plan.compare_with_plan(plan, service.records())
        service.change_and_poll()
        records = service.records()
        changes = delete_plan.compare_with_plan(plan, records)
        if changes != shown_changes:
            service.change_and_poll()
            records = service.records()
        chosen = [record for record in records if record.key in confirmed]
        assert {record.key for record in chosen} <= confirmed
        outcome = asyncio.run(delete_sessions(service, "it", chosen, tmp_path / "j", 1))  # type: ignore[arg-type]
        assert set(service.sent) <= confirmed, f"seed {seed}"
        assert len(service.sent) == len(set(service.sent)), "no key is sent twice"
        assert set(outcome.deleted) <= confirmed
        results = [*outcome.deleted, *outcome.gone_before, *(key for key, _ in outcome.failed), *outcome.not_tried]
        assert sorted(results) == sorted(record.key for record in chosen), "every key has a result"
        assert delete_plan.blast_radius(plan, 20, None) == dialog_text, "a plan never changes"
        deletes += 1
        sessions += len(service.sent)
    assert deletes > ROUNDS // 2
    assert sessions > ROUNDS


def test_number_of_viewers_is_a_lower_bound_while_a_server_is_unseen() -> None:
    for seed in range(ROUNDS):
        plan = ChangingService(seed).request_delete()
        if plan is not None and plan.on_air and not plan.impossible_reason:
            text = " ".join(delete_plan.blast_radius(plan, 20, None, server_is_unseen=True))
            assert f"ON AIR with at least {plan.watching}" in text
            assert f"ON AIR with {plan.watching}" in " ".join(delete_plan.blast_radius(plan, 20, None))
            return
    raise AssertionError("no plan has a session on air")


class UnfilteredTable:
    """A table that hides nothing, and must not be searched session by session."""

    def hidden(self) -> int:
        return 0

    def shows(self, key: SessionKey) -> bool:
        raise AssertionError("nothing is hidden")


def test_plan_over_a_table_without_a_filter_searches_none_of_its_sessions() -> None:
    sessions = SessionColumns.of(session("cam", start, live=False) for start in range(1, 2_000))
    plan = delete_plan.plan(sessions, UnfilteredTable(), delete_plan.Radius.STREAM, "sm")
    assert (len(plan.sessions), plan.hidden) == (1_999, 0)
    assert plan.streams == (StreamId("live", "cam"),)
