"""What leaves a running console: the clipboard, files, pictures, the incident bundle. Results are notices to show."""

import os
from collections.abc import Callable, Generator, Iterable
from datetime import UTC, datetime
from pathlib import Path

from streamusage.client.usage_client import UsageClient
from tui.app.ports import Exported, NoServiceError
from tui.app.state import ConsoleState
from tui.model.redaction import redacted
from tui.model.sessions.store import Session
from tui.model.text import sanitize
from tui.output import exports
from tui.output.clipboard import ClipboardError, sequence
from tui.output.exports import ExportError
from tui.recording.incident import Incident, IncidentService
from tui.recording.knowledge import Knowledge


class Exporter:
    """Copies and saves.

    `client` names the service in commands and removes the token from whatever leaves; it is `None` where there is no
    service. `write_escape` writes an escape sequence to the terminal; `draw_screen` returns the screen as SVG.
    """

    def __init__(
        self,
        client: UsageClient | None,
        state: ConsoleState,
        *,
        write_escape: Callable[[str], None],
        draw_screen: Callable[[], str],
        no_service_reason: str = "",
        knowledge: Knowledge | None = None,
    ) -> None:
        self._client = client
        self._state = state
        self._write_escape = write_escape
        self._draw_screen = draw_screen
        self._no_service_reason = no_service_reason
        self._knowledge = knowledge

    def file_name(self, ending: str) -> str:
        """Return a name for a new file in the current folder."""
        at = datetime.fromtimestamp(self._state.now_ms() / 1000, UTC)
        return f"streamtop-{at:%Y%m%d-%H%M%S}.{ending}"

    def shell_commands(self, session: Session) -> list[str]:
        """Return the commands that fetch the session's stream: `streamtop ls` and `curl`. Raises `NoServiceError`."""
        from tui.output.shell_commands import curl_command, ls_command

        if self._client is None:
            raise NoServiceError(self._no_service_reason)
        settings = self._state.settings
        return [ls_command(settings, session), curl_command(settings, self._client.base_url, session)]

    def copy(self, text: str, label: str) -> str:
        """Copy a text to the terminal's clipboard. Returns a notice."""
        if not text:
            return "nothing to copy"
        try:
            self._write_escape(sequence(text, os.environ))
        except ClipboardError as error:
            return f"not copied: {error}"
        return f"copied {label}, {len(text.encode('utf-8', 'replace')):,} bytes, if your terminal allows it"

    def save(self, file: str, content: str | bytes, label: str) -> Exported:
        """Write a new file. Returns a notice and its ink."""
        try:
            return f"wrote {label} to {sanitize(str(exports.write(Path(file), content)))}", "good"
        except ExportError as error:
            return sanitize(str(error)), "bad"

    def save_in_steps(self, file: str, chunks: Iterable[str], label: str) -> Generator[None, None, Exported]:
        """Write a new file, a chunk a step. Returns a notice and its ink."""
        try:
            path = yield from exports.write_in_steps(Path(file), chunks)
        except ExportError as error:
            return sanitize(str(error)), "bad"
        return f"wrote {label} to {sanitize(str(path))}", "good"

    def save_picture(self, file: str) -> Exported:
        """Save the screen as an SVG file. Returns a notice and its ink."""
        return self.save(file or self.file_name("svg"), self._draw_screen(), "a picture of the screen")

    async def save_bundle(self, file: str) -> Exported:
        """Save all that another person needs to understand what is shown here now, in one archive without a secret.

        Returns a notice and its ink.
        """
        incident = Incident(self._incident_services(), self._state, screen=self._draw_screen(), clean=self._redact)
        content = exports.bundle(await incident.parts(), self._state.now_ms(), self._redact)
        return self.save(file or self.file_name("tar.gz"), content, "an incident bundle")

    def _incident_services(self) -> list[IncidentService]:
        return [IncidentService("", self._state, self._client, self._knowledge)]

    def _redact(self, text: str) -> str:
        return redacted(text if self._client is None else self._client.without_token(text))
