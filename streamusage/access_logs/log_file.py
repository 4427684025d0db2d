"""Reads the lines of a whole log file, plain or compressed, in bounded memory."""

import bz2
import gzip
import lzma
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO, cast

MAX_LINE_BYTES = 64 << 10
"""Longest line that is read as one; servers cut their lines earlier."""

_OPENERS: dict[bytes, Callable[[BinaryIO], object]] = {
    b"\x1f\x8b": lambda file: gzip.GzipFile(fileobj=file),
    b"BZh": bz2.BZ2File,
    b"\xfd7zXZ\x00": lzma.LZMAFile,
}
"""By the first bytes of the file, because rotated logs have any name."""

_ZSTANDARD = b"\x28\xb5\x2f\xfd"


class LogFileError(Exception):
    """The file cannot be read. The text names the file and the cause."""


def read_log_file(path: Path) -> Iterator[bytes]:
    """Yield the lines without line ends, of a plain file or one compressed with gzip, bzip2 or xz.

    A line longer than `MAX_LINE_BYTES` comes in several pieces. Raises `LogFileError`, after the lines before the
    damage of a damaged file.
    """
    return (piece.rstrip(b"\r\n") for piece in _read_pieces(path))


def read_whole_lines(path: Path) -> Iterator[bytes]:
    """Yield the lines with their line ends, as `read_log_file` reads them.

    Of a line longer than `MAX_LINE_BYTES`, only its first bytes come, without a line end. The last line of a file that
    was cut has no line end either.
    """
    is_rest = False
    for piece in _read_pieces(path):
        if not is_rest:
            yield piece
        is_rest = not piece.endswith(b"\n")


def _read_pieces(path: Path) -> Iterator[bytes]:
    try:
        with path.open("rb") as file:
            first = file.read(8)
            file.seek(0)
            if first.startswith(_ZSTANDARD):
                raise LogFileError(f"log {path} is compressed with zstd; decompress it with `zstd -d` first")
            opener = next((opener for start, opener in _OPENERS.items() if first.startswith(start)), None)
            unpacked = file if opener is None else cast(BinaryIO, opener(file))
            while line := unpacked.readline(MAX_LINE_BYTES):
                yield line
    except (EOFError, zlib.error, lzma.LZMAError) as error:
        raise LogFileError(f"log {path} is damaged or incomplete ({error}); give a complete file") from None
    except OSError as error:
        raise LogFileError(f"log {path} cannot be read ({error.strerror or error}); give a readable file") from None
