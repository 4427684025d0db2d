"""The course of a silence: request, dialog, request to the service that has the alert, and the list again.

The dialogs know no client: what they were answered comes back here.
"""

from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from streamusage.api.alerts import AlertStatus, Silence
from streamusage.client.errors import RefusedError, UnreachableError, UsageApiError, cause_first
from streamusage.client.usage_client import UsageClient
from tui.app.state import ConsoleState
from tui.model import formats
from tui.model.text import sanitize
from tui.silencing.plan import EndPlan, SilencePlan, SilenceRequested, matchers_of


class SilenceDialogs(Protocol):
    """The dialogs about silences."""

    def confirm_silence(self, plan: SilencePlan, confirmed: Callable[[SilenceRequested | None], None]) -> None:
        """Ask how long and why. `confirmed` receives that, or `None` if it was cancelled."""

    def confirm_end(self, plan: EndPlan, confirmed: Callable[[bool | None], None]) -> None:
        """Ask for a confirmation. `confirmed` receives whether it was given."""


class SilencingService(NamedTuple):
    """A service whose alerts are shown: its client, and what the console knows of it."""

    client: UsageClient
    state: ConsoleState


class SilencingFlow:
    """The silences of one console. `services` has each service by profile; one service has an empty name.

    `list_again` fetches the alerts again.
    """

    def __init__(
        self,
        services: Mapping[str, SilencingService],
        *,
        start: Callable[[Coroutine[Any, Any, None]], object],
        list_again: Callable[[], None],
        show_notice: Callable[[str, str], None],
        no_service_reason: str = "",
    ) -> None:
        self._services = services
        self._start = start
        self._list_again = list_again
        self._show_notice = show_notice
        self._no_service_reason = no_service_reason

    def request_silence(self, service: str, alert: AlertStatus, dialogs: SilenceDialogs) -> None:
        """Open the dialog for an alert, or show a notice with the reason why it cannot be silenced."""
        if (known := self._writable(service, "nothing was silenced")) is None:
            return
        plan = SilencePlan(_place(service, known.state), alert, matchers_of(alert))

        def confirmed(requested: SilenceRequested | None) -> None:
            if requested is not None and self._writable(service, "nothing was silenced") is not None:
                self._start(self._begin(known, service, plan, requested))

        dialogs.confirm_silence(plan, confirmed)

    def request_end(
        self, service: str, silence: Silence, alerts: Sequence[AlertStatus], dialogs: SilenceDialogs
    ) -> None:
        """Open the dialog for a silence, or show a notice with the reason why it cannot be ended.

        `alerts` are those that the service lists.
        """
        if (known := self._writable(service, "no silence was ended")) is None:
            return
        kept_back = [alert for alert in alerts if alert.phase == "firing" and alert.silenced_by == silence.id]
        plan = EndPlan(_place(service, known.state), silence, kept_back)

        def confirmed(is_confirmed: bool | None) -> None:
            if is_confirmed and self._writable(service, "no silence was ended") is not None:
                self._start(self._end(known, service, plan))

        dialogs.confirm_end(plan, confirmed)

    def _writable(self, service: str, unchanged: str) -> SilencingService | None:
        """Return the service if it may be changed now; else show why it may not."""
        known = self._services.get(service)
        if known is None:
            self._show_notice(f"{unchanged}: {sanitize(self._no_service_reason)}", "warn")
        elif known.state.is_read_only():
            of_service = f"{sanitize(service)} is " if service else ""
            self._show_notice(f"{unchanged}: {of_service}read-only; :arm 5m lifts that for five minutes", "warn")
            return None
        return known

    async def _begin(
        self, known: SilencingService, service: str, plan: SilencePlan, requested: SilenceRequested
    ) -> None:
        self._show_notice("silencing …", "quiet")
        try:
            result = await known.client.alerts.silence(dict(plan.matchers), requested.for_ms, requested.reason)
        except (UsageApiError, ValueError) as error:
            self._show_failure(service, "nothing was silenced", error)
        else:
            until = formats.moment(result.silence.ends_at, result.now, known.state.tz)
            self._show_notice(f"{_at(service)}silenced until {until}: {plan.subject}", "good")
        self._list_again()

    async def _end(self, known: SilencingService, service: str, plan: EndPlan) -> None:
        self._show_notice("ending the silence …", "quiet")
        try:
            await known.client.alerts.end_silence(plan.silence.id)
        except (UsageApiError, ValueError) as error:
            self._show_failure(service, "no silence was ended", error)
        else:
            sent = ", what was kept back is sent" if plan.unsent else ""
            self._show_notice(f"{_at(service)}silence ended{sent}: {plan.subject}", "good")
        self._list_again()

    def _show_failure(self, service: str, unchanged: str, error: Exception) -> None:
        cause = sanitize(cause_first(error))
        if isinstance(error, RefusedError) and error.status == 403:
            cause = "this token may not; silences need an admin's token"
        # Without a complete reply nobody knows what the service did; the list does.
        outcome = "no answer, see the list" if isinstance(error, UnreachableError) else unchanged
        self._show_notice(f"{_at(service)}{outcome}: {cause}", "bad")


def _at(service: str) -> str:
    return f"{sanitize(service)}: " if service else ""


def _place(service: str, state: ConsoleState) -> str:
    return f"{service}, {state.host}" if service else state.host
