"""Formats given as nginx's `log_format`."""

import pytest

from streamusage.access_logs.web.errors import LogFormatError
from streamusage.access_logs.web.format import find_format

MAIN = (
    '$remote_addr - $remote_user [$time_local] "$request" '
    '$status $body_bytes_sent "$http_referer" "$http_user_agent" "$http_x_forwarded_for"'
)
LINE = (
    b'10.0.0.4 - ann lee [28/Nov/2026:13:36:49 +0000] "GET /hls/s1-7.ts HTTP/1.1" '
    b'200 1000000 "http://x/" "player/1" "203.0.113.7"'
)


@pytest.mark.parametrize(
    "text",
    [
        MAIN,
        f"'{MAIN}'",
        MAIN.replace(" $status", "\n    $status"),
        MAIN.replace('"$request" ', "'\n    '\"$request\" ").join("''"),
        f"log_format main '{MAIN}';",
        "log_format main escape=default '$remote_addr - $remote_user [$time_local] \"$request\" '\n"
        '    \'$status $body_bytes_sent "$http_referer" \'\n    \'"$http_user_agent" "$http_x_forwarded_for"\';\n',
        MAIN.replace("$status", "${status}"),
    ],
)
def test_directive_and_its_text_give_the_same_format(text):
    found = find_format(text).parse(LINE)

    assert found is not None
    assert found.addresses == ("203.0.113.7", "10.0.0.4")
    assert (found.target, found.status, found.bytes_out, found.user_agent) == (
        "/hls/s1-7.ts",
        200,
        1_000_000,
        "player/1",
    )


@pytest.mark.parametrize(
    ("text", "line", "field", "value"),
    [
        (
            '$msec $remote_addr "$request_method $request_uri" $status $bytes_sent "$cookie_sid"',
            b'1795873009.250 198.51.100.7 "GET /a.ts?x=1" 200 5 "abc"',
            "target",
            "/a.ts?x=1",
        ),
        (
            '$msec $remote_addr "$request_method" "$uri" "$args" $status $bytes_sent "$arg_sid"',
            b'1795873009.250 198.51.100.7 "GET" "/a.ts" "x=1" 200 5 "abc"',
            "target",
            "/a.ts?x=1",
        ),
        (
            '$msec $remote_addr "$request" $status $bytes_sent "$arg_sid"',
            b'1795873009.250 198.51.100.7 "GET /a.ts HTTP/1.1" 200 5 "abc"',
            "session",
            "abc",
        ),
        (
            '$msec $remote_addr "$request" $status $bytes_sent $request_time "$http_cmcd_session" $host',
            b'1795873009.250 198.51.100.7 "GET /a.ts HTTP/1.1" 200 5 1.250 "sid=\\x22a\\x22" live.example.com',
            "cmcd",
            'sid="a"',
        ),
        (
            '$msec $remote_addr "$request" $status $bytes_sent $request_time',
            b'1795873009.250 198.51.100.7 "GET /a.ts HTTP/1.1" 200 5 1.250',
            "duration_ms",
            1250,
        ),
        (
            '$time_iso8601 $remote_addr $request $status $bytes_sent "$http_user_agent"',
            b'2026-11-28T14:36:49+01:00 198.51.100.7 GET /a b.ts HTTP/1.1 200 5 "x"',
            "target",
            "/a b.ts",
        ),
        (
            '$proxy_add_x_forwarded_for [$msec] "$request" $status $bytes_sent "$http_user_agent"',
            b'192.0.2.1, 203.0.113.7 [1795873009.250] "GET /a.ts HTTP/1.1" 200 5 "x"',
            "addresses",
            ("192.0.2.1", "203.0.113.7"),
        ),
        (
            '{"t":$msec,"client":{"ip":"$remote_addr"},"r":"$request","s":$status,"b":$bytes_sent,"u":"$http_user_agent"}',
            b'{"t":1795873009.250,"client":{"ip":"198.51.100.7"},"r":"GET /a.ts HTTP/1.1","s":200,"b":5,"u":"p/1"}',
            "user_agent",
            "p/1",
        ),
    ],
)
def test_variables_become_fields(text, line, field, value):
    found = find_format(text).parse(line)

    assert found is not None
    assert getattr(found, field) == value
    assert (found.status, found.bytes_out) == (200, 5)


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("$msec $remote_addr", "no variable for: request, status, bytes sent"),
        ('$remote_addr "$request" $status $bytes_sent', "no variable for: time"),
        ("$msec $remote_addr $request $status $bytes_sent $http_user_agent", "put variables such as .request"),
        ("$msec|$remote_addr|$request|$status|$bytes_sent|$http_user_agent", "fields could be forged"),
        (f"log_format x escape=none '{MAIN}';", "escape=none"),
        ('{"t":"$msec",', "begins as JSON, but is not"),
        ('{"t":"$msec","s":"$status"}', "no variable for: client's address, request, bytes sent"),
        ("#Fields: date time c-ip sc-status", "has none for: request, bytes sent"),
    ],
)
def test_error_names_what_is_missing(text, error):
    with pytest.raises(LogFormatError, match=error):
        find_format(text)


def test_client_cannot_forge_fields_between_delimiters():
    own = find_format("$msec|$remote_addr|$request|$status|$bytes_sent")

    assert own.parse(b"1795873009.250|198.51.100.7|GET /a.ts HTTP/1.1|200|5").bytes_out == 5
    forged = own.parse(b"1795873009.250|198.51.100.7|GET /a|200|999 HTTP/1.1|404|5")
    assert (forged.status, forged.bytes_out, forged.target) == (404, 5, "/a|200|999")
