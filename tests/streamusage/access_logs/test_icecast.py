"""Lines of Icecast's access log: whatever a stranger wrote, fields are read, or the line is unreadable."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamusage.access_logs.icecast import normalize_path, parse_line
from streamusage.agent.sources.common.logs.line_form import LineForms
from streamusage.agent.sources.icecast.access_log import parse_lines
from tests.support.agent.media_servers import read_fixture

HEAD = b"203.0.113.7 - - [21/Nov/2026:22:00:37 +0000] "


@pytest.mark.parametrize(
    "request_and_figures",
    [
        b'"GET /nosuch.mp3 HTTP/1.1" 404 362 "-" "curl" 0',
        b'"GET /admin/stats HTTP/1.1" 200 1654 "-" "curl" 0',
        b'"HEAD /a.mp3 HTTP/1.1" 200 362 "-" "curl" 0',
        b'"OPTIONS /a.mp3 HTTP/1.1" 204 362 "-" "curl" 0',
        b'"POST /admin/metadata HTTP/1.0" 200 362 "-" "curl" 0',
        b'"STATS / HTTP/1.0" 401 362 "-" "curl" 0',
        b'"(null) (null) HTTP/1.0" 400 0 "-" "-" 0',
    ],
)
def test_refused_request_page_and_other_method_are_readable_and_not_counted(request_and_figures: bytes) -> None:
    line = parse_line(HEAD + request_and_figures)
    assert line is not None
    assert line.kind == "other"


@pytest.mark.parametrize(
    ("request_and_figures", "path"),
    [
        (b'"GET /a.mp3 HTTP/1.1" 200 5000 "-" "p" 20', "/a.mp3"),
        (b'"GET /a.mp3?sid=1" HTTP/1.1" 200 5000 "-" "p" 20', "/a.mp3"),
        (b'"GET /a.mp3 HTTP/1.1" 206 5000 "x" 200 9 "y" "p" 20', "/a.mp3"),
        (b'"GET /a.mp3 HTTP/1.1" 200 5000 "-" "p" 200 9 "z HTTP/1.1" 200 9 "-" "q" 20', "/a.mp3"),
        (b'"GET /a.mp3 HTTP/1.1" 200 5000 "-" "\xff\x07\xc3" 20', "/a.mp3"),
        (b'"GET /a.mp3 HTTP/1.1" 200 5000 "-" "" 20', "/a.mp3"),
        (b'"GET /a.mp3 ICY/1.0" 200 5000 "-" "p" 20\r', "/a.mp3"),
        (b'"GET /"quoted".mp3 HTTP/1.1" 200 5000 "-" "p" 20', '/"quoted".mp3'),
        (b'"GET /with space.mp3 HTTP/1.1" 200 5000 "-" "p" 20', "/with space.mp3"),
        ('"GET /ü.mp3 HTTP/1.1" 200 5000 "-" "p" 20'.encode(), "/ü.mp3"),
        (b'"GET /%C3%BC.mp3 HTTP/1.1" 200 5000 "-" "p" 20', "/ü.mp3"),
    ],
)
def test_line_is_read_whatever_the_client_wrote(request_and_figures: bytes, path: str) -> None:
    line = parse_line(HEAD + request_and_figures)
    assert line is not None
    assert (line.kind, line.ip, line.path, line.bytes_out, line.duration_s) == (
        "listener",
        "203.0.113.7",
        path,
        5000,
        20,
    )


def test_line_with_a_user_and_an_ipv6_address() -> None:
    line = parse_line(b'2001:db8::7 - some%20user [21/Nov/2026:22:00:37 +0100] "SOURCE /a HTTP/1.0" 200 5 "-" "e" 9')
    assert line is not None
    assert (line.kind, line.ip, line.ended_s) == ("source", "2001:db8::7", 1795294837)


def test_escaped_form_of_icecast_kh() -> None:
    line = parse_line(
        b"203.0.113.7 - - 21/Nov/2026:22:00:37 +0000 GET%20%2fa%2520b%2emp3%3fx%3d1%20HTTP%2f1%2e1 206 5000 - p%2f1 20"
    )
    assert line is not None
    assert (line.kind, line.path, line.bytes_out, line.duration_s) == ("listener", "/a b.mp3", 5000, 20)


@pytest.mark.parametrize(
    "line",
    [
        b"",
        HEAD + b'"GET /hls/s.ts HTTP/1.1" 200 5000 "-" "nginx has no seconds"',
        HEAD + b'"GET /a.mp3 HTTP/1.1" 200 5000 "-" "p"',
        HEAD + b'"GET /a.mp3 HTTP/1.1" 200',
        HEAD.replace(b"Nov", b"Xxx") + b'"GET /a.mp3 HTTP/1.1" 200 5000 "-" "p" 20',
        HEAD + b'"GET /a.mp3 HTTP/1.1" 200 99999999999999999999 "-" "p" 20',
        HEAD + b'"GET /a b HTTP/1.1" 200 9 "z HTTP/1.1" 200 5000 "-" "p" 20',
        b'- - - [21/Nov/2026:22:00:37 +0000] "GET /a.mp3 HTTP/1.1" 200 5000 "-" "p" 20',
        b'{"ip":"203.0.113.7","path":"/a.mp3","bytes":5000}',
        b"[2026-11-21  22:00:37] INFO source/source_main listener count on /a.mp3 now 1",
    ],
)
def test_line_of_another_form_is_unreadable(line: bytes) -> None:
    assert parse_line(line) is None


def test_lines_are_sorted_into_readable_and_unreadable() -> None:
    forms = LineForms()
    lines = [*read_fixture("icecast_access.log").splitlines(), b"garbage", HEAD + b'"HEAD / HTTP/1.1" 200 1 "-" "p" 0']
    assert [line.kind for line in parse_lines(lines, forms)].count("listener") == 7
    assert (forms.readable, forms.unreadable) == (len(lines) - 1, 1)


@pytest.mark.parametrize("path", ["/a%20b", "/a b", "//a%20b?x=/c", "/a%20b?"])
def test_paths_are_compared_decoded_and_without_query(path: str) -> None:
    assert normalize_path(path) == "/a b"


@given(st.binary(max_size=200))
def test_any_bytes_are_parsed_or_unreadable(line: bytes) -> None:
    parse_line(line)
