"""Standard streams that are closed, full or gone end a command with a message, never with a traceback.

| stream          | closed at the start (`>&-`)    | a write fails (`> /dev/full`)           |
|-----------------|--------------------------------|-----------------------------------------|
| standard input  | is empty                       |                                         |
| standard output | the first write fails          | `OutputError`, or `ClosedOutputError`    |
| standard error  | messages are lost              | messages are lost                       |

Closed descriptors are filled first: else a file or a connection that the command opens would get their number, and
what is printed would be written into it.
"""

import io
import os
import sys
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer


class OutputError(OSError):
    """Standard output cannot be written."""


class ClosedOutputError(Exception):
    """The reader of standard output closed it. No `OSError`: click ends a program at that of a closed pipe."""


class _Output(io.FileIO):
    def write(self, data: "ReadableBuffer", /) -> int:
        try:
            return super().write(data) or 0
        except BrokenPipeError:
            raise ClosedOutputError from None
        except OSError as error:
            raise OutputError(error.errno, error.strerror) from None


class _Messages(io.FileIO):
    def write(self, data: "ReadableBuffer", /) -> int:
        try:
            return super().write(data) or 0
        except OSError:
            return len(memoryview(data))


def guard_standard_streams() -> None:
    """Fill closed streams, and make failures of the other ones known as what they are."""
    for number, mode in ((0, os.O_RDONLY), (1, os.O_RDONLY), (2, os.O_WRONLY)):  # writing into the second one fails
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, mode)  # gets the lowest free number, which is this one
    if sys.stdin is None:
        sys.stdin = io.TextIOWrapper(io.BufferedReader(io.FileIO(0, closefd=False)), encoding="utf-8")
    sys.stdout = _text_stream(sys.stdout, _Output(1, "w", closefd=False), "strict")
    sys.stderr = _text_stream(sys.stderr, _Messages(2, "w", closefd=False), "backslashreplace")


def discard_output() -> None:
    """Discard what is buffered for standard output, so that the interpreter's last flush is quiet."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


def _text_stream(before: TextIO | None, raw: io.RawIOBase, errors: str) -> TextIO:
    """Return a stream that writes to `raw` as the one before did."""
    if before is not None:
        before.flush()
    return io.TextIOWrapper(
        io.BufferedWriter(raw),
        encoding=getattr(before, "encoding", None) or "utf-8",
        errors=getattr(before, "errors", None) or errors,
        line_buffering=getattr(before, "line_buffering", True),
        write_through=getattr(before, "write_through", False),
    )
