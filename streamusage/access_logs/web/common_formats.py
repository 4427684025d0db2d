"""The formats `streamtop`, `combined` and `common`. Pure."""

import re

from streamusage.access_logs.web.quick_formats import (
    OPTIONAL_FIELDS,
    STREAMTOP,
    CombinedFormat,
    StreamtopFormat,
)
from streamusage.access_logs.web.text_format import CAPTURED, QUOTED, TextFormat
from streamusage.access_logs.web.values import is_address, is_remainder, split_addresses

__all__ = ["OPTIONAL_FIELDS", "STREAMTOP", "create_combined", "create_common", "create_streamtop"]

_DATE_START = r"\[(?:\d\d/[A-Z][a-z]{2}/|\d{4}-\d\d-\d\dT)"
_DATE = re.compile(_DATE_START, re.ASCII)
_NO_DATE = rf'(?:[^"\[\\]++|\\.|(?!{_DATE_START})\[)*+'
"""Text without a time in brackets. With one, a truncated line and the next line are one line."""


def _word(excluded: str = "") -> str:
    return rf'[^" \[{excluded}]*+(?:(?!{_DATE_START})\[[^" \[{excluded}]*+)*+'


_EXTRAS = rf"(?P<extras>(?: {_word()}(?:{QUOTED})?)*+)"
_BARE_EXTRAS = rf'(?: {_word()}(?!"))*+'


def _named(name: str) -> str:
    return CAPTURED.replace("(", f"(?P<{name}>", 1)


_ANSWER = r"(?P<status>\d{3}|-) (?P<sent>\d{1,15}|-)"
_REQUEST = rf'(?P<peer>{_NO_DATE})\[(?P<time>[^\]"]{{10,40}})\] {_named("request")} {_ANSWER}'

_SYSLOG = re.compile(r"(?:<\d{1,3}>(?:1 )?\S+|[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d) \S+ [^ ]+: ", re.ASCII)
_PREFIX = re.compile(r"((?:[^\s,]+, *)*[^\s,]+) (\S+)(?: (.*))?", re.ASCII)


def parse_prefix(text: str) -> tuple[tuple[str, ...], str] | None:
    """Return the addresses and the host of what stands before the time: `[host] addresses ident user`.

    A prefix of syslog before it is skipped. User names may contain spaces.
    """
    text = text.removesuffix(" ")
    if _DATE.search(text):
        return None
    if syslog := _SYSLOG.match(text):
        text = text[syslog.end() :]
    host, _, rest = text.partition(" ")
    second = rest.partition(" ")[0].partition(",")[0]
    if not host.endswith(",") and is_address(second):
        text = rest
    else:
        host = ""
    match = _PREFIX.fullmatch(text)
    if match is None:
        return None
    addresses = split_addresses(match[1])
    if (addresses and is_remainder(addresses[-1])) or _is_start_of_another_line(match[2], match[3] or ""):
        return None
    host = re.sub(r":\d{1,5}$", "", host)
    # An address may also be what is left of a truncated line.
    return addresses, "" if is_address(host) else host


_LONGEST_START = 256
"""So much of a user's name is searched for the beginning of another line: a client chooses its length."""

_OTHER_START = re.compile(r"(?:\d\.\d{1,3}\.\d{1,3}\.\d{1,3}|:[0-9A-Fa-f]{0,4}:[0-9A-Fa-f:.]*|unix:) \S+ \S+", re.ASCII)


def _is_start_of_another_line(ident: str, user: str) -> bool:
    """Return whether ident and user contain the beginning of another line: an address, ident and user."""
    return (ident[0] == "-" and ident != "-") or _OTHER_START.search(user[-_LONGEST_START:]) is not None


_MSEC = re.compile(r"\d{10}\.\d{3} ", re.ASCII)


def parse_address_list(text: str) -> tuple[tuple[str, ...], str] | None:
    """Return the addresses of the documented format: a list with commas, with or without spaces; `-` for none.

    Anyone can write a header that is logged in their place; but a second time means that two lines were joined.
    """
    addresses = split_addresses(text)
    if _MSEC.search(text) or (addresses and is_remainder(addresses[-1])):
        return None
    return addresses, ""


def create_streamtop() -> StreamtopFormat:
    """Return the documented format."""
    optional = "".join(rf"(?: {name}={_named(name)})?" for name, _ in OPTIONAL_FIELDS)
    return StreamtopFormat(
        "streamtop",
        r'(?P<time>\d{10}\.\d{3}) (?P<peer>(?:[^"\\]|\\.)*?) '
        rf"{_named('request')} {_ANSWER} {_named('user_agent')} {_named('session')}"
        rf"{optional}(?: time=(?P<duration>[\d.]{{1,16}}))?",
        parse_address_list,
        '1000000000.000 - "GET / HTTP/1.1" 200 0 "',
    )


def create_combined() -> CombinedFormat:
    """Return `combined` of nginx and Apache, also with a host before it, and with other fields after it."""
    return CombinedFormat(
        "combined",
        rf"{_REQUEST} {QUOTED} {_named('user_agent')}{_EXTRAS}",
        parse_prefix,
        '- - - [01/Jan/2001:00:00:00 +0000] "GET / HTTP/1.1" 200 0 "',
    )


def create_common() -> TextFormat:
    """Return the Common Log Format, also with other fields after it that are not quoted."""
    return TextFormat("common", rf"{_REQUEST}{_BARE_EXTRAS}", parse_prefix)
