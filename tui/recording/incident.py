"""The incident bundle: all that another person needs to understand what a console shows, and to replay it."""

import os
import platform
import shutil
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from importlib.metadata import version

from streamusage import __version__
from streamusage.client.errors import UsageApiError
from streamusage.client.usage_client import UsageClient
from tui.app.messages import CoveragePolled
from tui.app.poll_timing import format_poll_timing
from tui.app.state import ConsoleState
from tui.model import formats
from tui.model.daily.day_shares import accounting_zone
from tui.model.text import sanitize
from tui.output import exports
from tui.recording.bundle_tape import tape_of
from tui.recording.knowledge import COVERAGE_MS, Knowledge, RecordedDays, fetch_coverage, fetch_days, merged

_ENVIRONMENT = ("TERM", "COLORTERM", "TERM_PROGRAM", "LC_ALL", "LC_CTYPE", "LANG", "NO_COLOR")
_INSIDE = (("tmux", "TMUX"), ("screen", "STY"), ("ssh", "SSH_TTY"))
_AHEAD_MS = 3_600_000
"""How far beyond now the coverage reaches: clocks differ."""


class Incident:
    """Collects the parts of one bundle. `knowledge` has what cannot be fetched where a recording is played."""

    def __init__(
        self,
        client: UsageClient | None,
        state: ConsoleState,
        *,
        knowledge: Knowledge | None,
        screen: str,
        clean: Callable[[str], str],
    ) -> None:
        self._client, self._state, self._knowledge = client, state, knowledge
        self._screen, self._clean = screen, clean
        self._missing: list[str] = []
        """What the bundle lacks, and why, one sentence each."""

    async def parts(self) -> dict[str, object]:
        """Return the bundle's files by name."""
        state = self._state
        coverage, days = await self._coverage(), await self._days()
        why_no_gaps = self._missing[0] if self._missing else ""
        if state.servers is None:
            self._missing.append("servers: only our own service reports them")
        frames = state.timeline.newest()
        if frames:
            self._missing.append(f"polls before {_utc(frames[0].at_ms)}, and what the servers owed at each poll")
        else:
            self._missing.append("polls: none has succeeded")
        return {
            "summary.txt": "\n".join(self._summary()),
            "records.json": list(exports.session_fields(state.store, knows_live=state.knows_live)),
            "servers.json": state.servers or [],
            "screen.svg": self._screen,
            "history.json": [
                {"at": at_ms, "changes": [(change.before, change.after) for change in changes]}
                for at_ms, changes in frames
            ],
            "gaps.json": merged(coverage) or {"why_not": why_no_gaps},
            "days.json": days,
            "replay.tape": tape_of(state, coverage, days, self._clean),
        }

    async def _coverage(self) -> list[CoveragePolled]:
        if self._client is None:
            played = self._knowledge.coverage if self._knowledge is not None else []
            if not played:
                self._missing.append("gaps: the recording has none")
            return played
        now_ms = self._state.now_ms()
        try:
            return [await fetch_coverage(self._client, now_ms - COVERAGE_MS, now_ms + _AHEAD_MS)]
        except UsageApiError as error:
            self._missing.append(f"gaps: {error}")
            return []

    async def _days(self) -> list[RecordedDays]:
        if self._client is None:
            played = list(self._knowledge.days.values()) if self._knowledge is not None else []
            if not played:
                self._missing.append("daily statistics: the recording has none")
            return played
        try:
            return [await fetch_days(self._client, self._state.now_ms(), accounting_zone(self._state.tz).key)]
        except UsageApiError as error:
            self._missing.append(f"daily statistics: {error}")
            return []

    def _summary(self) -> list[str]:
        state = self._state
        totals = state.totals()
        watching = f"{formats.count(totals.watching)} watching"
        if state.unseen:
            watching = f"at least {watching}, {state.unseen.describe(state.now_ms(), UTC)}"
        lines = [
            f"service     {state.host}",
            f"profile     {state.settings.profile or ''}",
            f"at          {_utc(state.now_ms())}",
            f"figures     {state.freshness().describe()}",
            f"sessions    {totals.sessions:,}, {formats.count(totals.live)} on air, {watching}",
            f"filter      {state.view.filter.text or 'none'}",
            f"failure     {state.failure or 'none'}",
            f"limits      {state.cannot_show or 'none'}",
            f"versions    streamtop {__version__}, Python {sys.version.split()[0]}, Textual {version('textual')}, "
            f"{platform.system()} {platform.release()} {platform.machine()}",
            f"terminal    {_terminal(state)}",
            "replay      streamtop replay THIS_FILE",
            "",
            "Not in this bundle:",
            *(f"  {reason}" for reason in self._missing),
            "  tokens, passwords and credentials: shown as •••",
            "",
        ]
        return [sanitize(line) for line in [*lines, *format_poll_timing(state)]]


def _utc(at_ms: int) -> str:
    return f"{datetime.fromtimestamp(at_ms / 1000, UTC):%Y-%m-%d %H:%M:%S} UTC"


def _terminal(state: ConsoleState) -> str:
    size = shutil.get_terminal_size()
    known = [f"{name}={os.environ[name]}" for name in _ENVIRONMENT if name in os.environ]
    inside = [name for name, variable in _INSIDE if variable in os.environ]
    glyphs = "all glyphs" if state.unicode else "ASCII"
    where = f", inside {' and '.join(inside)}" if inside else ""
    return f"{size.columns}x{size.lines}, {' '.join(known) or 'nothing in the environment'}{where}; {glyphs}"
