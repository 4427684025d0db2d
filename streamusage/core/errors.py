"""The exceptions that every part of the library shares. `docs/library.md` has the whole tree."""


class StreamUsageError(Exception):
    """A failure of this library. The text can be printed as it is: it contains no token."""


class InvalidArgumentError(StreamUsageError, ValueError):
    """An argument was refused before anything was sent."""
