"""Exceptions of requests to the usage service: the client's and those of the agent's sync.

    StreamUsageError
    └── RequestError                   a request failed, or could not be made                         exit code
        ├── InvalidAddressError        address, token, certificates or proxy of the service unusable  2
        └── UsageApiError              a request failed
            ├── UnreachableError       no reply, or the service is in trouble (5xx, 429)              3
            ├── InvalidAnswerError     the reply is not one of this API                               3
            ├── ExtensionMissingError  the service is a plain Stream Manager, which is no fault       4
            ├── RefusedError           the service refused the request                                4
            └── NotFoundError          the stream or session does not exist                           5

Their texts can be printed as they are: they contain no token and no character that controls a terminal.
"""

from streamusage.core.errors import StreamUsageError
from streamusage.core.exit_codes import ExitCode
from streamusage.core.text import escape_unprintable


class RequestError(StreamUsageError):
    """A request to the usage service failed, or could not be made. `exit_code` is the exit code of a command."""

    exit_code = ExitCode.UNAVAILABLE


class InvalidAddressError(RequestError, ValueError):
    """The address, token, certificates or proxy of the service are unusable.

    The text gives the cause and contains no secret.
    """

    exit_code = ExitCode.USAGE


class UsageApiError(RequestError):
    """A request to the usage service failed.

    `host` names the service, `action` what the client tried to do ("read the usage records"), and `cause` why it
    failed. `status` is the HTTP status, where there was a reply. `retry_after_seconds` is how long the service wants to
    be left alone, where it gave a time.
    """

    def __init__(
        self,
        host: str,
        action: str,
        cause: str,
        *,
        status: int | None = None,
        retry_after_seconds: float | None = None,
    ) -> None:
        super().__init__(escape_unprintable(f"{host}: could not {action}: {cause}"))
        self.host = host
        self.action = action
        self.cause = cause
        self.status = status
        self.retry_after_seconds = retry_after_seconds


class UnreachableError(UsageApiError):
    """No complete reply arrived (no such host, no connection, a time-out), or the service is in trouble (5xx, 429)."""


class RefusedError(UsageApiError):
    """The service refused the request (400, 401, 403, 409, 422)."""

    exit_code = ExitCode.REFUSED


class NotFoundError(UsageApiError):
    """The stream or session does not exist."""

    exit_code = ExitCode.NOT_FOUND


class InvalidAnswerError(UsageApiError):
    """The reply is not one of this API: broken JSON, a web page, a redirect, or too large."""


class ExtensionMissingError(UsageApiError):
    """The service has the documented API only. This is no fault: a plain Stream Manager has no more."""

    exit_code = ExitCode.REFUSED


def cause_first(error: Exception) -> str:
    """Return the text of an error with its cause first, for a line whose end may be cut."""
    if not isinstance(error, UsageApiError):
        return str(error)
    return escape_unprintable(f"{error.cause} (could not {error.action} at {error.host})")
