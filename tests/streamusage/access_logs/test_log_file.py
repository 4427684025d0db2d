"""Whole log files: plain and compressed ones, damaged ones, and bounded memory."""

import bz2
import gzip
import lzma
import tracemalloc

import pytest

from streamusage.access_logs.log_file import MAX_LINE_BYTES, LogFileError, read_log_file

LINES = [b"first", b"", b"third \xff"]
DATA = b"first\n\nthird \xff\n"


@pytest.mark.parametrize("compress", [bytes, gzip.compress, bz2.compress, lzma.compress])
def test_lines_are_those_of_the_file_whatever_its_name(tmp_path, compress):
    path = tmp_path / "access.log.1"
    path.write_bytes(compress(DATA))

    assert list(read_log_file(path)) == LINES


def test_members_of_a_gzip_file_follow_each_other(tmp_path):
    path = tmp_path / "access.log.gz"
    path.write_bytes(gzip.compress(DATA) + gzip.compress(DATA))

    assert list(read_log_file(path)) == LINES * 2


def test_line_end_of_windows_and_missing_line_end(tmp_path):
    path = tmp_path / "access.log"
    path.write_bytes(b"first\r\nsecond")

    assert list(read_log_file(path)) == [b"first", b"second"]


def test_lines_before_the_damage_are_read(tmp_path):
    path = tmp_path / "access.log.gz"
    path.write_bytes(gzip.compress(b"line\n" * 200_000)[:-20])
    lines = read_log_file(path)

    assert next(lines) == b"line"
    with pytest.raises(LogFileError, match="is damaged or incomplete"):
        list(lines)


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (None, "cannot be read .No such file"),
        (b"\x28\xb5\x2f\xfd....", "zstd"),
        (b"\x1f\x8bx", "read|damaged"),
    ],
)
def test_error_names_file_and_cause(tmp_path, content, text):
    path = tmp_path / "access.log"
    if content is not None:
        path.write_bytes(content)

    with pytest.raises(LogFileError, match=text) as caught:
        list(read_log_file(path))
    assert str(path) in str(caught.value)


def test_file_without_line_ends_takes_little_memory(tmp_path):
    path = tmp_path / "access.log.gz"
    path.write_bytes(gzip.compress(b"\0" * (200 * MAX_LINE_BYTES)))
    tracemalloc.start()
    try:
        assert sum(map(len, read_log_file(path))) == 200 * MAX_LINE_BYTES
        assert tracemalloc.get_traced_memory()[1] < 10 * MAX_LINE_BYTES
    finally:
        tracemalloc.stop()
