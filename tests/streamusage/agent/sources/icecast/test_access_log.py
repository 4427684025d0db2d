"""Lines of Icecast's access log: refused requests and admin pages are skipped, any bytes are tolerated."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamusage.agent.sources.icecast.access_log import parse_line


@pytest.mark.parametrize(
    "request_and_figures",
    [
        b'"GET /nosuch.mp3 HTTP/1.1" 404 362 "-" "curl" 0',
        b'"GET /admin/stats HTTP/1.1" 200 1654 "-" "curl" 0',
    ],
)
def test_refused_request_and_admin_page_are_skipped(request_and_figures: bytes) -> None:
    assert parse_line(b"127.0.0.1 - - [21/Nov/2026:22:00:37 +0000] " + request_and_figures) is None


@given(st.binary(max_size=200))
def test_any_bytes_are_parsed_or_skipped(line: bytes) -> None:
    parse_line(line)
