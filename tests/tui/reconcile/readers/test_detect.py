"""The form of a file is found by its lines, or given by name."""

from collections.abc import Callable

import pytest

from streamusage.access_logs.web.common_formats import STREAMTOP
from tests.support.agent.media_servers import read_fixture
from tests.support.outside_accounts import (
    CLOUDFRONT_HEADER,
    CSV_HEADER,
    Hit,
    cloudfront_line,
    combined_line,
    csv_line,
    fastly_line,
    make_traffic,
    write_lines,
)
from tui.reconcile.entries import Basis, Measure
from tui.reconcile.errors import AccountError
from tui.reconcile.readers.detect import ReaderSettings, find_reader, has_own_zone

HITS = make_traffic(hits_a_day=20, days=1)
AT = 1_795_305_600_000


@pytest.mark.parametrize(
    ("line", "header", "name", "basis"),
    [
        (combined_line, "", "combined", Basis.BODY),
        (cloudfront_line, CLOUDFRONT_HEADER, "cloudfront", Basis.RESPONSE),
        (cloudfront_line, "", "cloudfront", Basis.RESPONSE),
        (fastly_line, "", "json", Basis.UNKNOWN),
        (csv_line, CSV_HEADER, "CSV", Basis.UNKNOWN),
    ],
)
def test_form_is_found_by_lines(line: Callable[[Hit], str], header: str, name: str, basis: Basis) -> None:
    lines = write_lines(HITS, line, header).splitlines()
    reader = find_reader(lines, ReaderSettings())
    entries = [entry for text in lines if (entry := reader.read(text)) is not None]
    assert (reader.name, reader.basis) == (name, basis)
    assert [(entry.bytes_out, entry.stream.rpartition("/")[2], entry.at // 1000) for entry in entries] == [
        (hit.size, hit.stream, hit.at // 1000) for hit in HITS
    ]


@pytest.mark.parametrize(
    ("fixture", "name"), [("nginx_rtmp_access.log", "nginx-rtmp"), ("icecast_access.log", "icecast")]
)
def test_recorded_logs_of_media_servers_are_found(fixture: str, name: str) -> None:
    lines = read_fixture(fixture).splitlines()
    reader = find_reader(lines, ReaderSettings())
    assert reader.name == name
    assert all(reader.read(line) for line in lines)


def test_log_format_of_nginx_states_what_its_bytes_are() -> None:
    line = b'1795305600.125 203.0.113.9 "GET /hls/news-7.ts HTTP/1.1" 200 5312 "player" "-"'
    reader = find_reader([line], ReaderSettings(log_format=STREAMTOP))
    entry = reader.read(line)
    assert entry is not None
    assert (entry.at, entry.stream, entry.bytes_out, reader.basis) == (AT + 125, "hls/news", 5312, Basis.RESPONSE)
    body = STREAMTOP.replace("$bytes_sent", "$body_bytes_sent")
    assert find_reader([line], ReaderSettings(log_format=body)).basis is Basis.BODY


@pytest.mark.parametrize("name", ["nginx", "text", "", "cloud front"])
def test_unknown_name_lists_the_known_ones(name: str) -> None:
    with pytest.raises(AccountError, match=r"expected one of auto, .*cloudfront.*icecast.*csv"):
        find_reader([b"x"], ReaderSettings(log_format=name))


@pytest.mark.parametrize("lines", [[b"hello"], [b"\xff\xfe\x00"], [b"<html>", b"</html>"], [b"{", b"}"], [b"[1, 2]"]])
def test_unknown_lines_name_the_options(lines: list[bytes]) -> None:
    with pytest.raises(AccountError, match=r"--log-format|--column"):
        find_reader(lines, ReaderSettings())


@pytest.mark.parametrize(
    ("path", "stream"),
    [
        ("/hls/news.m3u8", "hls/news"),
        ("/hls/news-123.ts", "hls/news"),
        ("/live/news/index.m3u8?token=1", "live/news"),
        ("/live/news/segment-5.ts", "live/news"),
        ("/favicon.ico", ""),
    ],
)
def test_streams_of_usual_paths(path: str, stream: str) -> None:
    line = f'203.0.113.9 - - [21/Nov/2026:10:11:12 +0000] "GET {path} HTTP/1.1" 200 5 "-" "p"'.encode()
    entry = find_reader([line], ReaderSettings()).read(line)
    assert entry is not None
    assert entry.stream == stream


def test_own_pattern_finds_streams() -> None:
    line = b'203.0.113.9 - - [21/Nov/2026:10:11:12 +0000] "GET /cdn/news/a/b/c.ts HTTP/1.1" 200 5 "-" "p"'
    settings = ReaderSettings(pattern="/cdn/(?P<name>[^/]+)/a/b/c[.]ts")
    entry = find_reader([line], settings).read(line)
    assert entry is not None
    assert entry.stream == "hls/news"
    with pytest.raises(AccountError, match="--pattern cannot be used"):
        find_reader([line], ReaderSettings(pattern="(a+)+"))
    with pytest.raises(AccountError, match="is no layout"):
        find_reader([line], ReaderSettings(layout="mine"))


@pytest.mark.parametrize(
    ("line", "has_zone"),
    [
        (b"2026-11-20T10:00:00Z x", True),
        (b"2026-11-20 10:00:00+01:00", True),
        (b"[20/Nov/2026:10:00:00 +0100]", True),
        (b"2026-11-20\t10:00:00\tUTC\tx", True),
        (b'{"ts": 1795305600.5}', True),
        (b"2026-11-20 10:00:00,news,5", False),
        (b"2026-11-20\t10:00:00\tCET\tx", False),
    ],
)
def test_zone_of_a_line(line: bytes, has_zone: bool) -> None:
    assert has_own_zone(line) is has_zone


def test_heads_errors_and_aborted_requests_are_distinguished() -> None:
    template = '203.0.113.9 - - [21/Nov/2026:10:11:12 +0000] "{} HTTP/1.1" {} 9 "-" "p"'
    lines = [
        template.format(*parts).encode()
        for parts in (
            ("GET /a.ts", 200),
            ("HEAD /a.ts", 200),
            ("GET /a.ts", 404),
            ("GET /a.ts", 499),
            ("GET /a.ts", 206),
        )
    ]
    reader = find_reader(lines, ReaderSettings(Measure.BYTES_OUT))
    assert [entry.kind for line in lines if (entry := reader.read(line))] == [
        *("request", "HEAD", "error", "request", "request"),
    ]
