"""JSON as templates write it: escapes, bytes and empty variables that are no JSON."""

import pytest

from streamusage.access_logs.web.json_format import JsonFormat, repair_json

LINE = (
    b'{"msec":"1795873009.250","remote_addr":"198.51.100.7","request":"GET /hls/s1-7.ts HTTP/1.1","status":200,'
    b'"bytes_sent":5,"http_user_agent":"player/1"}'
)


@pytest.mark.parametrize(
    ("text", "repaired"),
    [
        (rb'{"a":"x\x22y"}', rb'{"a":"x\u0022y"}'),
        (rb'{"a":"\x16\x03"}', rb'{"a":"\u0016\u0003"}'),
        (rb'{"a":"\xD0\xBF"}', '{"a":"п"}'.encode()),
        (b'{"a":"\xff"}', rb'{"a":"\\xff"}'),
        (rb'{"a":"\\x22"}', rb'{"a":"\\x22"}'),
        (rb'{"a":"\q"}', rb'{"a":"\\q"}'),
        (b'{"a":,"b":-,"c": }', b'{"a":null,"b":null,"c": null}'),
        (b'{"a":": ,","b":"-}"}', b'{"a":": ,","b":"-}"}'),
        (b'{"a":-5}', b'{"a":-5}'),
    ],
)
def test_repaired_json(text, repaired):
    assert repair_json(text) == repaired


def test_empty_variables_without_quotation_marks_are_no_fields():
    line = LINE.replace(b'"bytes_sent":5', b'"bytes_sent":5,"request_time":-,"upstream":')

    found = JsonFormat().parse(line)

    assert found is not None
    assert found.duration_ms is None


def test_empty_value_of_a_needed_field_is_unreadable():
    assert JsonFormat().parse(LINE.replace(b'"status":200', b'"status":-')) is None
    assert JsonFormat().parse(LINE.replace(b'"bytes_sent":5', b'"bytes_sent":null')) is None
    assert JsonFormat().parse(LINE.replace(b'"bytes_sent":5', b'"bytes_sent":-5')) is None


def test_client_cannot_add_fields():
    line = LINE.replace(b"player/1", rb"x\x22,\x22status\x22:500,\x22bytes_sent\x22:9,\x22y\x22:\x22")

    found = JsonFormat().parse(line)

    assert found is not None
    assert (found.status, found.bytes_out) == (200, 5)


def test_truncated_and_joined_objects_cannot_be_read():
    parse = JsonFormat().parse

    assert [parse(LINE[:length]) for length in range(len(LINE))] == [None] * len(LINE)
    assert [parse(LINE[:length] + LINE) for length in range(1, len(LINE) + 1)] == [None] * len(LINE)


def test_needed_field_that_is_missing_in_one_line_is_found_again_in_the_next():
    form = JsonFormat()

    assert form.parse(LINE.replace(b'"status":200,', b"")) is None
    assert form.parse(LINE) is not None


def test_fields_at_any_place_and_depth():
    found = JsonFormat().parse(
        b'{"status":200,"bytes_sent":5,"request":{"method":"GET","uri":"/a.ts","remote_ip":"198.51.100.7","headers":'
        b'{"User-Agent":["a","b"],"X-Forwarded-For":["192.0.2.1, 203.0.113.7"],"Cookie":["sid=1"],"Cmcd-Session":'
        b'["sid=\\"x\\""],"Status":["500"]}},"ts":1795873009.25}'
    )

    assert found is not None
    assert found.addresses == ("192.0.2.1", "203.0.113.7", "198.51.100.7")
    assert (found.user_agent, found.cookie, found.cmcd, found.status) == ("a, b", "sid=1", 'sid="x"', 200)


def test_deeply_nested_object_cannot_be_read():
    form = JsonFormat()

    assert form.parse(b'{"a":' * 20_000) is None
    assert not form.is_comment(b"[" * 20_000)
