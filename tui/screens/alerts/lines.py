"""The lines of the page of alerts."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import tzinfo
from textwrap import wrap
from typing import NamedTuple

from streamusage.api.alerts import AlertList, AlertStatus, ReceiverStatus, Silence
from tui.model import formats
from tui.model.alert_list import SILENCED, failing_receivers, format_matchers, of_phase
from tui.model.text import sanitize, width
from tui.widgets.lines import Part

EntryKey = tuple[str, bool, str]
"""Service, whether it is a silence, and id."""

_NOT_CONFIGURED = (
    "This service evaluates no alert rules. Start it with streamtop serve --alerts FILE: it then posts to webhooks "
    "when a server is missing, figures are lost, a day is not final, or nobody publishes a stream that matters."
)
_INKS = {"critical": "bad", "warning": "warn", "info": "strong"}
_SECTIONS = (("firing", "FIRING"), (SILENCED, "SILENCED"), ("pending", "PENDING"), ("resolved", "ENDED WITHIN A DAY"))
_MARGIN = 14
"""Cells before the text of an alert."""
_SILENCE_CELLS = 9
"""Cells of a silence's id."""


class AlertEntry(NamedTuple):
    """An alert or a silence on the page, which the cursor can be at."""

    service: str
    subject: AlertStatus | Silence
    first: int
    """Number of its first line."""
    end: int
    """Number of the line after its last one."""

    @property
    def key(self) -> EntryKey:
        """What it is known by from one page to the next."""
        return self.service, isinstance(self.subject, Silence), self.subject.id


class AlertPage:
    """The lines of the page, and its entries in their order. `selected` has the cursor."""

    def __init__(self, now_ms: int, tz: tzinfo | None, cells: int, selected: EntryKey | None = None) -> None:
        self.lines: list[list[Part]] = []
        self.entries: list[AlertEntry] = []
        self._now_ms, self._tz, self._cells = now_ms, tz, cells
        self._selected = selected

    def add_service(self, service: str, listed: AlertList | str, silences: Sequence[Silence]) -> None:
        """Add what is known of a service's alerts, or why they are not known. One service has an empty name."""
        if service:
            self._add_section(sanitize(service), "accent")
        if isinstance(listed, str):
            self.lines += [[], *_wrapped(listed, self._cells, "bad")]
        elif not listed.is_configured:
            self.lines += [[], *_wrapped(_NOT_CONFIGURED, self._cells, "quiet")]
        else:
            self._add_troubles(listed)
            self._add_alerts(service, listed.alerts)
            self._add_silences(service, silences)
            self._add_receivers(listed)

    def _add_section(self, title: str, ink: str = "quiet") -> None:
        self.lines += [[], [(f" {title}", ink)]]

    def _add_entry(self, service: str, subject: AlertStatus | Silence, lines: Iterable[list[Part]]) -> None:
        first = len(self.lines)
        drawn = list(lines)
        entry = AlertEntry(service, subject, first, first + len(drawn))
        self.entries.append(entry)
        if entry.key == self._selected:
            drawn[0] = _under_cursor(drawn[0], self._cells - 1)  # a scrollbar may take the last cell
        self.lines += drawn

    def _add_troubles(self, listed: AlertList) -> None:
        for rule, cause in listed.failing_rules.items():
            self.lines += [[], *_wrapped(f"the rule {rule} cannot be evaluated: {cause}", self._cells, "bad")]
        if failing := failing_receivers(listed):
            self._add_section("NOT DELIVERED")
            for receiver in failing:
                self.lines += _receiver_lines(receiver, self._now_ms, self._cells)

    def _add_alerts(self, service: str, alerts: Sequence[AlertStatus]) -> None:
        for phase, title in _SECTIONS:
            found = of_phase(alerts, phase)
            if found or phase == "firing":
                self._add_section(title)
                for alert in found:
                    self._add_entry(service, alert, _alert_lines(alert, phase, self._now_ms, self._tz, self._cells))
                if not found:
                    self.lines.append([(" nothing", "good")])

    def _add_silences(self, service: str, silences: Sequence[Silence]) -> None:
        if silences:
            self._add_section("SILENCES")
            for silence in silences:
                self._add_entry(service, silence, _silence_lines(silence, self._now_ms, self._tz, self._cells))

    def _add_receivers(self, listed: AlertList) -> None:
        accepted = [receiver for receiver in listed.receivers if not receiver.failed_attempts]
        if accepted or not listed.receivers:
            self._add_section("RECEIVERS")
        self.lines += [_receiver_summary(receiver, self._now_ms) for receiver in accepted]
        if not listed.receivers:
            self.lines.append([(" none: alerts are listed here only", "quiet")])


def _under_cursor(line: Sequence[Part], cells: int) -> list[Part]:
    """Return the line of an entry that has the cursor. Its first cell is blank without it."""
    text, ink = line[0]
    marked = [(f"▸{text[1:]}", ink), *line[1:]]
    used = sum(width(text) for text, _ in marked)
    return [(text, f"{ink} cursor".lstrip()) for text, ink in [*marked, (" " * max(0, cells - used), "")]]


def _wrapped(text: str, cells: int, ink: str) -> Iterator[list[Part]]:
    for line in wrap(sanitize(text), max(20, cells - 4)):
        yield [(f" {line}", ink)]


def _alert_lines(alert: AlertStatus, phase: str, now_ms: int, tz: tzinfo | None, cells: int) -> Iterator[list[Part]]:
    ink = "quiet" if phase in (SILENCED, "resolved") else _INKS[alert.severity]
    first, *more = wrap(sanitize(alert.summary), max(20, cells - _MARGIN)) or [""]
    yield [(f"  {alert.severity:<8} ", ink), (first, "strong" if phase == "firing" else "")]
    for line in more:
        yield [(f"  {'':8} {line}", "strong" if phase == "firing" else "")]
    if alert.resolved_at is None:
        when = f"{formats.age(max(0, now_ms - alert.since))} ago"
    else:
        lasted = formats.duration(max(0, alert.resolved_at - alert.since))
        when = f"ended {formats.moment(alert.resolved_at, now_ms, tz)} after {lasted}"
    facts = f"{when} · {sanitize(alert.rule)}"
    if alert.silenced_by:
        facts += f" · silence {sanitize(alert.silenced_by)}"
    elif phase == "firing" and alert.notified_at is None:
        facts += " · no receiver"
    yield [(f"  {'':8} {facts}", "quiet")]
    if phase == "firing" and alert.description:
        for line in wrap(sanitize(alert.description), max(20, cells - _MARGIN)):
            yield [(f"  {'':8} {line}", "quiet")]


def _silence_lines(silence: Silence, now_ms: int, tz: tzinfo | None, cells: int) -> Iterator[list[Part]]:
    room = max(20, cells - _SILENCE_CELLS - 4)
    first, *more = wrap(sanitize(format_matchers(silence.matchers)), room) or [""]
    yield [(f"  {sanitize(silence.id):<{_SILENCE_CELLS}}", "strong"), (first, "")]
    for line in more:
        yield [(f"  {'':{_SILENCE_CELLS}}{line}", "")]
    ends = f"ends in {formats.age(max(0, silence.ends_at - now_ms))}, {formats.moment(silence.ends_at, now_ms, tz)}"
    for line in wrap(f"{ends} · {sanitize(silence.by)}: {sanitize(silence.reason)}", room):
        yield [(f"  {'':{_SILENCE_CELLS}}{line}", "quiet")]


def _receiver_lines(receiver: ReceiverStatus, now_ms: int, cells: int) -> Iterator[list[Part]]:
    waiting = f"{receiver.pending} message{'' if receiver.pending == 1 else 's'} waiting"
    if receiver.oldest_pending_at is not None:
        waiting += f" for {formats.age(max(0, now_ms - receiver.oldest_pending_at))}"
    yield [(f" {sanitize(receiver.name)}", "bad"), (f"  {waiting}, {receiver.failed_attempts} attempts", "")]
    if receiver.next_attempt_at is not None:
        wait = formats.age(max(0, receiver.next_attempt_at - now_ms))
        yield [(f"   next attempt in {wait}, to {sanitize(receiver.host)}", "quiet")]
    for line in wrap(sanitize(receiver.error), max(20, cells - 4)):
        yield [(f"   {line}", "quiet")]


def _receiver_summary(receiver: ReceiverStatus, now_ms: int) -> list[Part]:
    delivered = f"{formats.count(receiver.delivered)} delivered"
    if receiver.delivered_at is not None:
        delivered += f", the last {formats.age(max(0, now_ms - receiver.delivered_at))} ago"
    dropped = f", {formats.count(receiver.dropped)} dropped" if receiver.dropped else ""
    return [
        (f" {sanitize(receiver.name)}", "good"),
        (f"  {receiver.format}, {sanitize(receiver.host)}: {delivered}{dropped}", "quiet"),
    ]
