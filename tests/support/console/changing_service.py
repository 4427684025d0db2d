"""A simulated service whose sessions keep changing, for tests of marks, timeline and deletes."""

from random import Random

import msgspec

from streamusage.client.errors import NotFoundError, RefusedError
from streamusage.core.usage import SessionKey, UsageRecord
from tests.support.console.records import session
from tests.support.console.steps import run_to_end
from tui.deletion import plan as delete_plan
from tui.deletion.plan import DeletePlan, Radius
from tui.deletion.selection import select_all, select_marked, select_session, select_stream
from tui.model.sessions.columns import sort_names
from tui.model.sessions.filter import parse
from tui.model.sessions.marks import Marks
from tui.model.sessions.session_columns import SessionColumns
from tui.model.sessions.store import Session, SessionStore
from tui.model.sessions.view import SessionView
from tui.output.exports import usage_record_fields


def as_usage_record(session: Session) -> UsageRecord | None:
    """Return the documented usage record; `None` if a figure is unknown."""
    try:
        return msgspec.convert(usage_record_fields(session), UsageRecord)
    except msgspec.ValidationError:
        return None


class ChangingService:
    """A service whose sessions keep changing, and a table that receives the changes late."""

    host = "sm.example.net"

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.current: dict[SessionKey, Session] = {}
        self.sent: list[SessionKey] = []
        self.store = SessionStore()
        self.view = SessionView(self.store)
        self.marks = Marks()
        for _ in range(self.random.randrange(3, 14)):
            self.change()
        self.poll()

    def change(self) -> None:
        """Change one session at the service."""
        random = self.random
        if self.current and random.random() < 0.3:
            del self.current[random.choice(list(self.current))]
            return
        name, start = random.choice("abcd"), random.randrange(1, 12)
        changed = session(name, start, live=random.random() < 0.5, active=random.randrange(30))
        self.current[changed.key] = changed

    def poll(self) -> None:
        """Poll: the table receives the changes, and its rows move."""
        changes = self.store.apply(self.current.values(), reset=True)
        self.view.update(changes)
        self.marks.forget(change.key for change in changes if change.after is None)
        if self.random.random() < 0.3:
            self.view.sort(self.random.choice(sort_names()), descending=self.random.random() < 0.5)
        if self.random.random() < 0.2:
            self.view.show(parse(self.random.choice(["", "a", "state=live", "active>10", "not b"])))
        if self.random.random() < 0.2:
            self.view.group(not self.view.grouped)

    def change_and_poll(self) -> None:
        """Change some sessions, and usually poll."""
        for _ in range(self.random.randrange(6)):
            self.change()
        if self.random.random() < 0.7:
            self.poll()

    async def delete_session(self, key: SessionKey) -> UsageRecord:
        """Delete a session as the client does, while other sessions change."""
        self.sent.append(key)
        self.change_and_poll()
        if self.random.random() < 0.05:
            raise RefusedError(self.host, "delete", "not now")
        if key not in self.current:
            raise NotFoundError(self.host, "delete", "gone")
        record = as_usage_record(self.current.pop(key))
        assert record is not None
        return record

    def records(self) -> list[UsageRecord]:
        """Return the usage records of the service."""
        return [record for known in self.current.values() if (record := as_usage_record(known)) is not None]

    def request_delete(self) -> DeletePlan | None:
        """Press a delete key: return the plan with the sessions on the screen at that moment."""
        random = self.random
        row = self.view.at(random.randrange(max(1, len(self.view))))
        radius = random.choice(list(Radius))
        if radius is Radius.MARKED:
            for number in range(len(self.view)):
                at_row = self.view.at(number)
                if at_row is not None and random.random() < 0.4:
                    self.marks.toggle(at_row.key)
                    self.change_and_poll()
            if not any(key in self.store for key in self.marks):
                return None
            chosen = select_marked(self.store, self.view, self.marks.freeze())
        elif radius is Radius.EVERYTHING:
            chosen = select_all(self.store, self.view)
        elif row is None:
            return None
        elif radius is Radius.SESSION:
            chosen = select_session(SessionColumns.of([row]))
        else:
            chosen = select_stream(self.store, self.view, row.stream)
        return run_to_end(delete_plan.plan_steps(chosen, radius, self.host)) if chosen else None
