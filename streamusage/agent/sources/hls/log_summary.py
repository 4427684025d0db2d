"""How a log is understood: its form, its streams and viewers, and what was ignored and why. Pure but for the file.

The figures are those that an agent would count which read the whole log.
"""

import re
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from streamusage.access_logs.log_file import read_log_file
from streamusage.access_logs.web.request import WebRequest
from streamusage.agent.reading import EndedConnection
from streamusage.agent.sources.common.logs.line_form import LineForms
from streamusage.agent.sources.common.networks import parse_address
from streamusage.agent.sources.hls.log_lines import RequestParser
from streamusage.agent.sources.hls.requests import HlsRequest, find_cdn
from streamusage.agent.sources.hls.viewers import HlsViewers
from streamusage.core.text import escape_unprintable

_BATCH_LINES = 10_000
_LONGEST_EXAMPLE = 100
_MOST_STREAMS = 50

UNREADABLE = "unreadable"
NO_STREAM = "no file of a stream"

REASONS = {
    "playlist": "playlists: they are watching only together with segments",
    "init": "initialization segments",
    "other file": "subtitles and keys",
    "no GET": "HEAD and other methods: monitors, and players that look whether a file exists",
    "refused": "not answered with 200, 206 or 304",
    "ignored": "clients in `ignore`",
    "CDN": "caches of a content delivery network: read the network's own log for its viewers",
    NO_STREAM: "files of no stream: not counted",
    UNREADABLE: "lines that cannot be read: their minutes become partial",
}
"""What each reason for not counting a viewer means."""


class StreamFigures(NamedTuple):
    """What a log contains about one stream."""

    connections: int = 0
    watched_ms: int = 0
    bytes_out: int = 0


class LogSummary:
    """Counts of one log, to which batches of lines are added in their order."""

    def __init__(self, parser: RequestParser, idle_after_ms: int) -> None:
        self._parser = parser
        self._viewers = HlsViewers(idle_after_ms)
        self.forms = LineForms()
        self.streams: dict[tuple[str, str], StreamFigures] = {}
        self.reasons: Counter[str] = Counter()
        self.examples: dict[str, str] = {}
        self.times: tuple[int, int] | None = None
        self.granularity_ms = 1
        self.clients: set[str] = set()
        self.sessions = 0
        self.watching = 0
        self.private_peers = 0
        self.cdns: Counter[str] = Counter()

    def add(self, lines: list[bytes]) -> None:
        """Add the next lines."""
        requests = self._parser.parse_lines(lines, self.forms, self._observe)
        for entry in self._viewers.fold(requests):
            self._add_entry(entry)

    def _add_entry(self, entry: EndedConnection) -> None:
        before = self.streams.get((entry.scope, entry.name), StreamFigures())
        self.streams[entry.scope, entry.name] = StreamFigures(
            before.connections + (entry.kind == "join"),
            before.watched_ms + entry.watched_ms,
            before.bytes_out + entry.bytes_out,
        )

    def _observe(self, line: bytes, request: WebRequest | None, viewer: HlsRequest | None) -> None:
        if request is None:
            self._add_reason(UNREADABLE, line.decode("utf-8", "replace"))
            return
        first, last = self.times or (request.at, request.at)
        self.times = min(first, request.at), max(last, request.at)
        self.granularity_ms = max(self.granularity_ms, request.granularity_ms)
        if viewer is None:
            self._add_reason(NO_STREAM, f"{request.method} {request.target}")
            return
        if viewer.standing == "watching":
            self.watching += 1
            self.sessions += viewer.has_session
            self.private_peers += len(request.addresses) > 1 and not viewer.has_session and _is_private(viewer.viewer)
            return
        example = f"{request.method} {request.target} {request.status}"
        if viewer.standing == "CDN":
            self.cdns[find_cdn(request)] += 1
        if viewer.standing in ("ignored", "CDN"):
            example = f"{example} from {', '.join(request.addresses)} {request.user_agent}"
        self._add_reason(viewer.standing, example)

    def _add_reason(self, reason: str, example: str) -> None:
        self.reasons[reason] += 1
        if reason not in self.examples:
            # A query may contain secrets.
            self.examples[reason] = re.sub(r"\?\S*", "?…", example)[:_LONGEST_EXAMPLE]

    @property
    def is_readable(self) -> bool:
        """Whether a line could be read."""
        return self.forms.readable > 0

    @property
    def format_name(self) -> str:
        """The name of the log's form; empty if it is unknown."""
        return "" if self._parser.format is None else self._parser.format.name


def _is_private(identity: str) -> bool:
    address = parse_address(identity.partition(" ")[0])
    return address is not None and address.is_private


def read_log(path: Path, parser: RequestParser, idle_after_ms: int) -> LogSummary:
    """Return the summary of a log file, which may be compressed. Raises `LogFileError`."""
    summary = LogSummary(parser, idle_after_ms)
    lines = read_log_file(path)
    while batch := list(islice(lines, _BATCH_LINES)):
        summary.add(batch)
    return summary


def format_summary(path: Path, summary: LogSummary, layout: str) -> list[str]:
    """Return the lines that `agent check --log` prints."""
    forms = summary.forms
    total = forms.readable + forms.unreadable
    times = "" if summary.times is None else ", " + " to ".join(map(_format_time, summary.times))
    lines = [f"{escape_unprintable(str(path))}: {total} lines{times}"]
    unit = ", times in whole seconds" if summary.granularity_ms >= 1000 else ""
    lines.append(f"  format   {summary.format_name + unit if summary.is_readable else 'unknown: no line can be read'}")
    lines.append(f"  layout   {layout}")
    lines += _format_streams(summary)
    lines += _format_reasons(summary)
    lines += [f"  NOTE     {note}" for note in _notes(summary)]
    return lines


def _format_time(at: int) -> str:
    try:
        return f"{datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=at):%Y-%m-%d %H:%M:%S} UTC"
    except OverflowError:
        return f"{at} ms"


def _format_streams(summary: LogSummary) -> list[str]:
    watched = sorted(summary.streams.items(), key=lambda item: (-item[1].connections, item[0]))
    lines = [f"  streams  {len(watched)}"]
    for (scope, name), figures in watched[:_MOST_STREAMS]:
        lines.append(
            f"    {escape_unprintable(scope)}/{escape_unprintable(name)}: connections {figures.connections}, "
            f"view time {figures.watched_ms / 1000:.1f} s, bytes out {figures.bytes_out}"
        )
    if len(watched) > _MOST_STREAMS:
        lines.append(f"    and {len(watched) - _MOST_STREAMS} more")
    return lines


def _format_reasons(summary: LogSummary) -> list[str]:
    lines = ["  counted as watching", f"    {summary.watching} requests of segments and parts"]
    if summary.reasons:
        lines.append("  not counted as watching")
    for reason, count in summary.reasons.most_common():
        lines.append(f"    {count} {REASONS[reason]}")
        lines.append(f"      example: {escape_unprintable(summary.examples[reason])}")
    return lines


def _notes(summary: LogSummary) -> Iterator[str]:
    if summary.watching > summary.sessions:
        yield (
            f"viewers are inferred, lower bound: {summary.watching - summary.sessions} of {summary.watching} requests "
            "have no session id, so viewers with the same address and player may count as one"
        )
    if summary.private_peers:
        yield (
            f"{summary.private_peers} requests have several addresses of which the last is private: "
            "if it is your own proxy, add it to trusted_proxy"
        )
    for cdn, count in summary.cdns.most_common(5):
        yield f"{count} requests came from {escape_unprintable(cdn)}: traffic of its cache, not viewers"
    if summary.is_readable and not summary.watching:
        yield "nobody watches in this log: no segment was delivered; is it the log of the server of the segments?"
