"""Messages from the poller and the fetcher to the console. Only the app's handlers act on them.

These are sent by every console; `views` has those about what an opened view shows, and is imported with the first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from textual.message import Message

if TYPE_CHECKING:
    from streamusage.api.alerts import AlertSummary
    from streamusage.api.extension import ServerStatus, ServiceClock, Trends
    from streamusage.client.schema_drift import SchemaDrift
    from streamusage.core.usage import SessionKey
    from tui.model.failure_page import FailedRequest
    from tui.model.latency import Split
    from tui.model.sessions.store import Session


@dataclass
class SessionsPolled(Message):
    """A poll succeeded."""

    changed: Sequence[Session]
    removed: list[SessionKey]
    reset: bool
    """Every session that is not in `changed` is gone."""
    now_ms: int | None
    """The service's clock; `None` where the answer has none."""
    servers: list[ServerStatus] | None
    """`None` from a plain Stream Manager."""
    cannot_show: str
    """What a plain Stream Manager does not offer, as text; empty for our own service."""
    drift: SchemaDrift | None = None
    """`None` where the poll brought no record."""
    split: Split | None = None
    """Where the poll's time went, as far as it is known by now."""
    clock: ServiceClock | None = None
    """The service's own clock; `None` where the answer has none."""
    alerts: AlertSummary | None = None
    """Alerts of the service that fire; `None` where it evaluates no alert rules."""
    knows_live: bool = True
    """False where no live list can be read: nobody knows which sessions are on air."""
    service: str = ""
    """The service that answered, where there are several."""


@dataclass
class PollFailed(Message):
    """A poll failed; what was known before is still shown."""

    why: str
    refused: bool
    retry_in_ms: int | None
    """`None` where only the operator tries again: the service refused the token."""
    request: FailedRequest | None = None
    """What failed, for the page of an error; `None` in a recording."""


@dataclass
class TrendsPolled(Message):
    """The trends of all streams that are on air."""

    trends: Trends
