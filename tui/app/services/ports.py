"""Exports and requests of a console of several services: each uses the client of one service."""

from collections.abc import Callable, Coroutine, Mapping
from datetime import date
from typing import Any

from textual.message import Message

from streamusage.api.extension import CoverageSpan
from streamusage.client.usage_client import UsageClient
from tui.app.exporter import Exporter
from tui.app.fetcher import Fetcher
from tui.app.messages.views import DayRowsPolled, GroupsPolled, MonthPolled
from tui.app.ports import NoServiceError
from tui.app.services.state import SeveralState
from tui.model.daily.days import NO_DAYS
from tui.model.daily.groups import GroupRequest
from tui.model.redaction import redacted
from tui.model.services.days import DaysOfServices
from tui.model.services.servers import split_name
from tui.model.sessions.store import Session
from tui.recording.incident import IncidentService
from tui.recording.knowledge import Knowledge


class ServicesFetcher(Fetcher):
    """One `Fetcher` for each service. Servers and streams have qualified names; `days` puts the days together."""

    def __init__(
        self,
        clients: Mapping[str, UsageClient],
        state: SeveralState,
        *,
        labelled: Callable[[str], Callable[[Message], object]],
        start: Callable[[Coroutine[Any, Any, None]], object],
        no_service_reason: str,
        knowledge_of: Mapping[str, Knowledge],
    ) -> None:
        super().__init__(None, state, post=lambda message: None, start=start, no_service_reason=no_service_reason)
        self._parts = state.parts
        self._labelled = labelled
        self._fetchers = {
            name: Fetcher(
                clients.get(name),
                part,
                post=labelled(name),
                start=start,
                no_service_reason=no_service_reason,
                knowledge=knowledge_of.get(name),
            )
            for name, part in state.parts.items()
        }
        self.days = DaysOfServices(state.parts)

    @property
    def is_waiting(self) -> bool:
        """Whether an answer is outstanding."""
        return any(fetcher.is_waiting for fetcher in self._fetchers.values())

    def fetch_day(self, server: str, day: date) -> None:
        """Fetch one server's day from its service."""
        fetcher, own = self._of(server)
        fetcher.fetch_day(own, day)

    def fetch_month(self, first: date) -> None:
        """Fetch the daily statistics of the month that begins on `first` from every service."""
        for name, fetcher in self._fetchers.items():
            if self._parts[name].knows_days:
                fetcher.fetch_month(first)
            else:
                self._labelled(name)(MonthPolled(first, NO_DAYS))

    def fetch_day_rows(self, day: date) -> None:
        """Fetch the roles and servers of a day from every service."""
        for name, fetcher in self._fetchers.items():
            if self._parts[name].knows_days:
                fetcher.fetch_day_rows(day)
            else:
                self._labelled(name)(DayRowsPolled(day, NO_DAYS))

    def fetch_groups(self, request: GroupRequest) -> None:
        """Fetch sums by stream, scope or customer from every service."""
        for name, fetcher in self._fetchers.items():
            if self._parts[name].knows_days:
                fetcher.fetch_groups(request)
            else:
                self._labelled(name)(GroupsPolled(request, NO_DAYS))

    def abandon_groups(self) -> None:
        """Abandon all requests for sums by stream, scope or customer."""
        for fetcher in self._fetchers.values():
            fetcher.abandon_groups()

    def fetch_alerts(self) -> None:
        """Fetch the alerts of every service."""
        for fetcher in self._fetchers.values():
            fetcher.fetch_alerts()

    def fetch_gap(self, row: str, span: CoverageSpan, *, of_stream: bool) -> None:
        """Fetch the details of a gap of a server, or of a stream, from its service."""
        fetcher, own = self._of(row)
        fetcher.fetch_gap(own, span, of_stream=of_stream)

    def _of(self, name: str) -> tuple[Fetcher, str]:
        """Return the fetcher of a qualified name's service, and the name there."""
        service, own = split_name(name, self._fetchers)
        return self._fetchers[service], own


class ServicesExporter(Exporter):
    """The exports of a table of several services. No token of any of them leaves."""

    def __init__(
        self,
        clients: Mapping[str, UsageClient],
        state: SeveralState,
        *,
        write_escape: Callable[[str], None],
        draw_screen: Callable[[], str],
        no_service_reason: str,
        knowledge_of: Mapping[str, Knowledge],
    ) -> None:
        super().__init__(
            None, state, write_escape=write_escape, draw_screen=draw_screen, no_service_reason=no_service_reason
        )
        self._clients = clients
        self._several = state
        self._knowledge_of = knowledge_of

    def shell_commands(self, session: Session) -> list[str]:
        """Return the commands that fetch the session's stream from its service."""
        from tui.output.shell_commands import curl_command, ls_command

        if session.service not in self._clients:
            raise NoServiceError(self._no_service_reason)
        settings = self._several.parts[session.service].settings
        return [ls_command(settings, session), curl_command(settings, self._clients[session.service].base_url, session)]

    def _incident_services(self) -> list[IncidentService]:
        return [
            IncidentService(name, part, self._clients.get(name), self._knowledge_of.get(name))
            for name, part in self._several.parts.items()
        ]

    def _redact(self, text: str) -> str:
        for client in self._clients.values():
            text = client.without_token(text)
        return redacted(text)
