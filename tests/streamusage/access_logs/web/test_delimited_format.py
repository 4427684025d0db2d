"""Delimited fields: lists of names, delimiters, and lines with another number of fields."""

import pytest

from streamusage.access_logs.web.delimited_format import (
    CLOUDFRONT_FIELDS,
    DelimitedFormat,
    create_cloudfront,
    split_field_list,
)


@pytest.mark.parametrize(
    ("text", "names", "delimiter"),
    [
        ("#Fields: date time c-ip", ["date", "time", "c-ip"], " "),
        ("#Fields:date\ttime\tc-ip", ["date", "time", "c-ip"], "\t"),
        ("date|time|cs(User-Agent)", ["date", "time", "cs(User-Agent)"], "|"),
        ("#Fields: ts, ip, status\r", ["ts", "ip", "status"], ","),
        ("ts;ip", ["ts", "ip"], ";"),
    ],
)
def test_list_of_fields_and_its_delimiter(text, names, delimiter):
    assert split_field_list(text) == (names, delimiter)


def cloudfront_line(fields: int) -> bytes:
    values = dict.fromkeys(CLOUDFRONT_FIELDS, "-") | {
        "date": "2026-11-28",
        "time": "13:36:49",
        "sc-bytes": "5",
        "c-ip": "198.51.100.7",
        "cs-method": "GET",
        "cs-uri-stem": "/a.ts",
        "sc-status": "200",
    }
    return "\t".join([values[name] for name in CLOUDFRONT_FIELDS][:fields]).encode()


def test_cloudfront_has_had_fewer_fields():
    parse = create_cloudfront().parse

    readable = [fields for fields in range(len(CLOUDFRONT_FIELDS) + 1) if parse(cloudfront_line(fields)) is not None]
    assert readable == list(range(24, 34))
    assert parse(cloudfront_line(33) + cloudfront_line(33)) is None
    assert parse(cloudfront_line(33) + b"\t-") is None


def test_values_in_quotation_marks_may_contain_the_delimiter():
    form = DelimitedFormat("fields", ["ts", "ip", "request", "status", "bytes", "ua"], " ")

    found = form.parse(b'1795873009 198.51.100.7 "GET /a b.ts HTTP/1.1" 200 5 "player 1"')

    assert found is not None
    assert (found.target, found.user_agent) == ("/a b.ts", "player 1")


def test_line_with_another_number_of_fields_cannot_be_read():
    form = DelimitedFormat("fields", ["ts", "ip", "method", "uri", "status", "bytes"], ",")

    assert form.parse(b"1795873009,198.51.100.7,GET,/a.ts,200,5") is not None
    assert form.parse(b"1795873009,198.51.100.7,GET,/a,b.ts,200,5") is None
    assert form.parse(b"1795873009,198.51.100.7,GET,/a.ts,200") is None


def test_wrong_value_cannot_be_read():
    form = DelimitedFormat("fields", ["ts", "ip", "method", "uri", "status", "bytes"], "\t")

    for line in (
        b"x\t198.51.100.7\tGET\t/\t200\t5",
        b"1795873009\t198.51\tGET\t/\t200\t5",
        b"1795873009\t::1\tGET\t/\t200\tx",
    ):
        assert form.parse(line) is None
