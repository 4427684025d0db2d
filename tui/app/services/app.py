"""The app of a console that shows several services: each has its own client, poller, deletes and requests.

What a poller or a request posts is labelled with its service. Nothing that belongs to one service reaches another.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from textual import on
from textual.message import Message

from streamusage.client.usage_client import UsageClient
from streamusage.core.clock import Clock
from tui.app.actions import Context
from tui.app.console_app import ConsoleApp
from tui.app.messages import PollFailed, SessionsPolled, TrendsPolled
from tui.app.messages.views import (
    AlertsPolled,
    CoveragePolled,
    DayPolled,
    DayRowsPolled,
    GapDetailsFetched,
    GroupsPolled,
    HistoryMissing,
    HistoryPolled,
    MonthPolled,
)
from tui.app.poller import Poller
from tui.app.ports import PollSource
from tui.app.services.source import ServicesSource
from tui.app.services.state import SeveralState
from tui.app.state import ConsoleState
from tui.config.settings import ConnectionSettings
from tui.config.view_memory import ViewMemory
from tui.model.alerts import AlertBook
from tui.model.services.servers import qualified, qualified_name
from tui.model.text import sanitize
from tui.recording.errors import RecordingError
from tui.screens.base import ConsoleScreen
from tui.styles.themes import Abilities

if TYPE_CHECKING:
    from tui.app.services.player import ServicesPlayer
    from tui.app.services.ports import ServicesExporter, ServicesFetcher
    from tui.deletion.services import ServicesDeletion
    from tui.recording.knowledge import Knowledge
    from tui.recording.recording import Recording
    from tui.silencing.flow import SilencingService


@dataclass
class FromService(Message):
    """A message of the poller, a delete or a request of one service."""

    service: str
    message: Message


class ServicesApp(ConsoleApp):
    """One console of several services. `clients` has the client of each, by profile.

    It is empty where a recording is played: `make_player` returns what publishes the messages of each service then.
    """

    CSS_PATH = "../../styles/console.tcss"

    def __init__(
        self,
        clients: Mapping[str, UsageClient],
        settings: ConnectionSettings,
        *,
        clock: Clock,
        journal_path: Path,
        reconciled_folder: Path | None = None,
        host: str = "",
        able: Abilities | None = None,
        memory: ViewMemory | None = None,
        recording: "Recording | None" = None,
        make_player: Callable[[Callable[[str], Callable[[Message], object]]], "ServicesPlayer"] | None = None,
    ) -> None:
        self._clients = dict(clients)
        self._make_player = make_player
        names = [one.profile or "" for one in settings.services]
        self._writers = {} if recording is None else recording.of_services(names)
        super().__init__(
            None,
            settings,
            clock=clock,
            journal_path=journal_path,
            reconciled_folder=reconciled_folder,
            host=host or f"{len(names)} services",
            able=able,
            memory=memory,
            make_source=self._create_sources,
        )
        for client in self._clients.values():
            client.pause = self.key_priority.pause
        self._alert_books = {
            one.profile or "": (one.alerts, AlertBook(round(one.alerts.after * 1000))) for one in settings.services
        }

    def _create_state(self, **known: Any) -> ConsoleState:
        self.services = SeveralState(**known)
        return self.services

    def _create_sources(self, post: Callable[[Message], object]) -> PollSource:
        self.source: ServicesSource | ServicesPlayer
        if self._make_player is not None:
            self.source = self._make_player(self._labelled)
            return self.source
        pollers = {
            name: Poller(
                client,
                self._labelled(name),
                interval_seconds=part.settings.poll_interval_s,
                clock=self.services.clock,
            )
            for (name, client), part in zip(self._clients.items(), self.services.parts.values(), strict=True)
        }
        self.source = ServicesSource(pollers, self.services)
        return self.source

    def _labelled(self, service: str) -> Callable[[Message], object]:
        """Return the function that posts messages of a service."""
        return lambda message: self.post_message(FromService(service, message))

    def _of_cursor(self) -> str:
        """Return the service of the row under the cursor; without one, the one that was chosen last."""
        view = next((screen for screen in reversed(self.screen_stack) if isinstance(screen, ConsoleScreen)), None)
        return (view.service_under_cursor if view is not None else "") or self.services.chosen

    def _start_polling(self) -> None:
        super()._start_polling()
        for name, writer in self._writers.items():
            from tui.recording.keeper import record_knowledge

            self.run_worker(record_knowledge(self._clients[name], writer, self.state.tz), group="record")

    def _record(self, service: str, message: Message) -> None:
        try:
            if service in self._writers:
                self._writers[service].write_message(message)
        except RecordingError as error:
            self._writers = {}
            self.show_notice(sanitize(str(error)), "bad")

    # Messages

    @on(FromService)
    def _from_service(self, sent: FromService) -> None:
        from tui.deletion.flow import DeleteFinished

        service, message = sent.service, sent.message
        self._record(service, message)
        part, is_chosen = self.services.parts[service], service == self.services.chosen
        match message:
            case SessionsPolled():
                self._polled(replace(message, service=service))
            case PollFailed():
                self.services.record_failure_of(service, message)
                self.publish_state(polled=True)
            case CoveragePolled():
                part.coverage = message.coverage
                self.feeds.coverage.publish(replace(message, service=service))
            case DayPolled():
                self.post_message(replace(message, server=qualified_name(service, message.server)))
            case GapDetailsFetched():
                self.post_message(replace(message, row=qualified_name(service, message.row)))
            case TrendsPolled():
                part.apply_trends(message.trends)
                self._trends_changed()
            case DeleteFinished():
                self.deletion.finish_at(service, message.outcome)
            case MonthPolled():
                if (month := self.fetcher.days.add_month(service, message.first, message.month)) is not None:
                    self.post_message(replace(message, month=month))
            case DayRowsPolled():
                if (rows := self.fetcher.days.add_rows(service, message.day, message.rows)) is not None:
                    self.post_message(replace(message, rows=rows))
            case GroupsPolled():
                if (groups := self.fetcher.days.add_groups(service, message.request, message.rows)) is not None:
                    self.post_message(replace(message, rows=groups))
            case AlertsPolled():
                self.post_message(replace(message, service=service))
            case HistoryPolled() | HistoryMissing():
                self.post_message(message)  # its key contains the service
            case _ if is_chosen:
                self.post_message(message)

    def _raise_alerts(self) -> None:
        for name, (alerts, book) in self._alert_books.items():
            self._deliver_alerts(book.update(qualified(name, self.services.parts[name].servers or ())), alerts)

    # What each service has of its own

    @cached_property
    def deletion(self) -> "ServicesDeletion":
        """What deletes, from the service of the rows."""
        from tui.deletion.flow import DeletionFlow
        from tui.deletion.scope import ServiceScope
        from tui.deletion.services import ServicesDeletion

        shared: dict[str, Any] = {
            "dialogs": self.sessions_screen,
            "journal_path": self._journal_path,
            "start": lambda work: self.run_worker(work, group="delete", exit_on_error=True),
            "open_after": self.openings.open_after,
            "show_notice": self.show_notice,
        }
        flows = {
            name: DeletionFlow(
                self._clients.get(name),
                ServiceScope(name, self.services),
                post=self._labelled(name),
                refresh=partial(self.source.refresh_service, name),
                no_service_reason=self.source.no_service_reason,
                service=name,
                **shared,
            )
            for name in self.services.parts
        }
        return ServicesDeletion(
            flows,
            self.services,
            of_cursor=self._of_cursor,
            show_notice=self.show_notice,
            journal_path=self._journal_path,
            dialogs=self.sessions_screen,
        )

    def _silencing_services(self) -> "dict[str, SilencingService]":
        from tui.silencing.flow import SilencingService

        return {name: SilencingService(client, self.services.parts[name]) for name, client in self._clients.items()}

    @cached_property
    def exporter(self) -> "ServicesExporter":
        """What copies and saves."""
        from tui.app.services.ports import ServicesExporter

        return ServicesExporter(
            self._clients,
            self.services,
            write_escape=self.write_escape,
            draw_screen=self.export_screenshot,
            no_service_reason=self.source.no_service_reason,
            knowledge_of=self._knowledge_of(),
        )

    @cached_property
    def fetcher(self) -> "ServicesFetcher":
        """What fetches data beside the polls, from the chosen service."""
        from tui.app.services.ports import ServicesFetcher

        return ServicesFetcher(
            self._clients,
            self.services,
            labelled=self._labelled,
            start=lambda work: self.run_worker(work, group="fetch", exit_on_error=True),
            no_service_reason=self.source.no_service_reason,
            knowledge_of=self._knowledge_of(),
        )

    def _knowledge_of(self) -> "Mapping[str, Knowledge]":
        return {} if isinstance(self.source, ServicesSource) else self.source.knowledge_of

    def _without_token(self, text: str) -> str:
        for client in self._clients.values():
            text = client.without_token(text)
        return text

    # Verbs of the port

    def open_view(self, view: Context, **arguments: Any) -> None:
        """Open another view: of the service under the cursor, where it shows one service."""
        self.services.chosen = self._of_cursor()
        super().open_view(view, **arguments)

    def arm(self, length: str) -> None:
        """Lift read-only for a time at the service under the cursor, and at no other one."""
        if no_service := self.source.no_service_reason:
            self.show_notice(no_service, "warn")
        else:
            self._arm(self.services.parts[self._of_cursor()], length)
