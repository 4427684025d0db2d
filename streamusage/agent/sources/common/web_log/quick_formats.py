"""The two most frequent formats, with a quick way for lines without escapes. All others go to the pattern. Pure.

Where a line has no backslash, quotation marks stand around its fields and nowhere else.
"""

from typing import Any

from streamusage.agent.sources.common.web_log.request import WebRequest, new_request
from streamusage.agent.sources.common.web_log.text_format import TextFormat
from streamusage.agent.sources.common.web_log.values import parse_duration_ms

STREAMTOP = '$msec $remote_addr "$request" $status $bytes_sent "$http_user_agent" "$arg_sid"'
"""The recommended `log_format`. nginx escapes what clients choose in it, so no field can contain the end of another."""

STREAMTOP_FIELDS = (
    ("forwarded", "$http_x_forwarded_for"),
    ("cookie", "$http_cookie"),
    ("cmcd", "$http_cmcd_session"),
    ("host", "$host"),
    ("via", "$http_via"),
)
"""Optional fields after it, in this order, each written as `name="variable"`; after them `time=$request_time`."""

_ALL_NAMES = [f" {name}=" for name, _ in STREAMTOP_FIELDS]

_NONE: Any = ()
"""Cannot be unpacked: the line goes to the pattern."""

_STATUS = {str(status): status for status in range(100, 600)}


class CombinedFormat(TextFormat):
    """`combined`, also with one quoted field after it."""

    def parse(self, line: bytes) -> WebRequest | None:
        """As `LogFormat.parse`."""
        text = line.decode("utf-8", "backslashreplace")
        if "\\" in text:
            return self.parse_text(text)
        try:
            start, request, answer, _, gap, user_agent, *rest = text.split('"')
            _, status, sent, end = answer.split(" ")
            before, _, time = start.rpartition(" [")
            at, granularity_ms = self.times[time[:-2]] or _NONE
            addresses, host = self.peers[before] or _NONE
            code, bytes_out, last = _STATUS[status], int(sent), rest[-1]
        except (ValueError, KeyError, IndexError):
            return self.parse_text(text)
        if gap != " " or end or time[-2:] != "] " or last:
            return self.parse_text(text)
        if len(rest) > 1:
            if len(rest) != 3 or rest[0] != " ":
                return self.parse_text(text)
            if self.has_forwarded[rest[1]]:
                addresses = self.forwarded[rest[1]] + addresses
        method, target, absolute_host = self.requests[request]
        if user_agent == "-":
            user_agent = ""
        return new_request(
            WebRequest,
            (
                *(at, granularity_ms, addresses, method, target, code, bytes_out),
                *(user_agent, "", "", "", absolute_host or host, "", None),
            ),
        )


class StreamtopFormat(TextFormat):
    """The documented format, with none or all of its optional fields."""

    def parse(self, line: bytes) -> WebRequest | None:
        """As `LogFormat.parse`."""
        text = line.decode("utf-8", "backslashreplace")
        if "\\" in text:
            return self.parse_text(text)
        try:
            start, request, answer, user_agent, gap, session, *rest = text.split('"')
            _, status, sent, end = answer.split(" ")
            time, _, peer = start.partition(" ")
            at = int(time[:10] + time[11:])
            addresses, _ = self.peers[peer] or _NONE
            code, bytes_out, last = _STATUS[status], int(sent), rest[-1]
        except (ValueError, KeyError, IndexError):
            return self.parse_text(text)
        if gap != " " or end or len(time) != 14 or time[10] != ".":
            return self.parse_text(text)
        cookie = cmcd = host = via = ""
        duration_ms = None
        if len(rest) > 1:
            if len(rest) != 11 or rest[:10:2] != _ALL_NAMES:
                return self.parse_text(text)
            _, forwarded, _, cookie, _, cmcd, _, host, _, via, _ = rest
            if forwarded and forwarded != "-":
                addresses = self.forwarded[forwarded] + addresses
            cookie, cmcd, host, via = _value(cookie), _value(cmcd), _value(host), _value(via)
            if last:
                if not last.startswith(" time="):
                    return self.parse_text(text)
                duration_ms = parse_duration_ms(last[6:])
        elif last:
            return self.parse_text(text)
        method, target, absolute_host = self.requests[request]
        if user_agent == "-":
            user_agent = ""
        if session == "-":
            session = ""
        return new_request(
            WebRequest,
            (
                *(at, 1, addresses, method, target, code, bytes_out, user_agent, session),
                *(cookie, cmcd, absolute_host or host, via, duration_ms),
            ),
        )


def _value(text: str) -> str:
    return text if text != "-" else ""
