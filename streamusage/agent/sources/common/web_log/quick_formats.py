"""The two most frequent formats, with a quick way for lines without escapes. All others go to the pattern. Pure.

Where a line has no backslash, quotation marks stand around its fields and nowhere else.
"""

from typing import Any

from streamusage.agent.sources.common.web_log.request import WebRequest, new_request
from streamusage.agent.sources.common.web_log.text_format import TextFormat
from streamusage.agent.sources.common.web_log.values import parse_duration_ms

STREAMTOP = '$msec $remote_addr "$request" $status $bytes_sent "$http_user_agent" "$arg_sid"'
"""The recommended `log_format`. nginx escapes what clients choose in it, so no field can contain the end of another."""

OPTIONAL_FIELDS = (
    ("forwarded", "$http_x_forwarded_for"),
    ("cookie", "$http_cookie"),
    ("cmcd", "$http_cmcd_session"),
    ("host", "$host"),
    ("via", "$http_via"),
)
"""Optional fields after it, in this order, each written as `name="variable"`; after them `time=$request_time`."""

_ALL_NAMES = [f" {name}=" for name, _ in OPTIONAL_FIELDS]

_NONE: Any = ()
"""Cannot be unpacked: the line goes to the pattern."""

_STATUS = {str(status): status for status in range(100, 600)}


class CombinedFormat(TextFormat):
    """`combined`, also with one quoted field after it."""

    def parse(self, line: bytes) -> WebRequest | None:
        """As `LogFormat.parse`."""
        text = line.decode("utf-8", "backslashreplace")
        parts = text.split('"')
        try:
            extra = ""
            if len(parts) == 7:
                start, request, answer, _, gap, user_agent, end = parts
            else:
                start, request, answer, _, gap, user_agent, end, extra, last = parts
                end = last if end == " " else "?"
            before, _, time = start.rpartition(" [")
            at, granularity_ms = self.times[time[:-2]] or _NONE
            addresses, host = self.peers[before] or _NONE
            space, status, sent, after = answer.split(" ")
            code, bytes_out = _STATUS[status], int(sent)
        except (ValueError, KeyError):
            return self.parse_text(text)
        if "\\" in text or end or gap != " " or space or after or time[-2:] != "] ":
            return self.parse_text(text)
        if extra and self.has_forwarded[extra]:
            addresses = self.forwarded[extra] + addresses
        method, target, absolute_host = self.requests[request]
        if user_agent == "-":
            user_agent = ""
        # fmt: off
        return new_request(
            WebRequest,
            (at, granularity_ms, addresses, method, target, code, bytes_out, user_agent,
             "", "", "", absolute_host or host, "", None),
        )
        # fmt: on


class StreamtopFormat(TextFormat):
    """The documented format, with none or all of its optional fields."""

    def parse(self, line: bytes) -> WebRequest | None:
        """As `LogFormat.parse`."""
        text = line.decode("utf-8", "backslashreplace")
        parts = text.split('"')
        try:
            optional: list[str] = []
            if len(parts) == 7:
                start, request, answer, user_agent, gap, session, end = parts
            else:
                start, request, answer, user_agent, gap, session, *optional, end = parts
            addresses, _ = self.peers[start[15:-1]] or _NONE
            at = int(float(start[:14]) * 1000 + 0.5)
            space, status, sent, after = answer.split(" ")
            code, bytes_out = _STATUS[status], int(sent)
        except (ValueError, KeyError):
            return self.parse_text(text)
        if "\\" in text or gap != " " or space or after or len(start) < 16:
            return self.parse_text(text)
        if start[10] != "." or start[14] != " " or start[-1] != " ":
            return self.parse_text(text)
        cookie = cmcd = host = via = ""
        duration_ms = None
        if optional:
            if optional[::2] != _ALL_NAMES:
                return self.parse_text(text)
            _, forwarded, _, cookie, _, cmcd, _, host, _, via = optional
            if forwarded and forwarded != "-":
                addresses = self.forwarded[forwarded] + addresses
            cookie, cmcd, host, via = _value(cookie), _value(cmcd), _value(host), _value(via)
            if end.startswith(" time="):
                duration_ms = parse_duration_ms(end[6:])
                end = ""
        if end:
            return self.parse_text(text)
        method, target, absolute_host = self.requests[request]
        if user_agent == "-":
            user_agent = ""
        if session == "-":
            session = ""
        # fmt: off
        return new_request(
            WebRequest,
            (at, 1, addresses, method, target, code, bytes_out, user_agent,
             session, cookie, cmcd, absolute_host or host, via, duration_ms),
        )
        # fmt: on


def _value(text: str) -> str:
    return text if text != "-" else ""
