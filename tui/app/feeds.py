"""Feeds: data that arrives is published to its subscribers.

Textual's `Signal` logs an error of a subscriber and continues; a feed lets it surface, so that a fault in a screen is
never silent.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Generic, NamedTuple, TypeVar

from tui.model.alerts import Alert
from tui.model.text import sanitize

if TYPE_CHECKING:
    from tui.app.messages.views import (
        AlertsPolled,
        CoveragePolled,
        DayPolled,
        DayRowsPolled,
        GapDetailsFetched,
        GroupsPolled,
        MonthPolled,
    )
    from tui.model.gaps.coverage_book import CoverageBook

Value = TypeVar("Value")


class Notice(NamedTuple):
    """A line for the operator."""

    text: str
    """Safe to draw."""
    ink: str
    text_now: Callable[[], str] | None = None
    """Returns the text as it is now, where it states a time that continues; empty once that is over."""

    def at_present(self) -> Notice | None:
        """Return the notice as it is now; `None` once what it states is over."""
        if self.text_now is None:
            return self
        text = self.text_now()
        return self._replace(text=text) if text else None


def alert_notice(alert: Alert, owed_ms: Callable[[str], int]) -> Notice:
    """Return the line of an alert. That of a raised one ages: `owed_ms` returns how much a server owes now."""
    if alert.kind == "cleared":
        return Notice(f"{sanitize(alert.describe())}; g: gaps", "good")

    def text_now() -> str:
        owed = owed_ms(alert.server)
        return f"{sanitize(alert._replace(owed_ms=owed).describe())}; g: gaps" if owed else ""

    return Notice(text_now(), "missing", text_now)


class StateChange(NamedTuple):
    """The console's state is different, or a second has passed."""

    polled: bool
    """Whether a poll changed it; else only ages did."""


class Feed(Generic[Value]):
    """Publish values of one kind, synchronously and in the order of subscription."""

    def __init__(self) -> None:
        self._callbacks: dict[object, Callable[[Value], object]] = {}

    def subscribe(self, callback: Callable[[Value], object]) -> Callable[[], None]:
        """Call `callback` for every value from now on. Returns the function that ends the subscription."""
        subscription = object()
        self._callbacks[subscription] = callback
        return lambda: self._callbacks.pop(subscription, None) and None

    def publish(self, value: Value) -> None:
        """Deliver a value to every subscriber."""
        for callback in list(self._callbacks.values()):
            callback(value)


class Feeds:
    """The feeds of one console."""

    def __init__(self) -> None:
        self.state = Feed[StateChange]()
        """After every poll, failed or not, and once a second."""
        self.notices = Feed[Notice]()
        self.coverage: Feed[CoveragePolled] = Feed()
        self.gaps: Feed[CoverageBook] = Feed()
        """Published by the gap view once it has applied a poll of the coverage."""
        self.gap_details: Feed[GapDetailsFetched] = Feed()
        self.day: Feed[DayPolled] = Feed()
        self.month: Feed[MonthPolled] = Feed()
        self.day_rows: Feed[DayRowsPolled] = Feed()
        self.groups: Feed[GroupsPolled] = Feed()
        self.alerts: Feed[AlertsPolled] = Feed()
        self.history = Feed[None]()
        """The state has another history of the stream under the cursor, or a reason why there is none."""
