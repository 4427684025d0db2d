"""Exports of the session under the cursor and of the table: copies, files, the raw record, shell commands."""

from collections.abc import Generator
from typing import TYPE_CHECKING

import msgspec

from streamusage.core.usage import MISSPELLED_FIELDS
from tui.app.ports import NoServiceError
from tui.model import formats
from tui.model.text import sanitize
from tui.screens.base import ConsoleScreen
from tui.screens.delete_dialogs import no_session_reason
from tui.widgets.session_table import SessionTable

if TYPE_CHECKING:
    from tui.screens.picker import Picked

_COPY_KINDS = ("record", "name", "command", "table as CSV", "table as JSON")
"""What can be copied."""

_LONG_EXPORT = 10_000
"""From so many sessions on, an export says that it has begun."""


def _mark_misspelling(line: str) -> str:
    """Return a remark behind a field that the API misspells."""
    field = line.strip().split('"')[1:2]
    meant = MISSPELLED_FIELDS.get(field[0]) if field else None
    return f"   spelled so by the API: {meant}" if meant else ""


class SessionExports(ConsoleScreen):
    """The export actions of a screen with a session table. A notice names what was copied or written."""

    @property
    def table(self) -> SessionTable:
        """The session table."""
        return self.query_one(SessionTable)

    def _export_options(self) -> dict[str, bool]:
        parts = self.state.parts.values()
        knows_live = all(part.knows_live for part in parts) if parts else self.state.knows_live
        return {"knows_live": knows_live, "of_several": bool(parts)}

    def _text_to_copy(self, kind: str) -> str:
        """Return the text of a kind; empty where nothing is under the cursor. Raises `NoServiceError`."""
        from tui.output.clipboard import join_for_clipboard
        from tui.output.exports import table_csv, table_json, usage_record_fields

        session = self.table.cursor_session
        match kind:
            case "table as CSV":
                return join_for_clipboard(table_csv(self.state.view.all_sessions(), **self._export_options()))
            case "table as JSON":
                return join_for_clipboard(table_json(self.state.view.all_sessions(), **self._export_options()))
            case _ if session is None:
                return ""
            case "command":
                return self.port.exporter.shell_commands(session)[0]
            case "name":
                return str(session.stream)
            case _:
                return msgspec.json.encode(usage_record_fields(session)).decode()

    def action_copy(self, kind: str = "") -> None:
        """Copy a record, the table or a command."""
        from tui.screens.picker import Choice, Picked, Picker

        if kind in _COPY_KINDS:
            self._copy(Picked(kind, ""))
        else:
            self.app.push_screen(Picker("Copy", [Choice(kind, kind) for kind in _COPY_KINDS]), self._copy)

    def _copy(self, picked: "Picked | None") -> None:
        if picked is not None:
            try:
                text = self._text_to_copy(picked.value)
            except NoServiceError as error:
                self.show_notice(f"not copied: {error}", "warn")
                return
            self.show_notice(self.port.exporter.copy(text, picked.value), "quiet")

    def action_export(self, file: str = "") -> None:
        """Write the shown sessions to a file."""
        from tui.screens.picker import Choice, Picker

        if not file:
            suggested = f"export {self.port.exporter.file_name('csv')}"
            choice = Choice("export", "export", "to a new file, .csv or .json", "FILE")
            self.app.push_screen(Picker("Export what is shown", [choice], suggested), self._export)
            return
        self.port.queue_table_work(self._export_steps(file))

    def _export_steps(self, file: str) -> Generator[None, None, None]:
        """Write the table to a file, a session a step, and show how many it has."""
        from tui.output.exports import table_csv, table_json

        view = self.state.view
        yield from view.steps()
        count, sessions = formats.count(view.sessions), view.all_sessions()
        if view.sessions >= _LONG_EXPORT:
            self.show_notice(f"writing {count} sessions to {sanitize(file)} …", "quiet")
        export = table_json if file.lower().endswith(".json") else table_csv
        lines = export(sessions, **self._export_options())
        self.show_notice(*(yield from self.port.exporter.save_in_steps(file, lines, f"{count} sessions")))

    def _export(self, picked: "Picked | None") -> None:
        if picked is not None and picked.argument:
            self.action_export(picked.argument)

    def action_raw_record(self) -> None:
        """Show the record of the session."""
        from tui.output.exports import usage_record_fields
        from tui.screens.page import PageScreen

        session = self.table.cursor_session
        if session is None:
            self.show_notice(f"no record here: {no_session_reason(self.state)}", "warn")
        else:
            record = msgspec.json.format(msgspec.json.encode(usage_record_fields(session)), indent=2).decode()
            remark = (
                [] if session.recorded else ["There is no usage record yet; these figures are from the live list.", ""]
            )
            lines = [sanitize(line) + _mark_misspelling(line) for line in record.split("\n")]
            self.app.push_screen(PageScreen([*remark, *lines], closed_by=("J",)))

    def action_command(self) -> None:
        """Show the commands that fetch the session's stream."""
        from tui.output.shell_commands import describe_token, wrap_command
        from tui.screens.page import CommandPage

        session = self.table.cursor_session
        if session is None:
            self.show_notice(f"no command here: {no_session_reason(self.state)}", "warn")
        else:
            try:
                commands = self.port.exporter.shell_commands(session)
            except NoServiceError as error:
                self.show_notice(f"no command: {error}", "warn")
                return
            cells = min(self.app.size.width, 100)
            lines = [line for command in commands for line in ("", *map(sanitize, wrap_command(command, cells)))]
            lines += ["", remark] if (remark := describe_token(self.state.part_of(session).settings)) else []
            copy = self.port.exporter.copy
            self.app.push_screen(CommandPage(lines, lambda: self.show_notice(copy(commands[0], "command"), "quiet")))
