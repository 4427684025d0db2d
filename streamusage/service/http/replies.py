"""The service's clock in a reply to an agent: when the request arrived, and when the reply is made."""

from typing import TypeVar

from msgspec.structs import replace

from streamusage.api.report import Acknowledgement, EpochIssued, Refusal
from streamusage.service.trusted_clock import TrustedClock

Reply = TypeVar("Reply", Acknowledgement, EpochIssued, Refusal, Acknowledgement | Refusal)


def stamp_reply(reply: Reply, received_at_ms: int, clock: TrustedClock) -> Reply:
    """Return the reply as it is sent now. Call it after the commit: the wait for the writer is not the network's."""
    now = "timestamp" if isinstance(reply, Refusal) else "now"
    return replace(reply, **{now: clock.now_ms(), "received_at": received_at_ms, "clock": clock.word})
