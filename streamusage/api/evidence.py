"""Shapes of the evidence for billed figures: signed statements, corrections, the chain. Times are UTC milliseconds."""

from typing import Any, Literal

import msgspec
from msgspec import UNSET, UnsetType

from streamusage.api.daily import CustomerDifference, DayDifference

CorrectionState = Literal["proposed", "approved", "void"]


class SignedStatement(msgspec.Struct, frozen=True, kw_only=True):
    """A statement and its signature."""

    now: int
    statement: str
    """The canonical JSON: its UTF-8 bytes are signed."""
    signature: str | None = None
    """Base64 of 64 bytes; `None` if the service has no key."""


class ChainRow(msgspec.Struct, frozen=True, kw_only=True):
    """An entry of the chain."""

    number: int
    hash: str
    content: dict[str, Any]
    """The fields whose canonical JSON is hashed."""


class Chain(msgspec.Struct, frozen=True, kw_only=True):
    """A part of the chain, by number."""

    now: int
    service: str
    """Name of the service; empty while its chain has no entry."""
    entries: list[ChainRow]
    more: bool = False
    """Whether the requested part has further entries."""


class Correction(msgspec.Struct, frozen=True, kw_only=True):
    """A change of a closed day that is proposed, or approved and thereby billed."""

    id: int
    server: str
    day: str
    tz: str
    revision: int
    """Of the closing that it corrects."""
    state: CorrectionState
    """`void`: the closing that it corrects no longer counts, and neither does the correction."""
    difference: DayDifference
    reason: str
    proposed_at: int
    proposed_by: str
    """Name of a token, or `service` for what arrived late."""
    approved_at: int | None = None
    approved_by: str | None = None
    """Name of a token, or `service` below the threshold of automatic approval."""
    reverses: int | None = None
    """The correction that this one takes back."""
    reversed_by: int | None = None
    customers: list[CustomerDifference] | UnsetType = UNSET
    """The difference by customer; what they leave of it is not by stream. Absent where no rules applied to the day."""


class CorrectionResult(msgspec.Struct, frozen=True, kw_only=True):
    """A correction after a request that proposed, approved or reversed one."""

    now: int
    correction: Correction


class Corrections(msgspec.Struct, frozen=True, kw_only=True):
    """Corrections of closed days, by id."""

    now: int
    corrections: list[Correction]
