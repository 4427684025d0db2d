"""From lines to requests of viewers: a form is detected once."""

from streamusage.agent.sources.common.ignored import NOTHING_IGNORED
from streamusage.agent.sources.common.logs.line_form import LineForms
from streamusage.agent.sources.hls.config import make_rules
from streamusage.agent.sources.hls.log_lines import RequestParser

COMBINED = b'198.51.100.7 - - [28/Nov/2026:13:36:49 +0000] "GET /hls/s1-7.ts HTTP/1.1" 200 1000000 "-" "player/1"'
STREAMTOP = b'1795873009.250 198.51.100.7 "GET /hls/s1-7.ts HTTP/1.1" 200 1000000 "player/1" "-"'


def parse(parser: RequestParser, *lines: bytes) -> tuple[int, int, int]:
    forms = LineForms()
    requests = parser.parse_lines(list(lines), forms)
    return sum(request.bytes_out for request in requests), forms.readable, forms.unreadable


def make_parser(log_format: str = "auto") -> RequestParser:
    return RequestParser(make_rules("auto", None, [], NOTHING_IGNORED), log_format)


def test_truncated_line_is_not_read_in_another_form() -> None:
    parser = make_parser()
    parse(parser, COMBINED)

    assert parse(parser, COMBINED[: COMBINED.index(b"0000 ")]) == (0, 0, 1)
    assert parse(parser, COMBINED) == (1_000_000, 1, 0)


def test_lines_in_another_form_than_the_detected_one_cannot_be_read() -> None:
    parser = make_parser()
    parse(parser, STREAMTOP)

    assert parse(parser, COMBINED, STREAMTOP, COMBINED) == (1_000_000, 1, 2)


def test_form_is_detected_from_the_first_readable_lines() -> None:
    parser = make_parser()

    assert parse(parser, b"garbage") == (0, 0, 1)
    assert parse(parser, b"garbage", COMBINED, COMBINED) == (2_000_000, 2, 1)


def test_header_of_a_log_is_no_unreadable_line() -> None:
    parser = make_parser()

    assert parse(parser, b"#Version: 1.0", b"#Fields: date time c-ip cs-method cs-uri-stem sc-status sc-bytes") == (
        0,
        0,
        0,
    )
    assert parse(parser, b"2026-11-28 13:36:49 198.51.100.7 GET /hls/s1-7.ts 200 5") == (5, 1, 0)
