"""Errors of descriptions of a log's form."""


class LogFormatError(ValueError):
    """A form that is unknown, lacks fields or lets clients forge them. The text states what is needed."""
