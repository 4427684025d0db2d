"""What can go wrong with the usage API, as exceptions.

    UsageApiError
      UnreachableError       no answer came, or the service is in trouble     exit 3
      InvalidAnswerError         an answer came that is not this API's            exit 3
      ExtensionMissingError  a plain Stream Manager: no fault                 exit 4
      RefusedError           the service said no                              exit 4
      NotFoundError          there is no such stream or session               exit 5

Their texts can be printed as they are: they hold no token and nothing that a terminal obeys.
"""


class UsageApiError(Exception):
    """A request that did not give what was asked for. `exit_code` is the command line's."""

    exit_code = 3

    def __init__(self, host: str, asked: str, what: str) -> None:
        super().__init__(printable(f"{host}: could not {asked}: {what}"))
        self.host = host
        self.asked = asked
        self.what = what


class UnreachableError(UsageApiError):
    """No answer came: no such host, no connection, silence, broken off, or the service is in trouble (5xx, 429)."""


class RefusedError(UsageApiError):
    """The service said no (400, 401, 403, 409, 422)."""

    exit_code = 4


class NotFoundError(UsageApiError):
    """There is no such stream or session."""

    exit_code = 5


class InvalidAnswerError(UsageApiError):
    """An answer came that is not this API's: broken JSON, a web page, a redirect, too large."""


class ExtensionMissingError(UsageApiError):
    """The service speaks the documented API only. Not a fault: a plain Stream Manager does."""

    exit_code = 4


class InvalidAddressError(ValueError):
    """The service's address cannot be used. The text says why, and holds no secret."""


UNUSABLE_PROXY = (
    "the environment names a proxy that cannot be gone through: HTTPS_PROXY, HTTP_PROXY and ALL_PROXY must be "
    "http:// or https:// addresses"
)


def printable(text: str) -> str:
    """The text with control, bidi and other invisible characters written as escapes such as `\\x1b`."""
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode("ascii")
        for character in text
    )
