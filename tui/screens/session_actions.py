"""What can be taken along of the session under the cursor and of the table: copies, files, the record, the command."""

import msgspec

from tui.model import formats
from tui.model.text import safe
from tui.output.exports import record_of, table_csv, table_json
from tui.screens.base import ConsoleScreen
from tui.screens.page import PageScreen
from tui.screens.picker import Choice, Picked, Picker
from tui.widgets.session_table import SessionTable

_KINDS = ("record", "name", "command", "table as CSV", "table as JSON")
"""What can be copied."""


class SessionActions(ConsoleScreen):
    """A screen with a session table, as far as it hands things on. Where something went is said."""

    @property
    def table(self) -> SessionTable:
        return self.query_one(SessionTable)

    def _shown_for_copy(self, what: str) -> str:
        session = self.table.cursor_session
        match what:
            case "table as CSV":
                return table_csv(self.state.view.all_sessions())
            case "table as JSON":
                return table_json(self.state.view.all_sessions())
            case _ if session is None:
                return ""
            case "command":
                return self.console_app.outbox.curl(session)
            case "name":
                return str(session.stream)
            case _:
                return msgspec.json.encode(record_of(session)).decode()

    def action_copy(self, what: str = "") -> None:
        if what in _KINDS:
            self._copy(Picked(what, ""))
        else:
            self.app.push_screen(Picker("Copy", [Choice(kind, kind) for kind in _KINDS]), self._copy)

    def _copy(self, picked: Picked | None) -> None:
        if picked is not None:
            self.say(self.console_app.outbox.copy(self._shown_for_copy(picked.value), picked.value), "quiet")

    def action_export(self, file: str = "") -> None:
        if not file:
            suggested = f"export {self.console_app.outbox.file_name('csv')}"
            choice = Choice("export", "export", "to a new file, .csv or .json", "FILE")
            self.app.push_screen(Picker("Export what is shown", [choice], suggested), self._export)
            return
        sessions = list(self.state.view.all_sessions())
        content = table_json(sessions) if file.lower().endswith(".json") else table_csv(sessions)
        self.say(*self.console_app.outbox.save(file, content, f"{formats.count(len(sessions))} sessions"))

    def _export(self, picked: Picked | None) -> None:
        if picked is not None and picked.argument:
            self.action_export(picked.argument)

    def action_raw_record(self) -> None:
        session = self.table.cursor_session
        if session is not None:
            record = msgspec.json.format(msgspec.json.encode(record_of(session)), indent=2).decode()
            told = [] if session.recorded else ["There is no usage record yet: this is what the live list says.", ""]
            self.app.push_screen(PageScreen([*told, *map(safe, record.split("\n"))], closed_by=("J",)))

    def action_command(self) -> None:
        session = self.table.cursor_session
        if session is not None:
            self.app.push_screen(PageScreen([safe(self.console_app.outbox.curl(session))], closed_by=("c",)))
