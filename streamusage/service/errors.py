"""Errors of the usage service, apart from how HTTP reports them (`http/errors.py` maps them to statuses).

ServiceError
├── InvalidRequestError           the request cannot be answered as it is
│   └── WindowTooLongError        a query covers more time than one answer may
├── ObjectNotFoundError           the named object does not exist
│   ├── UnknownServerError        no server of that name is part of the estate
│   └── NoServersInDayError       no server ran on the day that is to be closed
├── ConflictError                 the state of the store does not allow the change
│   ├── ServerStillReportsError   a server that reports can only be removed by force
│   ├── FiledAheadError           figures of the server are filed in the future: it must be repaired first
│   ├── NotAccountZoneError       the service closes no days in that time zone
│   ├── EpochTooHighError         a journal names an epoch that this service cannot have issued
│   ├── DayNotOverError           the day, or the time after it, is not over
│   ├── DiscardedHoursError       figures that need hours which retention has discarded
│   └── ClockDoubtError           the clock of the service is in doubt
├── ContradictionError            a report contradicts figures that were counted
├── LimitExceededError            a request exceeds a limit
└── StoreError                    the store cannot be opened, read or written, or not yet
    ├── MissingDriverError        no usable driver of the database is installed
    ├── UnusableStoreError        the store is damaged, or its file was moved, replaced or removed
    └── PartsPendingError         parts of an earlier report of the server are not applied yet

The message of every error says what happened, what was kept and what to do next.
"""

from streamusage.core.exit_codes import ExitCode


class ServiceError(Exception):
    """Base class of the service's own errors."""


class InvalidRequestError(ServiceError):
    """The request cannot be answered as it is."""


class WindowTooLongError(InvalidRequestError):
    """A query covers more time than one answer may."""


class ObjectNotFoundError(ServiceError):
    """The named object does not exist."""


class UnknownServerError(ObjectNotFoundError):
    """No server of that name is part of the estate."""


class NoServersInDayError(ObjectNotFoundError):
    """No server ran on the day that is to be closed."""


class ConflictError(ServiceError):
    """The state of the store does not allow the change."""


class ServerStillReportsError(ConflictError):
    """A server that reports can only be removed by force."""


class FiledAheadError(ConflictError):
    """A wrong clock filed figures of the server in the future. They must be repaired first."""


class NotAccountZoneError(ConflictError):
    """The service closes no days in that time zone."""


class EpochTooHighError(ConflictError):
    """A journal names an epoch far above every number that the service issued."""


class DayNotOverError(ConflictError):
    """The day, or the time that must pass after its end, is not over."""


class DiscardedHoursError(ConflictError):
    """The figures need hours that are folded to UTC days. They are no longer known."""


class ClockDoubtError(ConflictError):
    """The clock of the service is in doubt: nothing is closed, discarded, exported or signed."""


class ContradictionError(ServiceError):
    """A report contradicts figures that were counted. It must be quarantined for an operator."""


class LimitExceededError(ServiceError):
    """A request exceeds a limit. The message names the limit, its value and its setting."""

    def __init__(self, limit: str, message: str) -> None:
        super().__init__(message)
        self.limit = limit


class StoreError(ServiceError):
    """The store cannot be opened, read or written. The message names the store, the cause and what to do."""

    exit_code = ExitCode.UNAVAILABLE
    """Of the command that cannot continue without the store."""


class MissingDriverError(StoreError):
    """No usable driver of the database is installed: its extra is missing, or its SQLite is unsafe."""

    exit_code = ExitCode.USAGE


class UnusableStoreError(StoreError):
    """The store is damaged, or its file was moved, replaced or removed: nothing is written to it."""


class UnconfirmedCommitError(StoreError):
    """The database has committed, but a failover may lose the change: no synchronous standby has confirmed it."""


class UnreachableStoreError(StoreError):
    """No database was reached that accepts the work, as in a failover. The store logs it, once."""


class PartsPendingError(StoreError):
    """An earlier large report of the server is accepted, and not all of its parts are applied yet."""

    def __init__(self, parts: int) -> None:
        super().__init__(
            f"an earlier report of this server is accepted and still being applied, {parts} parts are left; nothing "
            "was changed; retry"
        )
