"""The alerts view: what fires, is silenced, is pending or ended lately, and whether the receivers accept it.

The cursor is at an alert or at a silence; `s` silences the one, `e` ends the other.
"""

from collections.abc import Callable
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType

from streamusage.api.alerts import AlertList, AlertStatus, Silence
from tui.app.actions import Action, Context, bindings
from tui.app.messages.views import AlertsPolled
from tui.app.state import ConsoleState
from tui.model.alert_list import describe_counts
from tui.model.text import sanitize
from tui.screens.alerts.lines import AlertEntry, AlertPage, EntryKey
from tui.screens.base import ScrollingScreen
from tui.silencing.plan import EndPlan, SilencePlan, SilenceRequested
from tui.widgets.audience import AudienceStrip
from tui.widgets.lines import Line, Part
from tui.widgets.page import PageView

_CHANGES = ("silence", "end_silence")
"""The actions that need a service with alert rules."""


class AlertsScreen(ScrollingScreen):
    """A page that is fetched again after every poll while it is open. It implements `SilenceDialogs`."""

    BINDINGS: ClassVar[list[BindingType]] = [*bindings(Context.ALERTS)]

    CONTEXT: ClassVar[Context] = Context.ALERTS

    def __init__(self) -> None:
        super().__init__()
        self._listed: dict[str, AlertsPolled] = {}
        """The alerts by service, or why they are not known; one service has an empty name."""
        self._entries: list[AlertEntry] = []
        self._cursor: EntryKey | None = None
        """The entry that has the cursor; `None` until a key has moved or used it: the first one has it then."""
        self._row = 0
        """Number of the entry that has the cursor, so that the next one gets it when that one is gone."""

    def compose(self) -> ComposeResult:
        """Return the widgets."""
        yield Line(id="header")
        yield AudienceStrip(self.state, id="audience")
        yield Line(id="summary")
        yield PageView(id="page")
        yield Line(id="status")
        yield Line(id="keys")

    def prepare(self) -> None:
        """Prepare the widgets."""
        self.subscribe(self.port.feeds.alerts, self._show_alerts)
        self.query_one(PageView).focus()
        self.port.fetcher.fetch_alerts()

    def _show_alerts(self, polled: AlertsPolled) -> None:
        self._listed[polled.service] = polled
        self.state_changed(polled=False)

    def on_resize(self) -> None:
        """Draw for the new size."""
        self.state_changed(polled=False)

    def state_changed(self, *, polled: bool) -> None:
        """Draw what is different."""
        if not self.is_drawn:
            return
        if polled:
            self.port.fetcher.fetch_alerts()
        self._draw_header("alerts")
        self.query_one("#summary", Line).show(self._summary())
        self._draw_page()
        self._draw_keys()

    def _draw_page(self) -> None:
        entries = self._lay_out(None).entries
        keys = [entry.key for entry in entries]
        if self._cursor in keys:
            self._row = keys.index(self._cursor)
        elif self._cursor is None or not keys:
            self._row = 0
        else:
            self._row = min(self._row, len(keys) - 1)
            self._cursor = keys[self._row]
        page = self._lay_out(keys[self._row] if keys else None)
        self._entries = page.entries
        view = self.query_one(PageView)
        view.show(page.lines)
        entry = self._entry
        view.selected_line = None if entry is None else entry.first

    def _lay_out(self, selected: EntryKey | None) -> AlertPage:
        page = AlertPage(self.state.now_ms(), self.state.tz, self.size.width, selected)
        for service, polled in sorted(self._listed.items()):
            page.add_service(service, polled.alerts, polled.silences)
        return page

    def _summary(self) -> list[Part]:
        if not self._listed:
            return [(" loading the alerts …", "quiet")]
        known = [polled.alerts for polled in self._listed.values() if isinstance(polled.alerts, AlertList)]
        known = [listed for listed in known if listed.is_configured]
        if not known:
            return []
        count = sum(listed.rules for listed in known)
        rules = f"{count} rule{'' if count == 1 else 's'}"
        if len(self._listed) > 1:
            rules += f" of {len(known)} service{'' if len(known) == 1 else 's'}"
        elif known[0].sender:
            rules += f", evaluated by {sanitize(known[0].sender)}"
        else:
            rules += ", evaluated by no process now"
        alerts = [alert for listed in known for alert in listed.alerts]
        return [(f" {describe_counts(alerts)}", "strong"), (f"   {rules}", "quiet")]

    # The cursor

    @property
    def _entry(self) -> AlertEntry | None:
        """The alert or silence that has the cursor."""
        return self._entries[self._row] if self._row < len(self._entries) else None

    @property
    def service_under_cursor(self) -> str:
        """The service of the entry under the cursor, where there are several; else empty."""
        return "" if self._entry is None else self._entry.service

    def action_move(self, lines: int) -> None:
        """Move to the next entry, or the previous one (below zero); where that is far, scroll towards it."""
        page = self.query_one(PageView)
        top, bottom = page.scroll_offset.y, page.scroll_offset.y + page.size.height
        entry = self._entry
        is_visible = entry is not None and (entry.first < bottom if lines > 0 else entry.first >= top)
        if not is_visible or not 0 <= self._row + lines < len(self._entries):
            page.scroll_relative(y=lines, animate=False, immediate=True)
            return
        self._move_to(self._row + lines)
        entry = self._entries[self._row]
        if entry.first < top:
            page.scroll_to(y=entry.first, animate=False, immediate=True)
        elif entry.end > bottom:
            page.scroll_to(y=min(entry.first, entry.end - page.size.height), animate=False, immediate=True)

    def action_move_page(self, pages: int) -> None:
        """Move pages down, or up (below zero); the cursor follows into the page."""
        page = self.query_one(PageView)
        page.scroll_relative(y=pages * max(1, page.size.height - 1), animate=False, immediate=True)
        top, bottom = page.scroll_offset.y, page.scroll_offset.y + page.size.height
        visible = [row for row, entry in enumerate(self._entries) if top <= entry.first < bottom]
        if visible:
            is_at_end = top == (page.max_scroll_y if pages > 0 else 0)
            self._move_to(visible[-1 if is_at_end == (pages > 0) else 0])

    def action_first(self) -> None:
        """Move to the first entry."""
        super().action_first()
        self._move_to(0)

    def action_last(self) -> None:
        """Move to the last entry."""
        super().action_last()
        self._move_to(len(self._entries) - 1)

    def _move_to(self, row: int) -> None:
        if 0 <= row < len(self._entries):
            self._row, self._cursor = row, self._entries[row].key
            self._draw_page()

    # Silences

    def available_actions(self) -> list[Action]:
        """Return the actions of this view; those of silences only where a service has alert rules."""
        actions = super().available_actions()
        return [action for action in actions if action.name not in _CHANGES] if self._no_rules_reason() else actions

    def _explain_command(self, typed: str) -> str:
        reason = super()._explain_command(typed)
        is_change = " ".join(typed.casefold().split()) in [name.replace("_", " ") for name in _CHANGES]
        return reason or (self._no_rules_reason() if is_change else "")

    def _no_rules_reason(self) -> str:
        """Return why there is nothing to silence: no service is known to have alert rules; empty where one is."""
        if reason := self.port.poller.no_service_reason:
            return reason
        known = [polled.alerts for polled in self._listed.values()]
        if any(isinstance(alerts, AlertList) and alerts.is_configured for alerts in known):
            return ""
        return "no service here has alert rules" if known else "the alerts are not loaded yet"

    def action_silence(self) -> None:
        """Silence the alert under the cursor."""
        entry = self._entry
        if reason := self._no_rules_reason():
            self.show_notice(f"nothing to silence: {sanitize(reason)}", "warn")
        elif entry is None:
            self.show_notice("nothing to silence: no alert is listed", "warn")
        elif isinstance(entry.subject, Silence):
            self.show_notice("this is a silence: e ends it; move to an alert to silence that", "warn")
        else:
            self._cursor = entry.key
            self.port.silencing.request_silence(entry.service, entry.subject, self)

    def action_end_silence(self) -> None:
        """End the silence under the cursor, or the one of the alert under the cursor."""
        entry = self._entry
        if reason := self._no_rules_reason():
            self.show_notice(f"no silence to end: {sanitize(reason)}", "warn")
        elif entry is None or (silence := self._silence_of(entry)) is None:
            self.show_notice("no silence to end here: move to a silence or a silenced alert", "warn")
        else:
            self._cursor = entry.key
            self.port.silencing.request_end(entry.service, silence, self._alerts_of(entry.service), self)

    def _silence_of(self, entry: AlertEntry) -> Silence | None:
        if isinstance(entry.subject, Silence):
            return entry.subject
        silences = self._listed[entry.service].silences
        return next((silence for silence in silences if silence.id == entry.subject.silenced_by), None)

    def _alerts_of(self, service: str) -> list[AlertStatus]:
        alerts = self._listed[service].alerts
        return [] if isinstance(alerts, str) else alerts.alerts

    def confirm_silence(self, plan: SilencePlan, confirmed: Callable[[SilenceRequested | None], None]) -> None:
        """Open the dialog that asks how long and why."""
        from tui.screens.alerts.silence_dialogs import ConfirmSilence

        self.app.push_screen(ConfirmSilence(plan, self._state_of_cursor(), self.state.tz), confirmed)

    def confirm_end(self, plan: EndPlan, confirmed: Callable[[bool | None], None]) -> None:
        """Open the dialog that asks for a confirmation."""
        from tui.screens.alerts.silence_dialogs import ConfirmEnd

        self.app.push_screen(ConfirmEnd(plan, self._state_of_cursor(), self.state.tz), confirmed)

    def _state_of_cursor(self) -> ConsoleState:
        return self.state.parts.get(self.service_under_cursor, self.state)

    # Keys

    def action_back(self) -> None:
        """Close the innermost thing that is open."""
        self.app.pop_screen()
