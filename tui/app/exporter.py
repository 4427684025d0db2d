"""What leaves a running console: the clipboard, files, pictures, the incident bundle. Answers with words to show."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from streamusage.client.errors import UsageApiError
from streamusage.client.usage_client import UsageClient
from tui.model.redaction import redacted
from tui.model.sessions.store import Session
from tui.model.text import safe
from tui.output import exports
from tui.output.clipboard import ClipboardError, sequence
from tui.output.exports import ExportError
from tui.screens.base import latency_lines
from tui.widgets.lines import Part

if TYPE_CHECKING:
    from tui.app.console_app import ConsoleApp

GAPS_OF_MS = 6 * 60 * 60_000
"""How far back the gaps in a bundle reach."""


class Exporter:
    """`client` names the service in commands, and takes the token out of whatever leaves."""

    def __init__(self, app: ConsoleApp, client: UsageClient) -> None:
        self._app, self._client = app, client

    def file_name(self, ending: str) -> str:
        """A name for a new file in the current folder."""
        at = datetime.fromtimestamp(self._app.state.now_ms() / 1000, UTC)
        return f"streamtop-{at:%Y%m%d-%H%M%S}.{ending}"

    def curl(self, session: Session) -> str:
        """The command that asks for the session's stream."""
        return exports.curl(self._client.base_url, self._client.api_version, session)

    def copy(self, text: str, what: str) -> str:
        """Puts a text into the terminal's clipboard."""
        if not text:
            return "nothing to copy"
        try:
            self._app.send(sequence(text, os.environ))
        except ClipboardError as error:
            return f"not copied: {error}"
        return f"copied {what}, {len(text.encode('utf-8', 'replace')):,} bytes, if your terminal allows it"

    def save(self, file: str, content: str | bytes, what: str) -> Part:
        """Writes a new file."""
        try:
            return f"wrote {what} to {safe(str(exports.write(Path(file), content)))}", "good"
        except ExportError as error:
            return safe(str(error)), "bad"

    def picture(self, file: str) -> Part:
        """The screen as an SVG file."""
        return self.save(file or self.file_name("svg"), self._app.export_screenshot(), "a picture of the screen")

    async def bundle(self, file: str) -> Part:
        """All that somebody else needs to understand what is seen here now, in one archive, and no secret."""
        state = self._app.state
        parts: dict[str, object] = {
            "summary.txt": "\n".join(self._summary()),
            "records.json": [exports.record_of(session) for session in state.store],
            "servers.json": state.servers or [],
            "screen.svg": self._app.export_screenshot(),
            "history.json": [
                {"at": at_ms, "changes": [(change.before, change.after) for change in changes]}
                for at_ms, changes in state.timeline.newest()
            ],
            "gaps.json": await self._gaps(),
        }
        content = exports.bundle(parts, state.now_ms(), self._clean)
        return self.save(file or self.file_name("tar.gz"), content, "an incident bundle")

    def _clean(self, text: str) -> str:
        return redacted(self._client.without_token(text))

    async def _gaps(self) -> object:
        """The coverage of the last hours; why there is none, where there is none."""
        now_ms = self._app.state.now_ms()
        try:
            return await self._app.reads.client.coverage(now_ms - GAPS_OF_MS, now_ms)
        except UsageApiError as error:
            return {"why_not": str(error)}

    def _summary(self) -> list[str]:
        state = self._app.state
        totals = state.store.totals()
        lines = [
            f"service     {state.host}",
            f"profile     {state.profile_name}",
            f"at          {datetime.fromtimestamp(state.now_ms() / 1000, UTC):%Y-%m-%d %H:%M:%S} UTC",
            f"figures     {state.freshness().in_words()}",
            f"sessions    {totals.sessions:,}, {totals.live:,} live, {totals.watching:,} watching",
            f"filter      {state.view.filter.text or 'none'}",
            f"failure     {state.why_failed or 'none'}",
            f"limits      {state.cannot_show or 'none'}",
            "",
        ]
        return [safe(line) for line in [*lines, *latency_lines(state)]]
