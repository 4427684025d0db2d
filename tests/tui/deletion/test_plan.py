"""Wrong-row safety: whatever moves between the keys and the commit, only what the dialog named is ever deleted.

Thousands of seeded rounds over the model, and some through the whole console: rows change, reorder, vanish and appear
at every step between key press and commit.
"""

import asyncio
from pathlib import Path
from random import Random

import pytest

from streamusage.client.errors import NotFoundError, RefusedError
from streamusage.core.usage import SessionKey, UsageRecord
from tests.support.console.records import session
from tui.deletion import plan as delete_plan
from tui.deletion.execute import delete_sessions
from tui.deletion.plan import DeletePlan, Radius
from tui.model.sessions.filter import parse
from tui.model.sessions.marks import Marks
from tui.model.sessions.store import Session, SessionStore
from tui.model.sessions.timeline import PollTimeline
from tui.model.sessions.view import SessionColumn, SessionView
from tui.output.exports import as_usage_record

ROUNDS = 4_000


class World:
    """A service whose sessions never rest, and a table that hears of them late."""

    host = "sm.example.net"

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.there: dict[SessionKey, Session] = {}
        self.sent: list[SessionKey] = []
        self.store = SessionStore()
        self.view = SessionView(self.store)
        self.marks = Marks()
        for _ in range(self.random.randrange(3, 14)):
            self.change()
        self.poll()

    def change(self) -> None:
        """One thing happens at the service."""
        random = self.random
        if self.there and random.random() < 0.3:
            del self.there[random.choice(list(self.there))]
            return
        name, start = random.choice("abcd"), random.randrange(1, 12)
        one = session(name, start, live=random.random() < 0.5, active=random.randrange(30))
        self.there[one.key] = one

    def poll(self) -> None:
        """The table hears of it, and its rows move."""
        changes = self.store.apply(self.there.values(), reset=True)
        self.view.update(changes)
        self.marks.forget(change.key for change in changes if change.after is None)
        if self.random.random() < 0.3:
            self.view.sort(self.random.choice(list(SessionColumn)), descending=self.random.random() < 0.5)
        if self.random.random() < 0.2:
            self.view.show(parse(self.random.choice(["", "a", "state=live", "active>10", "not b"])))
        if self.random.random() < 0.2:
            self.view.group(not self.view.grouped)

    def turmoil(self) -> None:
        for _ in range(self.random.randrange(6)):
            self.change()
        if self.random.random() < 0.7:
            self.poll()

    async def delete_session(self, key: SessionKey) -> UsageRecord:
        """What the deleter calls: one request goes out, and the world goes on."""
        self.sent.append(key)
        self.turmoil()
        if self.random.random() < 0.05:
            raise RefusedError(self.host, "delete", "not now")
        if key not in self.there:
            raise NotFoundError(self.host, "delete", "gone")
        record = as_usage_record(self.there.pop(key))
        assert record is not None
        return record

    def records(self) -> list[UsageRecord]:
        return [record for one in self.there.values() if (record := as_usage_record(one)) is not None]

    def asked(self) -> DeletePlan | None:
        """The keys are pressed: what was chosen is what stood on the screen then."""
        random = self.random
        row = self.view.at(random.randrange(max(1, len(self.view))))
        radius = random.choice(list(Radius))
        if radius is Radius.MARKED:
            for number in range(len(self.view)):
                one = self.view.at(number)
                if one is not None and random.random() < 0.4:
                    self.marks.toggle(one.key)
                    self.turmoil()
            chosen = [one for key in self.marks if (one := self.store.get(key)) is not None]
        elif radius is Radius.EVERYTHING:
            chosen = list(self.store)
        elif row is None:
            return None
        else:
            chosen = [row] if radius is Radius.SESSION else self.store.of_stream(row.stream)
        return delete_plan.plan(chosen, self.view, radius, self.host) if chosen else None


def test_only_what_was_confirmed_is_ever_sent(tmp_path: Path) -> None:
    deletes = sessions = 0
    for seed in range(ROUNDS):
        world = World(seed)
        plan = world.asked()
        if plan is None or plan.cannot:
            continue
        confirmed, drawn = set(plan.keys), delete_plan.blast_radius(plan, 20, None)
        world.turmoil()
        told = delete_plan.since_asked(plan, world.records())
        world.turmoil()
        records = world.records()
        since = delete_plan.since_asked(plan, records)
        if since != told:
            world.turmoil()
            records = world.records()
        chosen = [record for record in records if record.key in confirmed]
        assert {record.key for record in chosen} <= confirmed
        outcome = asyncio.run(delete_sessions(world, "it", chosen, tmp_path / "j", 1))  # type: ignore[arg-type]
        assert set(world.sent) <= confirmed, f"seed {seed}"
        assert len(world.sent) == len(set(world.sent)), "nothing is sent twice"
        assert set(outcome.deleted) <= confirmed
        sorted_out = [*outcome.deleted, *outcome.gone_before, *(key for key, _ in outcome.failed), *outcome.not_tried]
        assert sorted(sorted_out) == sorted(record.key for record in chosen), "what became of each is told"
        assert delete_plan.blast_radius(plan, 20, None) == drawn, "a plan does not change once it is made"
        deletes += 1
        sessions += len(world.sent)
    assert deletes > ROUNDS // 2
    assert sessions > ROUNDS


def test_marks_stay_with_their_sessions() -> None:
    for seed in range(1_000):
        world = World(seed)
        for _ in range(8):
            one = world.view.at(world.random.randrange(max(1, len(world.view))))
            if one is not None:
                was = one.key in world.marks
                world.marks.toggle(one.key)
                assert (one.key in world.marks) is not was
            before = set(world.marks)
            world.turmoil()
            assert set(world.marks) <= before
            assert all(key in world.store for key in world.marks)


@pytest.mark.parametrize("seed", range(50))
def test_stepping_back_and_forth_leads_to_the_same_table(seed: int) -> None:
    world, timeline = World(seed), PollTimeline()
    timeline.add(0, ())
    seen = [dict(world.there)]
    for at_ms in range(1, 12):
        for _ in range(world.random.randrange(4)):
            world.change()
        changes = world.store.apply(world.there.values(), reset=True)
        world.view.update(changes)
        timeline.add(at_ms, changes)
        seen.append(dict(world.there))
    for _ in range(60):
        for changes in timeline.step(world.random.randrange(-5, 6)):
            gone = [change.key for change in changes if change.after is None]
            world.view.update(world.store.apply([one.after for one in changes if one.after], gone))
        at_ms = timeline.at_ms
        assert at_ms is not None
        assert {one.key: one for one in world.store} == seen[at_ms]
