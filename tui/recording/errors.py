"""The error of a recording. Imports nothing: who starts a console knows it, whether it records or not."""


class RecordingError(Exception):
    """A recording cannot be written or read. The text names the file and the reason."""
