"""Lines of nginx-rtmp's access log: known forms are read, a line that can be read in two ways is not."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import tests.support.agent
from streamusage.agent.reading import EndedConnection
from streamusage.agent.sources.nginx_rtmp.access_log import parse_line

LINES = (Path(tests.support.agent.__file__).parent / "fixtures" / "nginx_rtmp_access.log").read_bytes().splitlines()


def test_every_line_of_a_real_log_is_read() -> None:
    read = [parse_line(line) for line in LINES]
    assert None not in read
    assert read[0] == EndedConnection(
        connection_id="20",
        kind="play",
        scope="live",
        name="s1",
        protocol="rtmp",
        ended_at=1795288695256,
        duration_ms=10_000,
        granularity_ms=1000,
        bytes_in=407,
        bytes_out=108994,
    )


@pytest.mark.parametrize(
    ("line", "kind", "name"),
    [
        (b'1.000 2 ::1 "PLAY" "live" "s" rx=1 tx=2 t=3', "play", "s"),
        (b'1.000 2 ::1 "PUBLISH" "live" "s" "a=1&b=2" rx=1 tx=2 t=3', "publish", "s"),
        (b'1.000 2 ::1 "PLAY" "live" rx=1 tx=2 t=3', "play", ""),
        (b'1.000 2 ::1 "NONE" "live" "" "" rx=1 tx=2 t=3 "LNX" "rtmp://h/live"', "other", "(no name)"),
        (b'1.000 2 ::1 "PLAY+PUBLISH" "live" "s" rx=1 tx=2 t=3', "other", "s"),
        ('1.000 2 ::1 "PLAY" "live" "\x07ü" rx=1 tx=2 t=3'.encode(), "play", "   "),
        (b'1.000 2 ::1 "PLAY" "live" "a"b" rx=1 tx=2 t=3', "play", 'a"b'),
    ],
)
def test_variants_of_the_documented_format(line: bytes, kind: str, name: str) -> None:
    read = parse_line(line)
    assert read is not None
    assert (read.connection_id, read.kind, read.name, read.bytes_in, read.bytes_out, read.duration_ms) == (
        "2",
        kind,
        name,
        1,
        2,
        3000,
    )


@pytest.mark.parametrize(
    ("lasted", "duration_ms"), [("5s", 5000), ("2m 0s", 120_000), ("3h 0m 1s", 10_801_000), ("1d 0h 0m 0s", 86_400_000)]
)
def test_the_combined_format_has_no_connection(lasted: str, duration_ms: int) -> None:
    line = f'127.0.0.1 [21/Nov/2026:10:11:12 +0100] PLAY "live" "s1" "" - 407 1234 "" "LNX 9" ({lasted})'
    read = parse_line(line.encode())
    assert read is not None
    assert (read.connection_id, read.kind, read.name, read.duration_ms) == ("", "play", "s1", duration_ms)
    assert read.ended_at == 1795252272000
    assert (read.bytes_in, read.bytes_out) == (407, 1234)


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"\xff\xfe",
        b'127.0.0.1 - - [21/Nov/2026:10:11:12 +0100] "GET / HTTP/1.1" 200 5 "-" "curl"',
        b'127.0.0.1 [21/Xxx/2026:10:11:12 +0100] PLAY "live" "s1" "" - 407 1234 "" "LNX" (5s)',
        b'127.0.0.1 [31/Feb/2026:10:11:12 +0100] PLAY "live" "s1" "" - 407 1234 "" "LNX" (5s)',
        b'127.0.0.1 [21/Nov/2026:10:11:12 +9999] PLAY "live" "s1" "" - 407 1234 "" "LNX" (5s)',
        b'1795288695.256 20 127.0.0.1 "PLAY" "live" "s1" "" rx=407 tx=1089',
        b'1795288695.256 20 127.0.0.1 "SING" "live" "s1" "" rx=407 tx=1 t=1',
        b'1.000 2 ::1 "PLAY" "live" "x" "" rx=0 tx=0 t=9 "" "" rx=407 tx=1 t=1 "LNX"',
        b'1.000 2 ::1 "PLAY" "live" "s1" "" rx=407 tx=1 t=1 "LNX" rx=0 tx=0 t=999 "',
        b'127.0.0.1 [21/Nov/2026:10:11:12 +0100] PLAY "live" "s" "" - 9 9 "" - 407 1234 "" "LNX" (5s)',
    ],
)
def test_what_is_unknown_cut_or_ambiguous_is_not_read(line: bytes) -> None:
    assert parse_line(line) is None


@given(st.sampled_from(LINES), st.integers(0, 120), st.integers(0, 40), st.binary(max_size=40))
def test_a_damaged_line_is_read_or_not(line: bytes, at: int, length: int, instead: bytes) -> None:
    read = parse_line(line[:at] + instead + line[at + length :])
    assert read is None or isinstance(read, EndedConnection)
    if read is not None:
        assert min(read.ended_at, read.duration_ms, read.bytes_in, read.bytes_out) >= 0


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_not(line: bytes) -> None:
    assert parse_line(line) is None
