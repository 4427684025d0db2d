"""The systems that the console watches: the agent, which counts usage, and the service, which stores and serves it.

It is also the Python library: `from streamusage import Client` (docs/library.md). The names of the library are imported
when they are first used; `__init__.pyi` declares them to type checkers. Runs without Textual installed; nothing here
imports the console.
"""

__version__ = "0.1.0"

_MODULES = {
    "AccountingDay": "library.days",
    "AsyncClient": "library.async_client",
    "AtLeast": "library.quantities",
    "AuditEntry": "api.extension",
    "BackfilledPart": "api.daily",
    "CarriedLiveStream": "library.servers",
    "ChainRow": "api.evidence",
    "Client": "library.client",
    "CloseResult": "api.daily",
    "Closed": "api.daily",
    "ClosedClientError": "library.operations",
    "Correction": "api.evidence",
    "CoveredSpan": "library.servers",
    "CoveredTime": "api.daily",
    "CustomerDifference": "api.daily",
    "DailyFigures": "api.daily",
    "DayDifference": "api.daily",
    "Disagreement": "api.disagreements",
    "EmptyNameError": "core.usage",
    "Estimate": "library.quantities",
    "Exact": "library.quantities",
    "ExtensionMissingError": "client.errors",
    "GapDelta": "api.daily",
    "ImportResult": "api.extension",
    "IncompleteFigureError": "library.quantities",
    "InvalidAddressError": "client.errors",
    "InvalidAnswerError": "client.errors",
    "InvalidArgumentError": "core.errors",
    "LedgerEntry": "api.daily",
    "MediaServer": "library.servers",
    "NotFoundError": "client.errors",
    "Orphan": "api.extension",
    "PartialUsageRecord": "core.usage",
    "Percentile": "api.daily",
    "PeriodSum": "library.days",
    "Provenance": "core.coverage",
    "Quantity": "library.quantities",
    "RefusedError": "client.errors",
    "RemovedServer": "api.extension",
    "RepairedServer": "api.extension",
    "Reported": "library.quantities",
    "RequestError": "client.errors",
    "SecretError": "core.secrets",
    "ServerStatus": "api.extension",
    "SessionChanges": "library.sessions",
    "SessionKey": "core.usage",
    "SignedStatement": "api.evidence",
    "StreamId": "core.usage",
    "StreamSession": "library.sessions",
    "StreamUsageError": "core.errors",
    "SubscriberPoint": "library.servers",
    "Unknown": "library.quantities",
    "UnreachableError": "client.errors",
    "UsageApiError": "client.errors",
    "UsageFigures": "library.days",
    "UsageRecord": "core.usage",
    "VoidEntry": "api.daily",
    "total": "library.quantities",
}
"""The module of each public name of the library."""

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


def __getattr__(name: str) -> object:
    """Import a public name of the library when it is first used."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value: object = getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
