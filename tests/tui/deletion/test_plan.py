"""Wrong-row safety: only sessions that the dialog named are deleted, whatever changes after the key.

Thousands of seeded rounds over the model: rows change, reorder, vanish and appear at every step between key press and
delete. `test_flow.py` tests the same through the whole console.
"""

import asyncio
from pathlib import Path

from streamusage.core.usage import StreamId
from tests.support.console.changing_service import ChangingService, as_usage_record
from tests.support.console.records import session
from tests.support.console.steps import run_to_end
from tui.deletion import plan as delete_plan
from tui.deletion.execute import delete_sessions
from tui.deletion.selection import select_all
from tui.model.sessions.store import SessionStore
from tui.model.sessions.view import SessionView

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
        shown_changes, _ = run_to_end(delete_plan.comparison_steps(plan, service.records()))
        service.change_and_poll()
        records = service.records()
        changes, chosen = run_to_end(delete_plan.comparison_steps(plan, records))
        if changes != shown_changes:
            service.change_and_poll()
            records = service.records()
            _, chosen = run_to_end(delete_plan.comparison_steps(plan, records))
        assert chosen == [record for record in records if record.key in confirmed]
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


def test_plan_over_a_table_without_a_filter_searches_none_of_its_sessions() -> None:
    store = SessionStore()
    store.apply(session("cam", start, live=False) for start in range(1, 2_000))
    view = SessionView(store)
    view.begin_all()
    view.finish()
    assert view.freeze_shown() is None
    plan = run_to_end(delete_plan.plan_steps(select_all(store, view), delete_plan.Radius.STREAM, "sm"))
    assert (len(plan.sessions), plan.hidden, plan.started) == (1_999, 0, (1, 1_999))
    assert plan.streams == (StreamId("live", "cam"),)


def test_comparison_with_the_service_is_the_same_in_many_steps() -> None:
    store = SessionStore()
    listed = [session("cam", start, live=False) for start in range(1, 5_000)]
    store.apply(listed)
    plan = run_to_end(delete_plan.plan_steps(select_all(store, SessionView(store)), delete_plan.Radius.STREAM, "sm"))
    records = [record for known in listed[10:] if (record := as_usage_record(known)) is not None]
    newer = as_usage_record(session("cam", 9_000, live=False))
    assert newer is not None
    changes, chosen = run_to_end(delete_plan.comparison_steps(plan, [*records, newer]))
    assert chosen == records
    assert changes == delete_plan.PlanChanges(
        frozenset(known.key for known in listed[:10]), frozenset({newer.key}), frozenset()
    )
