"""Texts of log fields as values."""

import pytest

from streamusage.access_logs.web.values import (
    LogTime,
    Remembered,
    is_remainder,
    parse_time,
    split_addresses,
    unescape,
)

AT = 1_795_873_009_000  # 2026-11-28 13:36:49 UTC


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("1795873009", LogTime(AT, 1000)),
        ("1795873009.250", LogTime(AT + 250, 1)),
        ("1795873009.25", LogTime(AT + 250, 1)),
        ("1795873009.250999", LogTime(AT + 250, 1)),
        ("1795873009250", LogTime(AT + 250, 1)),
        ("1795873009250999", LogTime(AT + 250, 1)),
        ("1795873009250999999", LogTime(AT + 250, 1)),
        ("28/Nov/2026:13:36:49 +0000", LogTime(AT, 1000)),
        ("28/Nov/2026:08:06:49 -0530", LogTime(AT, 1000)),
        ("28/Nov/2026:13:36:49.250 +0000", LogTime(AT + 250, 1)),
        ("2026-11-28T13:36:49Z", LogTime(AT, 1000)),
        ("2026-11-28T13:36:49+0000", LogTime(AT, 1000)),
        ("2026-11-28T14:36:49.25+01:00", LogTime(AT + 250, 1)),
        ("2026-11-28 13:36:49", LogTime(AT, 1000)),
        ("2026-11-28T13:36:49,250123456Z", LogTime(AT + 250, 1)),
        ("2026-02-31T13:36:49Z", None),
        ("31/Feb/2026:13:36:49 +0000", None),
        ("13:36:49", None),
        ("17958730", None),
        ("١٧٩٥٨٧٣٠٠٩", None),
        ("", None),
        ("-", None),
    ],
)
def test_time_in_any_form(text, time):
    assert parse_time(text) == time


@pytest.mark.parametrize(
    ("text", "addresses"),
    [
        ("198.51.100.7", ("198.51.100.7",)),
        ("192.0.2.1, 203.0.113.7,10.0.0.4", ("192.0.2.1", "203.0.113.7", "10.0.0.4")),
        ("203.0.113.7:51234", ("203.0.113.7",)),
        ("[2001:db8::7]:443", ("2001:db8::7",)),
        ("[2001:db8::7]", ("2001:db8::7",)),
        ("fe80::1%eth0", ("fe80::1%eth0",)),
        ("unix:", ("unix:",)),
        ("-", ()),
        (" , -,", ()),
        ("x" * 500, ("x" * 64,)),
    ],
)
def test_addresses_of_a_list_without_ports(text, addresses):
    assert split_addresses(text) == addresses


def test_remainder_of_an_address():
    assert all(map(is_remainder, ("198.51.100", "51.100.7.9.1", "2001:db8:", ".7", "1795873009.250")))
    assert not any(map(is_remainder, ("198.51.100.7", "::1", "unix:", "cafe.de", "unknown", "localhost")))


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        (r"a\x22b", 'a"b'),
        (r"a\"b\\", 'a"b\\'),
        (r"\xD0\xBF", "п"),
        (r"\xff", r"\xff"),
        (r"\u0001\u0022", '\x01"'),
        (r"\n\r\t\b\f\v\/", "\n\r\t\b\f\v/"),
        (r"\\x22", r"\x22"),
        ("\\", "\\"),
        ("plain", "plain"),
    ],
)
def test_escapes_of_servers(text, plain):
    assert unescape(text) == plain


def test_remembered_results_are_bounded():
    calls = []
    remembered = Remembered(lambda text: calls.append(text) or len(text), limit=3, longest=5)

    assert [remembered[text] for text in ("a", "bb", "a", "too long", "too long", "c", "d")] == [1, 2, 1, 8, 8, 1, 1]
    assert calls == ["a", "bb", "too long", "too long", "c", "d"]
    assert len(remembered) == 1
