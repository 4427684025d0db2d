"""Exceptions of the usage API client.

    Exception
    ├── UsageApiError              a request failed                                           exit code
    │   ├── UnreachableError       no reply, or the service is in trouble (5xx, 429)          3
    │   ├── InvalidAnswerError     the reply is not one of this API                           3
    │   ├── ExtensionMissingError  the service is a plain Stream Manager, which is no fault   4
    │   ├── RefusedError           the service refused the request                            4
    │   └── NotFoundError          the stream or session does not exist                       5
    └── ValueError
        └── InvalidAddressError    the address, token or proxy of the service is unusable

Their texts can be printed as they are: they contain no token and no character that controls a terminal.
"""

from streamusage.core.exit_codes import ExitCode
from streamusage.core.text import escape_unprintable


class UsageApiError(Exception):
    """A request to the usage service failed.

    `host` names the service, `action` what the client tried to do ("read the usage records"), and `cause` why it
    failed. `exit_code` is the exit code of the command line.
    """

    exit_code = ExitCode.UNAVAILABLE

    def __init__(self, host: str, action: str, cause: str) -> None:
        super().__init__(escape_unprintable(f"{host}: could not {action}: {cause}"))
        self.host = host
        self.action = action
        self.cause = cause


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


class InvalidAddressError(ValueError):
    """The address, token or proxy of the service is unusable. The text gives the cause and contains no secret."""


UNUSABLE_PROXY = (
    "the environment names a proxy that cannot be used: HTTPS_PROXY, HTTP_PROXY and ALL_PROXY must be "
    "http:// or https:// addresses"
)
