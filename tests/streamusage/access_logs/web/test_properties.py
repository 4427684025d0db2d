"""For any texts of a client, the lines that servers write are read back as the same fields, and nothing else is."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamusage.access_logs.web.format import FORMAT_NAMES, detect, find_format
from streamusage.access_logs.web.quick_formats import OPTIONAL_FIELDS, STREAMTOP
from streamusage.access_logs.web.request import WebRequest
from tests.support.agent.web_log_lines import LINES

CLIENT_BYTES = st.one_of(
    st.binary(max_size=60),
    st.text(max_size=30).map(lambda text: text.encode("utf-8", "replace")),
    st.lists(
        st.sampled_from(
            [
                *(
                    b'"',
                    b"\\",
                    b" ",
                    b"x22",
                    b"\t",
                    b"-",
                    b"[28/Nov/2026:13:36:49 +0000]",
                    b" 200 9 ",
                    b"GET /a HTTP/1.1",
                ),
                *(b",", b"198.51.100.9", b"|", b"{", b"}", b"\n", b"\r", b" - - "),
            ]
        ),
        max_size=12,
    ).map(b"".join),
)
ADDRESSES = st.sampled_from(["198.51.100.7", "2001:db8::7", "unix:", "203.0.113.7, 10.0.0.4", "203.0.113.7,10.0.0.4"])
SENT = st.integers(0, 10**12)
STATUS = st.sampled_from([200, 206, 304, 400, 404, 499])

COMBINED = (
    '$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_referer" "$http_user_agent"'
)
FULL = STREAMTOP + "".join(f' {name}="{variable}"' for name, variable in OPTIONAL_FIELDS)
TABS = "$msec\t$remote_addr\t$request\t$status\t$bytes_sent\t$http_user_agent\t$http_cookie"
JSON = (
    '{"msec":"$msec","remote_addr":"$remote_addr","request":"$request","status":"$status","bytes_sent":"$bytes_sent",'
    '"http_user_agent":"$http_user_agent"}'
)


def escape_default(value: bytes) -> bytes:
    """As nginx and its `escape=default`: an empty value is `-`."""
    return (
        b"".join(b"\\x%02X" % byte if byte < 32 or byte >= 127 or byte in b'"\\' else bytes((byte,)) for byte in value)
        or b"-"
    )


def escape_json(value: bytes) -> bytes:
    """As nginx and its `escape=json`."""
    named = {0x22: b'\\"', 0x5C: b"\\\\", 0x0A: b"\\n", 0x0D: b"\\r", 0x09: b"\\t", 0x08: b"\\b", 0x0C: b"\\f"}
    return b"".join(named.get(byte) or (b"\\u%04X" % byte if byte < 32 else bytes((byte,))) for byte in value)


def escape_apache(value: bytes) -> bytes:
    """As Apache in its logs of requests and headers."""
    named = {
        0x22: b'\\"',
        0x5C: b"\\\\",
        0x0A: b"\\n",
        0x0D: b"\\r",
        0x09: b"\\t",
        0x08: b"\\b",
        0x0B: b"\\v",
        0x0C: b"\\f",
    }
    return (
        b"".join(
            named.get(byte) or (b"\\x%02x" % byte if byte < 32 or byte >= 127 else bytes((byte,))) for byte in value
        )
        or b"-"
    )


def write_line(template: str, values: dict[str, bytes], escape) -> bytes:
    line = template.encode()
    own = {"$msec", "$time_local", "$remote_addr", "$status", "$bytes_sent", "$body_bytes_sent"}
    for name in sorted(values, key=len, reverse=True):
        line = line.replace(name.encode(), b"\0%b\0" % name.encode())
    for name, value in values.items():
        line = line.replace(b"\0%b\0" % name.encode(), value if name in own else escape(value))
    return line


def text_of(value: bytes) -> str:
    text = value.decode("utf-8", "backslashreplace")
    return "" if text == "-" else text


WRITERS = [
    ("streamtop", STREAMTOP, escape_default),
    ("streamtop", STREAMTOP, escape_json),
    ("streamtop", FULL, escape_default),
    ("streamtop", FULL, escape_json),
    ("combined", COMBINED, escape_default),
    ("combined", COMBINED, escape_json),
    ("combined", COMBINED, escape_apache),
    ("json", JSON, escape_json),
    ("json", JSON, escape_default),
    (TABS, TABS, escape_default),
    (COMBINED + ' "$http_cookie"', COMBINED + ' "$http_cookie"', escape_default),
]


@pytest.mark.parametrize(("name", "template", "escape"), WRITERS)
@given(st.data())
def test_any_text_of_a_client_is_read_back(name, template, escape, data):
    request, agent, cookie, referer = (data.draw(CLIENT_BYTES) for _ in range(4))
    address, status, sent = data.draw(ADDRESSES), data.draw(STATUS), data.draw(SENT)
    values = {
        "$msec": b"1795873009.250",
        "$time_local": b"28/Nov/2026:13:36:49 +0000",
        "$remote_addr": address.encode(),
        "$remote_user": b"",
        "$request": b"GET /" + request.replace(b"\n", b"") + b" HTTP/1.1",
        "$status": b"%d" % status,
        "$bytes_sent": b"%d" % sent,
        "$body_bytes_sent": b"%d" % sent,
        "$http_referer": referer,
        "$http_user_agent": agent,
        "$arg_sid": b"",
        "$http_x_forwarded_for": b"",
        "$http_cookie": cookie,
        "$http_cmcd_session": b"",
        "$host": b"live.example.com",
        "$http_via": b"",
    }
    line = write_line(template, values, escape)

    found = find_format(name).parse(line)

    assert found is not None, line
    assert found.addresses == tuple(part.strip() for part in address.split(","))
    assert (found.method, found.target) == ("GET", text_of(b"/" + request.replace(b"\n", b"")))
    assert (found.status, found.bytes_out) == (status, sent)
    assert found.user_agent == text_of(agent)
    if "$http_cookie" in template:
        assert found.cookie == text_of(cookie)


REQUESTS = st.builds(
    lambda address, target, status, sent, agent: (address, target, status, sent, agent),
    st.sampled_from(["198.51.100.7", "203.0.113.99", "2001:db8::7"]),
    st.from_regex(r"/[a-z0-9/_.-]{0,20}", fullmatch=True),
    STATUS,
    SENT,
    CLIENT_BYTES,
)


def write_request(template: str, escape, request) -> bytes:
    address, target, status, sent, agent = request
    return write_line(
        template,
        {
            "$msec": b"1795873009.250",
            "$time_local": b"28/Nov/2026:13:36:49 +0000",
            "$remote_addr": address.encode(),
            "$remote_user": b"-",
            "$request": b"GET " + target.encode() + b" HTTP/1.1",
            "$status": b"%d" % status,
            "$bytes_sent": b"%d" % sent,
            "$body_bytes_sent": b"%d" % sent,
            "$http_referer": b"",
            "$http_user_agent": agent,
            "$http_cookie": b"",
            "$arg_sid": b"",
            "$http_x_forwarded_for": b"",
            "$http_cmcd_session": b"",
            "$host": b"live.example.com",
            "$http_via": b"",
        },
        escape,
    )


@pytest.mark.parametrize(
    ("name", "template", "escape"),
    [("streamtop", STREAMTOP, escape_default), ("combined", COMBINED, escape_default), ("json", JSON, escape_json)],
)
@given(st.data())
def test_pieces_of_lines_in_one_are_never_read_as_a_request_that_was_not_logged(name, template, escape, data):
    lines = [write_request(template, escape, data.draw(REQUESTS)) for _ in range(data.draw(st.integers(2, 3)))]
    cut = data.draw(st.integers(1, len(lines[0])))
    joined = lines[0][:cut] + b"".join(lines[1:])
    form = find_format(name)

    found = form.parse(joined)

    # Where only the first figures of an address remain, the rest may be a longer valid address.
    logged = [form.parse(line) for line in lines]
    assert (
        found is None or found in logged or found._replace(addresses=()) in [r._replace(addresses=()) for r in logged]
    )
    assert found is None or cut < len("2001:db8::7") or found in logged


PIECES = st.sampled_from(
    [
        *(
            b'"',
            b" ",
            b"\\",
            b"-",
            b"200",
            b"5",
            b" 200 5 ",
            b' "-" ',
            b' "x"',
            b'" "',
            b"[",
            b"] ",
            b" [",
            b",",
            b"\r",
        ),
        *(
            b"1795873009.250",
            b"1795873009.250 ",
            b"198.51.100.7",
            b"198.51.100.7 - - ",
            b"[28/Nov/2026:13:36:49 +0000] ",
        ),
        *(b'"GET /a HTTP/1.1"', b"", b' "192.0.2.1, 203.0.113.7"', b' host="h"', b" time=0.250", b"\xff", b"1e9"),
    ]
)


@pytest.mark.parametrize(("name", "template"), [("streamtop", STREAMTOP), ("streamtop", FULL), ("combined", COMBINED)])
@given(st.data())
def test_quick_way_reads_what_the_pattern_reads(name, template, data):
    line = write_request(template, escape_default, data.draw(REQUESTS))
    for _ in range(data.draw(st.integers(0, 3))):
        at, length = data.draw(st.integers(0, len(line))), data.draw(st.integers(0, 12))
        line = line[:at] + data.draw(PIECES) + line[at + length :]
    form = find_format(name)

    assert form.parse(line) == form.parse_text(line.decode("utf-8", "backslashreplace")), line


@given(st.data())
def test_damaged_line_of_any_form_is_never_an_error(data):
    name, line, _ = data.draw(st.sampled_from(LINES))
    for _ in range(data.draw(st.integers(1, 4))):
        at, length = data.draw(st.integers(0, len(line))), data.draw(st.integers(0, 12))
        line = line[:at] + data.draw(st.one_of(PIECES, st.binary(max_size=3))) + line[at + length :]

    found = find_format(name).parse(line)

    assert found is None or isinstance(found, WebRequest)
    for other in FORMAT_NAMES:
        find_format(other).is_comment(line)
        find_format(other).parse(line)


@given(CLIENT_BYTES)
def test_garbage_is_never_read(garbage):
    assert detect([garbage]) is None


@given(
    st.dictionaries(
        st.text(max_size=10), st.one_of(st.none(), st.integers(), st.floats(), st.text(), st.lists(st.none()))
    ),
    st.sampled_from(["ts", "status", "size", "remote_addr", "request"]),
)
def test_json_without_a_needed_field_is_not_read(other, left_out):
    complete = {
        "ts": 1795873009.25,
        "status": 200,
        "size": 5,
        "remote_addr": "198.51.100.7",
        "request": "GET / HTTP/1.1",
    }
    document = other | {key: value for key, value in complete.items() if key != left_out}
    document.pop(left_out, None)
    found = find_format("json").parse(json.dumps(document).encode())

    assert found is None or isinstance(found, WebRequest)


@given(st.one_of(st.none(), st.integers(), st.floats(), st.text(), st.lists(st.integers()), st.booleans()), st.data())
def test_json_with_a_wrong_value_is_not_read_or_read_as_a_valid_request(value, data):
    complete = {
        "ts": 1795873009.25,
        "status": 200,
        "size": 5,
        "remote_addr": "198.51.100.7",
        "uri": "/",
        "method": "GET",
    }
    complete |= {"http_user_agent": "x", "duration": 0.1, "x-forwarded-for": "-", "host": "h", "cookie": "c"}
    complete[data.draw(st.sampled_from(sorted(complete)))] = value

    found = find_format("json").parse(json.dumps(complete).encode())

    if found is not None:
        assert all(type(field) is str for field in found.addresses)
        assert [type(field) for field in found[3:13]] == [str, str, int, int, *[str] * 6]
        assert type(found.at) is int
        assert 0 <= found.at <= 2**52
        assert found.bytes_out >= 0
