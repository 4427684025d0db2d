"""The formats `streamtop`, `combined` and `common`. Pure."""

import re

from streamusage.agent.sources.common.web_log.text_format import CAPTURED, QUOTED, TextFormat
from streamusage.agent.sources.common.web_log.values import is_address, is_peer, split_addresses

STREAMTOP = '$msec $remote_addr "$request" $status $bytes_sent "$http_user_agent" "$arg_sid"'
"""The recommended `log_format`. nginx escapes what clients choose in it, so no field can contain the end of another."""

STREAMTOP_FIELDS = (
    ("forwarded", "$http_x_forwarded_for"),
    ("cookie", "$http_cookie"),
    ("cmcd", "$http_cmcd_session"),
    ("host", "$host"),
    ("via", "$http_via"),
)
"""Optional fields after it, in this order, each written as `name="variable"`."""

_DATE_START = r"\[(?:\d\d/[A-Z][a-z]{2}/|\d{4}-\d\d-\d\dT)"
_NO_DATE = rf'[^"\[]*+(?:(?!{_DATE_START})\[[^"\[]*+)*+'
"""Text without a time in brackets. With one, a truncated line and the next line stand in one."""


def _word(excluded: str = "") -> str:
    return rf'[^" \[{excluded}]*+(?:(?!{_DATE_START})\[[^" \[{excluded}]*+)*+'


_EXTRAS = rf"(?P<extras>(?: {_word()}(?:{QUOTED})?)*+)"
_BARE_EXTRAS = rf'(?: {_word()}(?!"))*+'


def _named(name: str) -> str:
    return CAPTURED.replace("(", f"(?P<{name}>", 1)


_ANSWER = r"(?P<status>\d{3}|-) (?P<sent>\d{1,15}|-)"
_REQUEST = rf'(?P<peer>{_NO_DATE})\[(?P<time>[^\]"]{{10,40}})\] {_named("request")} {_ANSWER}'

_SYSLOG = re.compile(r"(?:<\d{1,3}>(?:1 )?\S+|[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d) \S+ [^ ]+: ", re.ASCII)
_PREFIX = re.compile(r"((?:[^\s,]+, *)*[^\s,]+) \S+ (.+)", re.ASCII)


def parse_prefix(text: str) -> tuple[tuple[str, ...], str] | None:
    """Return the addresses and the host of what stands before the time: `[host] addresses ident user`.

    A prefix of syslog before it is skipped. User names may contain spaces.
    """
    text = text[:-1]
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
    if not addresses or not is_peer(addresses[-1]) or _is_prefix_of_another_line(match[2]):
        return None
    return addresses, host.rpartition(":")[0] if re.search(r":\d{1,5}$", host) else host


def _is_prefix_of_another_line(user: str) -> bool:
    """Return whether a user's name ends as the beginning of another line: an address, ident and user."""
    words = user.split(" ")
    return len(words) >= 3 and is_address(words[-3])


def parse_address_list(text: str) -> tuple[tuple[str, ...], str] | None:
    """Return the addresses of the documented format: a list with commas, with or without spaces."""
    addresses = split_addresses(text)
    return (addresses, "") if addresses and is_peer(addresses[-1]) and " " not in addresses[-1] else None


def create_streamtop() -> TextFormat:
    """Return the documented format."""
    optional = "".join(rf"(?: {name}={_named(name)})?" for name, _ in STREAMTOP_FIELDS)
    return TextFormat(
        "streamtop",
        r'(?P<time>\d{9,12}\.\d{3}) (?P<peer>[^"]{1,1024}?) '
        rf"{_named('request')} {_ANSWER} {_named('user_agent')} {_named('session')}"
        rf"{optional}(?: time=(?P<duration>[\d.]{{1,16}}))?",
        parse_address_list,
    )


def create_combined() -> TextFormat:
    """Return `combined` of nginx and Apache, also with a host before it, and with other fields after it."""
    return TextFormat("combined", rf"{_REQUEST} {QUOTED} {_named('user_agent')}{_EXTRAS}", parse_prefix)


def create_common() -> TextFormat:
    """Return the Common Log Format, also with other fields after it that are not quoted."""
    return TextFormat("common", rf"{_REQUEST}{_BARE_EXTRAS}", parse_prefix)
