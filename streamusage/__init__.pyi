"""The public names of the library, for type checkers. `__init__.py` imports them when they are first used."""

from streamusage.api.daily import (
    BackfilledPart,
    Closed,
    CloseResult,
    CoveredTime,
    CustomerDifference,
    DailyFigures,
    DayDifference,
    GapDelta,
    LedgerEntry,
    Percentile,
    VoidEntry,
)
from streamusage.api.disagreements import Disagreement
from streamusage.api.evidence import ChainRow, Correction, SignedStatement
from streamusage.api.extension import AuditEntry, ImportResult, Orphan, RemovedServer, RepairedServer, ServerStatus
from streamusage.client.errors import (
    ExtensionMissingError,
    InvalidAddressError,
    InvalidAnswerError,
    NotFoundError,
    RefusedError,
    RequestError,
    UnreachableError,
    UsageApiError,
)
from streamusage.core.coverage import Provenance
from streamusage.core.errors import InvalidArgumentError, StreamUsageError
from streamusage.core.secrets import SecretError
from streamusage.core.usage import EmptyNameError, PartialUsageRecord, SessionKey, StreamId, UsageRecord
from streamusage.library.async_client import AsyncClient
from streamusage.library.client import Client
from streamusage.library.days import AccountingDay, PeriodSum, UsageFigures
from streamusage.library.operations import ClosedClientError
from streamusage.library.quantities import (
    AtLeast,
    Estimate,
    Exact,
    IncompleteFigureError,
    Quantity,
    Reported,
    Unknown,
    total,
)
from streamusage.library.servers import CarriedLiveStream, CoveredSpan, MediaServer, SubscriberPoint
from streamusage.library.sessions import SessionChanges, StreamSession

__version__: str

__all__ = [
    "AccountingDay",
    "AsyncClient",
    "AtLeast",
    "AuditEntry",
    "BackfilledPart",
    "CarriedLiveStream",
    "ChainRow",
    "Client",
    "CloseResult",
    "Closed",
    "ClosedClientError",
    "Correction",
    "CoveredSpan",
    "CoveredTime",
    "CustomerDifference",
    "DailyFigures",
    "DayDifference",
    "Disagreement",
    "EmptyNameError",
    "Estimate",
    "Exact",
    "ExtensionMissingError",
    "GapDelta",
    "ImportResult",
    "IncompleteFigureError",
    "InvalidAddressError",
    "InvalidAnswerError",
    "InvalidArgumentError",
    "LedgerEntry",
    "MediaServer",
    "NotFoundError",
    "Orphan",
    "PartialUsageRecord",
    "Percentile",
    "PeriodSum",
    "Provenance",
    "Quantity",
    "RefusedError",
    "RemovedServer",
    "RepairedServer",
    "Reported",
    "RequestError",
    "SecretError",
    "ServerStatus",
    "SessionChanges",
    "SessionKey",
    "SignedStatement",
    "StreamId",
    "StreamSession",
    "StreamUsageError",
    "SubscriberPoint",
    "Unknown",
    "UnreachableError",
    "UsageApiError",
    "UsageFigures",
    "UsageRecord",
    "VoidEntry",
    "__version__",
    "total",
]
