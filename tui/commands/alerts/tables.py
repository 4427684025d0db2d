"""Tables of alerts, receivers and silences. Pure."""

from collections.abc import Callable
from operator import attrgetter
from typing import Any
from zoneinfo import ZoneInfo

from streamusage.api.alerts import AlertStatus, ReceiverStatus, Silence
from tui.model import formats
from tui.model.alert_list import format_matchers, phase_name
from tui.model.formats import time_text
from tui.output import ListColumn, View, attributes


def alert_view(tz: ZoneInfo) -> View[AlertStatus]:
    """Return the view of alerts."""
    return View(
        tz=tz,
        columns=[
            *attributes("id"),
            ListColumn("state", phase_name),
            *attributes("rule", "kind", "severity", "phase"),
            *attributes("summary", shrinks=True),
            ListColumn("labels", lambda row: format_matchers(row.labels), shrinks=True),
            *attributes("silenced_by"),
            *attributes("since", "fired_at", is_time=True),
            ListColumn(
                "resolved_at", attrgetter("resolved_at"), "ENDED", _text_or_empty("resolved_at", tz), is_time=True
            ),
            *attributes("notified_at", is_time=True),
        ],
        table=("state", "severity", "rule", "since", "resolved_at", "summary"),
        csv=(
            *("id", "rule", "kind", "severity", "phase", "summary", "labels", "silenced_by"),
            *("since", "fired_at", "resolved_at", "notified_at"),
        ),
        narrow=("resolved_at", "severity", "rule", "since"),
    )


def receiver_view(tz: ZoneInfo) -> View[ReceiverStatus]:
    """Return the view of receivers."""
    return View(
        tz=tz,
        columns=[
            ListColumn("name", attrgetter("name"), "RECEIVER"),
            *attributes("format"),
            *attributes("host", shrinks=True),
            _count("pending", "WAITING"),
            _count("failed_attempts", "FAILED ATTEMPTS"),
            _count("delivered", "DELIVERED"),
            _count("failures", "FAILURES"),
            _count("dropped", "DROPPED"),
            *attributes("oldest_pending_at", is_time=True),
            ListColumn(
                "next_attempt_at",
                attrgetter("next_attempt_at"),
                "NEXT ATTEMPT",
                _text_or_empty("next_attempt_at", tz),
                is_time=True,
            ),
            *attributes("delivered_at", "failed_at", is_time=True),
            *attributes("error", shrinks=True),
        ],
        table=("name", "format", "host", "pending", "delivered", "failures", "dropped", "next_attempt_at", "error"),
        csv=(
            *("name", "format", "host", "pending", "failed_attempts", "error", "delivered", "failures", "dropped"),
            *("oldest_pending_at", "next_attempt_at", "delivered_at", "failed_at"),
        ),
        narrow=("dropped", "next_attempt_at", "delivered", "host", "format"),
    )


def silence_view(tz: ZoneInfo) -> View[Silence]:
    """Return the view of silences."""
    return View(
        tz=tz,
        columns=[
            *attributes("id"),
            ListColumn("matchers", lambda row: format_matchers(row.matchers), "MATCHES", shrinks=True),
            ListColumn("ends_at", attrgetter("ends_at"), "ENDS", is_time=True),
            *attributes("by"),
            *attributes("reason", shrinks=True),
            *attributes("created_at", is_time=True),
        ],
        table=("id", "matchers", "ends_at", "by", "reason"),
        csv=("id", "matchers", "by", "reason", "created_at", "ends_at"),
        narrow=("by", "reason"),
    )


def _count(name: str, title: str) -> ListColumn[ReceiverStatus]:
    count = attrgetter(name)
    return ListColumn(name, count, title, lambda row: formats.count(count(row)), figure=True)


def _text_or_empty(name: str, tz: ZoneInfo) -> Callable[[Any], str]:
    """Return a column's text: empty, not unknown, where the time has not come."""
    at_ms = attrgetter(name)
    return lambda row: "" if at_ms(row) is None else time_text(at_ms(row), tz)
