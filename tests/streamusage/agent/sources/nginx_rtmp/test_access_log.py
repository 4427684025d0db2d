"""Lines of nginx-rtmp's access log: known formats are parsed, ambiguous lines are skipped."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamusage.access_logs.nginx_rtmp import parse_time
from streamusage.agent.reading import EndedConnection
from streamusage.agent.sources.nginx_rtmp.access_log import parse_line
from tests.support.agent.media_servers import read_fixture

LINES = read_fixture("nginx_rtmp_access.log").splitlines()


def test_every_line_of_a_recorded_log_is_parsed() -> None:
    connections = [parse_line(line) for line in LINES]
    assert None not in connections
    assert connections[0] == EndedConnection(
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
        address="127.0.0.1",
        agent="LNX 9,0,124,2",
    )


@pytest.mark.parametrize(
    ("line", "refused"),
    [
        # Recorded: denied by a check, after two seconds too; a taken name; denied although media was on its way.
        (b'1.000 3 ::1 "PUBLISH" "live" "stolen" "" rx=332 tx=292 t=0 "FMLE/3.0 (compatible; Lavf59.27"', True),
        (b'1.000 3 ::1 "PUBLISH" "live" "slow1" "" rx=329 tx=292 t=2 "FMLE/3.0 (compatible; Lavf59.27"', True),
        (b'1.000 11 ::1 "PUBLISH" "live" "good" "" rx=326 tx=412 t=0 "FMLE/3.0 (compatible; Lavf59.27"', True),
        (b'1.000 12 ::1 "PUBLISH" "live" "%41+c" "" rx=2365 tx=292 t=0 "test/1.0"', True),
        (b'1.000 5 ::1 "PLAY" "live" "refuse2" "" rx=379 tx=292 t=0 "LNX 10,0,32,18"', True),
        (b'1.000 5 ::1 "PUBLISH" "live" "%s" "%s" rx=4500 tx=412 t=0' % (b"n" * 500, b"a" * 500), True),
        # Recorded: a fifth of a second of audio, a viewer of a stream that nobody published.
        (b'1.000 10 ::1 "PUBLISH" "live" "short" "" rx=2803 tx=529 t=0 "FMLE/3.0 (compatible; Lavf59.27"', False),
        (b'1.000 7 ::1 "PLAY" "live" "nobody" "" rx=419 tx=542 t=0 "LNX 10,0,32,18"', False),
        (b'1.000 7 ::1 "NONE" "live" "" "" rx=10 tx=10 t=0', False),
    ],
)
def test_refused_connection_is_recognized(line: bytes, refused: bool) -> None:
    connection = parse_line(line)
    assert connection is not None
    assert connection.refused is refused


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
def test_variants_of_the_earlier_format(line: bytes, kind: str, name: str) -> None:
    connection = parse_line(line)
    assert connection is not None
    assert (
        connection.connection_id,
        connection.kind,
        connection.name,
        connection.bytes_in,
        connection.bytes_out,
        connection.duration_ms,
    ) == (
        "2",
        kind,
        name,
        1,
        2,
        3000,
    )


@pytest.mark.parametrize(
    ("texts", "kind", "scope", "name"),
    [
        (b'"PLAY" "live" "s"', "play", "live", "s"),
        (b'"PUBLISH" "live" "s" "a=1&b=2" "FMLE/3.0"', "publish", "live", "s"),
        (b'"PLAY" "live"', "play", "live", ""),
        (b'"NONE" "live" "" "" "LNX" "rtmp://h/live"', "other", "live", "(no name)"),
        (b'"PLAY+PUBLISH" "" "s"', "other", "(no name)", "s"),
        (b'"PLAY" "live" "a"b"', "play", "live", 'a"b'),
        (b'"PLAY" "live" "x\xff\x07\t" "" "\xc3("', "play", "live", "x   "),
        (b'"PLAY" "live" "s" rx=0 tx=0 t=9 "LNX"', "play", "live", 's" rx=0 tx=0 t=9 "LNX'),
        (b'"PLAY" "live" "s" "" "LNX"\r', "play", "live", "s"),
    ],
)
def test_figures_of_the_recommended_format_are_read_whatever_the_texts_are(
    texts: bytes, kind: str, scope: str, name: str
) -> None:
    connection = parse_line(b"1795288695.256 7 2001:db8::1 rx=407 tx=4294967295 t=86400 " + texts)
    assert connection is not None
    assert (connection.connection_id, connection.kind, connection.scope, connection.name) == ("7", kind, scope, name)
    assert (connection.bytes_in, connection.bytes_out, connection.duration_ms) == (407, 4294967295, 86_400_000)
    assert connection.ended_at == 1795288695256


@given(st.binary(max_size=60), st.binary(max_size=60), st.binary(max_size=60))
def test_no_text_of_a_stranger_changes_a_figure(name: bytes, arguments: bytes, flashver: bytes) -> None:
    texts = b'" "'.join(text.replace(b"\n", b"") for text in (name, arguments, flashver))
    line = b'1.000 2 ::1 rx=1 tx=2 t=3 "PLAY" "live" "' + texts + b'"'
    connection = parse_line(line)
    assert connection is not None
    assert (connection.connection_id, connection.scope) == ("2", "live")
    assert (connection.bytes_in, connection.bytes_out, connection.duration_ms) == (1, 2, 3_000)


@pytest.mark.parametrize(
    "line",
    [
        b'1.000 2 ::1 rx=1 tx=2 t=3 "PLAY" "live" "s',
        b'1.000 2 ::1 rx=1 tx=2 t=3 "PLAY" "',
        b"1.000 2 ::1 rx=1 tx=2 t=3",
        b'1.000 2 ::1 rx=-1 tx=2 t=3 "PLAY" "live" "s"',
        b'1.000 2 ::1 rx=99999999999 tx=2 t=3 "PLAY" "live" "s"',
        b'2.500 x ::1 rx=1 tx=2 t=3 "PLAY" "live" "s"',
    ],
)
def test_line_without_its_fields_is_unreadable_and_dated_by_its_own_time(line: bytes) -> None:
    assert parse_line(line) is None
    assert parse_time(line) in (1_000, 2_500)


@pytest.mark.parametrize(
    ("duration", "duration_ms"),
    [("5s", 5000), ("2m 0s", 120_000), ("3h 0m 1s", 10_801_000), ("1d 0h 0m 0s", 86_400_000)],
)
def test_combined_format_has_no_connection_id(duration: str, duration_ms: int) -> None:
    line = f'127.0.0.1 [21/Nov/2026:10:11:12 +0100] PLAY "live" "s1" "" - 407 1234 "" "LNX 9" ({duration})'
    connection = parse_line(line.encode())
    assert connection is not None
    assert (connection.connection_id, connection.kind, connection.name, connection.duration_ms) == (
        "",
        "play",
        "s1",
        duration_ms,
    )
    assert connection.ended_at == 1795252272000
    assert (connection.bytes_in, connection.bytes_out) == (407, 1234)


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
def test_unknown_truncated_or_ambiguous_line_is_skipped(line: bytes) -> None:
    assert parse_line(line) is None


@given(st.sampled_from(LINES), st.integers(0, 120), st.integers(0, 40), st.binary(max_size=40))
def test_damaged_line_is_parsed_or_skipped(line: bytes, at: int, length: int, replacement: bytes) -> None:
    connection = parse_line(line[:at] + replacement + line[at + length :])
    assert connection is None or isinstance(connection, EndedConnection)
    if connection is not None:
        assert min(connection.ended_at, connection.duration_ms, connection.bytes_in, connection.bytes_out) >= 0


@given(st.binary(max_size=200))
def test_any_bytes_are_parsed_or_skipped(line: bytes) -> None:
    assert parse_line(line) is None
