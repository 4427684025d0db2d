"""Lines of each form with the request that they report, hostile lines, and lines that cannot be read."""

import pytest

from streamusage.access_logs.web.errors import LogFormatError
from streamusage.access_logs.web.format import FORMAT_NAMES, detect, find_format
from tests.support.agent.web_log_lines import AT, COMBINED, COMMON, LINES, STREAMTOP, request

DETECTED = ("streamtop", "combined", "common", "json", "cloudfront")


@pytest.mark.parametrize(("name", "line", "truth"), LINES)
def test_line_is_read_as_its_request(name, line, truth):
    assert find_format(name).parse(line) == truth


@pytest.mark.parametrize(
    ("name", "line"),
    [(name, line) for name, line, truth in LINES if truth is not None and name in DETECTED],
)
def test_form_of_a_line_is_detected(name, line):
    found = detect([line])

    assert found is not None
    assert found.name == name


def test_line_end_of_windows_is_no_part_of_a_field():
    assert find_format("combined").parse(COMBINED + b"\r") == request()
    assert find_format("streamtop").parse(STREAMTOP + b"\r") == request(at=AT + 250, granularity_ms=1)


HOSTILE = [
    (rb"", "", ""),
    (rb"-", "", ""),
    (rb"\x16\x03\x01\x02\x00\x01\x00\x01\xFC\x03\x03", "", "\x16\x03\x01\x02\x00\x01\x00\x01\\xfc\x03\x03"),
    (rb"GET", "", "GET"),
    (rb"SSH-2.0-OpenSSH_9.2", "", "SSH-2.0-OpenSSH_9.2"),
    (rb"USER anonymous", "", "USER anonymous"),
    (rb"get /hls/s1.ts HTTP/1.1", "", "get /hls/s1.ts HTTP/1.1"),
    (rb"GET /hls/s1.ts", "GET", "/hls/s1.ts"),
    (rb"GET /hls/a b.ts HTTP/1.1", "GET", "/hls/a b.ts"),
    (rb"GET http://other.example/hls/s1.ts?x=1 HTTP/1.1", "GET", "/hls/s1.ts?x=1"),
    (rb"CONNECT other.example:443 HTTP/1.1", "", "CONNECT other.example:443 HTTP/1.1"),
    (rb"OPTIONS * HTTP/1.1", "OPTIONS", "*"),
    (rb"GET /\x22 200 9 \x22-\x22 HTTP/1.1", "GET", '/" 200 9 "-"'),
    (rb"GET /\" 200 9 \"-\" HTTP/1.1", "GET", '/" 200 9 "-"'),
    (rb"GET /\\ HTTP/1.1", "GET", "/\\"),
    (b"GET /\xff\xfe HTTP/1.1", "GET", "/\\xff\\xfe"),
    (rb"GET /\xD0\xBF.ts HTTP/1.1", "GET", "/п.ts"),
    (b"GET /" + b"a" * 20_000 + b" HTTP/1.1", "", ("GET /" + "a" * 20_000)[:8192]),
    (b"PRI * HTTP/2.0", "PRI", "*"),
    (b"GET /[28/Nov/2026:13:36:49 +0000] HTTP/1.1", "GET", "/[28/Nov/2026:13:36:49 +0000]"),
]


@pytest.mark.parametrize(("text", "method", "target"), HOSTILE)
@pytest.mark.parametrize("line", [STREAMTOP, COMBINED, COMMON], ids=["streamtop", "combined", "common"])
def test_line_is_readable_whatever_the_client_sent(line, text, method, target):
    hostile = line.replace(b"GET /hls/s1-7.ts HTTP/1.1", text).replace(b" 200 1000000", b" 400 157")

    found = detect([line]).parse(hostile)

    assert (found.method, found.target, found.status, found.bytes_out) == (method, target, 400, 157)
    assert found.addresses == ("198.51.100.7",)


@pytest.mark.parametrize(
    "agent", [rb"\" 200 9 \"-\" \"x", rb"a\x22 b\x5C", "Плеер".encode(), b"\xff", b"[28/Nov/2026:", b""]
)
def test_line_is_readable_whatever_the_user_agent_is(agent):
    for line in (STREAMTOP, COMBINED):
        found = detect([line]).parse(line.replace(b"player/1", agent))
        assert (found.method, found.status, found.bytes_out, found.session) == ("GET", 200, 1_000_000, "")


@pytest.mark.parametrize(
    ("forwarded", "addresses"),
    [
        (b"-", ()),
        (b"", ()),
        (b"'\\x22; DROP", ("'\"; DROP",)),
        (b"unknown, 203.0.113.7", ("unknown", "203.0.113.7")),
        (b"' OR 1=1", ("' OR 1=1",)),
        (b"[2001:db8::7]:443, 203.0.113.7:5531", ("2001:db8::7", "203.0.113.7")),
    ],
)
def test_header_in_place_of_the_address_may_have_any_text(forwarded, addresses):
    found = find_format("streamtop").parse(STREAMTOP.replace(b"198.51.100.7", forwarded))

    assert found == request(at=AT + 250, granularity_ms=1, addresses=addresses)


def test_user_without_password_may_have_any_name():
    for user in (b"ann lee", b"[x]", b'\\"', b"-", b"\xd0\xbf"):
        assert find_format("combined").parse(COMBINED.replace(b" - - ", b" - " + user + b" ")) == request()


@pytest.mark.parametrize("name", ["streamtop", "combined"])
def test_truncated_line_cannot_be_read(name):
    line = {"streamtop": STREAMTOP, "combined": COMBINED}[name]
    parse = find_format(name).parse

    assert [parse(line[:length]) for length in range(len(line))] == [None] * len(line)


@pytest.mark.parametrize("extra", [b"", b' "-"', b" 0.125", b' rt=0.125 urt="0.004"'])
def test_line_after_a_truncated_line_is_never_read_with_its_fields(extra):
    line = COMBINED + extra
    following = COMBINED.replace(b"198.51.100.7", b"203.0.113.99").replace(b"1000000", b"77") + extra
    parse = find_format("combined").parse

    for length in range(len("198.51.100.7"), len(line) + 1):
        found = parse(line[:length] + following)
        assert found is None or found == parse(following), (length, found)


def test_line_after_a_truncated_line_of_the_documented_format_cannot_be_read():
    following = STREAMTOP.replace(b"198.51.100.7", b"203.0.113.99").replace(b"1000000", b"77")
    parse = find_format("streamtop").parse

    for length in range(1, len(STREAMTOP) + 1):
        found = parse(STREAMTOP[:length] + following)
        assert found is None, (length, found)


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"GET /hls/s1-7.ts HTTP/1.1",
        b'2026/11/28 13:36:49 [error] 31#31: *1 open() "/hls/x" failed, client: 198.51.100.7',
        b'1795873009.250 17 198.51.100.7 "PLAY" "live" "s1" "" rx=1 tx=2 t=3 "LNX"',
        b"\x00" * 64,
        b'1795873009.250"GET / HTTP/1.1" 200 5 "x" "-"',
        b'1795873009.250 "GET / HTTP/1.1" 200 5 "x" "-"',
        b"{}",
        b"[1, 2]",
        b'{"level":"info","msg":"started"}',
        b'198.51.100.7 - - [31/Feb/2026:13:36:49 +0000] "GET / HTTP/1.1" 200 5 "-" "x"',
        b'198.51.100 - - [28/Nov/2026:13:36:49 +0000] "GET / HTTP/1.1" 200 5 "-" "x"',
    ],
)
def test_other_lines_are_not_read_in_any_form(line):
    assert detect([line]) is None


def test_form_is_that_of_most_lines():
    found = detect([STREAMTOP, COMBINED, COMBINED, b"garbage", COMBINED[:50]])

    assert found.name == "combined"
    assert found.parse(STREAMTOP) is None


def test_header_alone_decides_about_the_lines_after_it():
    found = detect([b"#Version: 1.0", b"#Fields: date time c-ip cs-method cs-uri-stem sc-status sc-bytes"])

    assert found.name == "w3c"
    assert found.is_comment(b"#Version: 1.0")
    assert found.parse(b"2026-11-28 13:36:49 198.51.100.7 GET /hls/s1-7.ts 200 1000000") == request(user_agent="")


def test_header_in_the_log_replaces_the_fields():
    found = detect([b"#Fields: date time c-ip cs-method cs-uri-stem sc-status sc-bytes"])
    found.parse(b"#Fields: date time cs-method cs-uri-stem sc-status sc-bytes c-ip cs(User-Agent)")

    assert found.parse(b"2026-11-28 13:36:49 GET /hls/s1-7.ts 200 1000000 198.51.100.7 player/1") == request()
    assert detect([b"#Fields: date time c-ip cs-method"]) is None


def test_messages_of_the_server_in_a_log_of_requests_are_comments():
    json = find_format("json")

    assert json.is_comment(b'{"level":"info","ts":1795873009.2,"logger":"tls","msg":"certificate obtained"}')
    assert json.is_comment(
        b'{"level":"error","ts":1795873009.2,"logger":"http.log.error","msg":"dial tcp","request":{'
        b'"remote_ip":"192.0.2.1","method":"GET","uri":"/hls/s1.m3u8","headers":{}},"duration":0.1,"status":502}'
    )
    assert not json.is_comment(b'{"ts":1795873009.2,"remote_addr":"198.51.100.7","status":200')
    assert not find_format("combined").is_comment(COMBINED[:40])
    assert find_format("combined").is_comment(b"")


def test_each_name_is_known():
    assert all(find_format(name).name == name for name in FORMAT_NAMES)


def test_unknown_name_is_an_error_that_lists_the_names():
    with pytest.raises(LogFormatError, match="unknown log format 'apache'; allowed are auto, streamtop, combined"):
        find_format("apache")
