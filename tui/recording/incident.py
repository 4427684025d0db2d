"""The incident bundle: all that another person needs to understand what a console shows, and to replay it."""

import os
import platform
import shutil
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any, NamedTuple

from streamusage import __version__
from streamusage.client.errors import UsageApiError
from streamusage.client.usage_client import UsageClient
from tui.app.messages.views import CoveragePolled
from tui.app.poll_timing import format_poll_timing
from tui.app.state import ConsoleState
from tui.model import formats
from tui.model.daily.day_shares import accounting_zone
from tui.model.text import sanitize
from tui.output import exports
from tui.recording.bundle_tape import TapeKnowledge, tape_of
from tui.recording.knowledge import COVERAGE_MS, Knowledge, RecordedDays, fetch_coverage, fetch_days, merged

_ENVIRONMENT = ("TERM", "COLORTERM", "TERM_PROGRAM", "LC_ALL", "LC_CTYPE", "LANG", "NO_COLOR")
_INSIDE = (("tmux", "TMUX"), ("screen", "STY"), ("ssh", "SSH_TTY"))
_AHEAD_MS = 3_600_000
"""How far beyond now the coverage reaches: clocks differ."""


class IncidentService(NamedTuple):
    """A service that the bundle is about."""

    name: str
    """Its profile where the console shows several; else empty."""
    state: ConsoleState
    client: UsageClient | None
    knowledge: Knowledge | None
    """What cannot be fetched where a recording is played."""


class Incident:
    """Collects the parts of one bundle. `state` is that of the table, which shows these services."""

    def __init__(
        self,
        services: Sequence[IncidentService],
        state: ConsoleState,
        *,
        screen: str,
        clean: Callable[[str], str],
    ) -> None:
        self._services, self._state = services, state
        self._screen, self._clean = screen, clean
        self._missing: list[str] = []
        """What the bundle lacks, and why, one sentence each."""

    async def parts(self) -> dict[str, object]:
        """Return the bundle's files by name. Gaps, days and servers of several services are under their profiles."""
        state = self._state
        known: dict[str, TapeKnowledge] = {}
        gaps: dict[str, object] = {}
        for service in self._services:
            missing_before = len(self._missing)
            coverage, days = await self._coverage(service), await self._days(service)
            known[service.name] = TapeKnowledge(coverage, days)
            gaps[service.name] = merged(coverage) or {"why_not": "".join(self._missing[missing_before:][:1])}
            if service.state.servers is None:
                self._note_missing(service, "servers: only our own service reports them")
        frames = state.timeline.newest()
        if frames:
            self._missing.append(f"polls before {_utc(frames[0].at_ms)}, and what the servers owed at each poll")
        else:
            self._missing.append("polls: none has succeeded")
        of_several = bool(state.parts)
        return {
            "summary.txt": "\n".join(self._summary()),
            "records.json": list(
                exports.session_fields(state.store, knows_live=state.knows_live, of_several=of_several)
            ),
            "servers.json": self._of_services({part.name: part.state.servers or [] for part in self._services}),
            "screen.svg": self._screen,
            "history.json": [
                {"at": frame.at_ms, "changes": [(change.before, change.after) for change in frame.changes]}
                | ({"service": frame.service} if of_several else {})
                for frame in frames
            ],
            "gaps.json": self._of_services(gaps),
            "days.json": self._of_services({name: known.days for name, known in known.items()}),
            "replay.tape": tape_of(state, known, self._clean),
        }

    def _of_services(self, parts: dict[str, Any]) -> object:
        """Return a part by service; that of the only one as it is."""
        return parts if self._state.parts else parts[""]

    def _note_missing(self, service: IncidentService, reason: str) -> None:
        self._missing.append(f"{service.name}: {reason}" if service.name else reason)

    async def _coverage(self, service: IncidentService) -> list[CoveragePolled]:
        if service.client is None:
            played = service.knowledge.coverage if service.knowledge is not None else []
            if not played:
                self._note_missing(service, "gaps: the recording has none")
            return played
        now_ms = service.state.now_ms()
        try:
            return [await fetch_coverage(service.client, now_ms - COVERAGE_MS, now_ms + _AHEAD_MS)]
        except UsageApiError as error:
            self._note_missing(service, f"gaps: {error}")
            return []

    async def _days(self, service: IncidentService) -> list[RecordedDays]:
        state = service.state
        if service.client is None:
            played = list(service.knowledge.days.values()) if service.knowledge is not None else []
            if not played:
                self._note_missing(service, "daily statistics: the recording has none")
            return played
        try:
            return [await fetch_days(service.client, state.now_ms(), accounting_zone(state.tz).key)]
        except UsageApiError as error:
            self._note_missing(service, f"daily statistics: {error}")
            return []

    def _summary(self) -> list[str]:
        state = self._state
        totals = state.totals()
        watching = f"{formats.count(totals.watching)} watching"
        if state.unseen:
            watching = f"at least {watching}, {state.unseen.describe(state.now_ms(), UTC)}"
        lines = [
            *self._facts("service", lambda part: part.host),
            f"profile     {state.settings.profile or ''}",
            f"at          {_utc(state.now_ms())}",
            *self._facts("figures", lambda part: part.freshness().describe()),
            f"sessions    {totals.sessions:,}, {formats.count(totals.live)} on air, {watching}",
            f"filter      {state.view.filter.text or 'none'}",
            *self._facts("failure", lambda part: part.failure or "none"),
            *self._facts("limits", lambda part: part.cannot_show or "none"),
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

    def _facts(self, title: str, fact: Callable[[ConsoleState], str]) -> list[str]:
        """Return a line about each service, which names it where there are several."""
        return [
            f"{title:<12}" + (f"{service.name}: {fact(service.state)}" if service.name else fact(service.state))
            for service in self._services
        ]


def _utc(at_ms: int) -> str:
    return f"{datetime.fromtimestamp(at_ms / 1000, UTC):%Y-%m-%d %H:%M:%S} UTC"


def _terminal(state: ConsoleState) -> str:
    size = shutil.get_terminal_size()
    known = [f"{name}={os.environ[name]}" for name in _ENVIRONMENT if name in os.environ]
    inside = [name for name, variable in _INSIDE if variable in os.environ]
    glyphs = "all glyphs" if state.unicode else "ASCII"
    where = f", inside {' and '.join(inside)}" if inside else ""
    return f"{size.columns}x{size.lines}, {' '.join(known) or 'nothing in the environment'}{where}; {glyphs}"
