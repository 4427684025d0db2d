"""The two most frequent formats, with a quick way for lines of known parts. All others go to the pattern. Pure.

The third quotation mark of a line ends the answer, unless the request has an escaped one: then what seems to be the
answer is none.
"""

from streamusage.access_logs.web.request import WebRequest, new_request
from streamusage.access_logs.web.text_format import Peer, TextFormat
from streamusage.access_logs.web.values import Remembered

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

_STATUS = {str(status): status for status in range(100, 600)}


def _parse_answer(text: str) -> tuple[int, int] | None:
    """Return status and bytes of what is between two quoted fields: viewers of a segment have the same."""
    words = text.split(" ")
    if len(words) != 4 or words[0] or words[3] or words[1] not in _STATUS:
        return None
    if not (words[2].isdecimal() and words[2].isascii() and len(words[2]) <= 15):
        return None
    return _STATUS[words[1]], int(words[2])


_answers: Remembered[tuple[int, int] | None] = Remembered(_parse_answer, 10_000, 40)


class QuickFormat(TextFormat):
    """A format whose request and answer are followed by what a client sends with each of its requests.

    This tail of a line is parsed once, by the pattern, as that of a line of its own.
    """

    def __init__(self, name: str, pattern: str, parse_peer: Peer, start: str) -> None:
        """`start` is a line up to its tail, without addresses."""
        super().__init__(name, pattern, parse_peer)
        self.tails = Remembered(lambda tail: self.parse_text(start + tail))


class CombinedFormat(QuickFormat):
    """`combined` of nginx and Apache."""

    def parse(self, line: bytes) -> WebRequest | None:
        """As `LogFormat.parse`."""
        text = line.decode("utf-8", "backslashreplace")
        try:
            start, request, answer, tail = text.split('"', 3)
        except ValueError:
            return self.parse_text(text)
        before, _, time = start.rpartition(" [")
        log_time, peer, numbers, fields = self.times[time[:-2]], self.peers[before], _answers[answer], self.tails[tail]
        if log_time is None or peer is None or numbers is None or fields is None:
            return self.parse_text(text)
        if time[-2:] != "] " or request[-1:] == "\\" or "\\" in start:
            return self.parse_text(text)
        method, target, absolute_host = self.requests[request]
        _, _, forwarded, _, _, _, _, user_agent, session, cookie, cmcd, host, via, duration_ms = fields
        # fmt: off
        return new_request(
            WebRequest,
            (log_time[0], log_time[1], forwarded + peer[0] if forwarded else peer[0], method, target, numbers[0],
             numbers[1], user_agent, session, cookie, cmcd, absolute_host or host or peer[1], via, duration_ms),
        )
        # fmt: on


class StreamtopFormat(QuickFormat):
    """The documented format."""

    def parse(self, line: bytes) -> WebRequest | None:
        """As `LogFormat.parse`."""
        text = line.decode("utf-8", "backslashreplace")
        try:
            start, request, answer, tail = text.split('"', 3)
        except ValueError:
            return self.parse_text(text)
        peer, numbers, fields = self.peers[start[15:-1]], _answers[answer], self.tails[tail]
        if peer is None or numbers is None or fields is None or len(start) < 16 or request[-1:] == "\\":
            return self.parse_text(text)
        time_digits = start[:10] + start[11:14]
        if not (time_digits.isdecimal() and time_digits.isascii()):
            return self.parse_text(text)
        if start[10] != "." or start[14] != " " or start[-1] != " " or "\\" in start:
            return self.parse_text(text)
        method, target, absolute_host = self.requests[request]
        _, _, forwarded, _, _, _, _, user_agent, session, cookie, cmcd, host, via, duration_ms = fields
        # fmt: off
        return new_request(
            WebRequest,
            (int(time_digits), 1, forwarded + peer[0] if forwarded else peer[0], method, target, numbers[0],
             numbers[1], user_agent, session, cookie, cmcd, absolute_host or host, via, duration_ms),
        )
        # fmt: on
