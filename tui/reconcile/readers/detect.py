"""Which reader reads the lines of a file: by name, by a description of its lines, or by its first lines. Pure."""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from streamusage.access_logs.media_paths.layouts import LAYOUTS, classify
from streamusage.access_logs.media_paths.path_pattern import PathPattern
from streamusage.access_logs.web.errors import LogFormatError
from streamusage.access_logs.web.format import FORMAT_NAMES as WEB_NAMES
from streamusage.access_logs.web.format import detect as detect_web
from streamusage.access_logs.web.format import find_format
from streamusage.core.text import quote_input
from tui.reconcile.entries import LineReader, Measure, name_stream
from tui.reconcile.errors import AccountError
from tui.reconcile.readers.columns import NamedColumnReader
from tui.reconcile.readers.connection_logs import IcecastLogReader, RtmpLogReader
from tui.reconcile.readers.web_log import StreamRule, WebLogReader
from tui.reconcile.readers.wowza_log import WowzaLogReader

SAMPLE_LINES = 200
"""How many lines decide about the form of a file."""

AUTOMATIC = "auto"
FORMAT_NAMES = (AUTOMATIC, *WEB_NAMES, "nginx-rtmp", "icecast", "wowza", "csv", "json-lines")


class ReaderSettings(NamedTuple):
    """How the operator describes an account."""

    measure: Measure = Measure.BYTES_OUT
    log_format: str = AUTOMATIC
    """A name of `FORMAT_NAMES`, a `log_format` of nginx, or a line that begins with `#Fields:`."""
    columns: Mapping[str, str] = {}
    """Columns of fields, as `NamedColumnReader` has them."""
    unit: str | None = None
    layout: str = "auto"
    """Which layout of files the paths have: a name of `LAYOUTS`."""
    pattern: str | None = None
    """An own pattern for paths, in place of a layout."""
    finds_streams: bool = True
    """Whether streams of paths are found, which takes half of the time of a log."""


def stream_rule(settings: ReaderSettings) -> StreamRule:
    """Return the rule that finds the stream of a path: `scope/name`. Raises `AccountError`."""
    if settings.layout not in LAYOUTS:
        raise AccountError(f"{quote_input(settings.layout)} is no layout; expected one of {', '.join(LAYOUTS)}")
    try:
        pattern = None if settings.pattern is None else PathPattern(settings.pattern)
    except ValueError as error:
        raise AccountError(f"--pattern cannot be used: {error}") from None

    if not settings.finds_streams:
        return lambda _: ""

    def find(target: str) -> str:
        file = classify(target, settings.layout) if pattern is None else pattern.classify(target)
        return "" if file is None else name_stream(file.scope, file.name)

    return find


def find_reader(sample: Sequence[bytes], settings: ReaderSettings) -> LineReader:
    """Return a new reader for a file that begins with these lines. Raises `AccountError`."""
    name = settings.log_format.strip()
    if name.lower() == AUTOMATIC:
        return _detect(sample, settings)
    return _named(name, settings)


def has_own_zone(line: bytes) -> bool:
    """Return whether the times of a line are instants: seconds since 1970, or with an offset or UTC behind them."""
    return _CLOCK_TIME.search(line) is None or _WITH_ZONE.search(line) is not None


_CLOCK_TIME = re.compile(rb"\d\d:\d\d:\d\d")
_WITH_ZONE = re.compile(rb"\d\d:\d\d:\d\d(?:[.,]\d{1,9})?\s?(?:Z|UTC|GMT|[+-]\d\d:?\d\d)")

UTC_BY_DEFINITION = frozenset(("cloudfront", "w3c"))
"""Forms whose times have no zone and are UTC, by their specification."""


def _named(name: str, settings: ReaderSettings) -> LineReader:
    others: dict[str, Callable[[], LineReader]] = {
        "nginx-rtmp": RtmpLogReader,
        "icecast": IcecastLogReader,
        "wowza": WowzaLogReader,
        "csv": lambda: _columns(settings, is_json=False),
        "json-lines": lambda: _columns(settings, is_json=True),
    }
    if name.lower() in others:
        return others[name.lower()]()
    try:
        return WebLogReader(find_format(name), stream_rule(settings), name)
    except LogFormatError as error:
        if "$" not in name and not name.startswith("#"):
            raise AccountError(
                f"unknown log format {quote_input(name)}; expected one of {', '.join(FORMAT_NAMES)}, a log_format of "
                "nginx, or a list of fields that begins with #Fields:"
            ) from None
        raise AccountError(str(error)) from None


def _columns(settings: ReaderSettings, *, is_json: bool) -> NamedColumnReader:
    return NamedColumnReader(settings.measure, settings.columns, settings.unit, stream_rule(settings), is_json=is_json)


def _detect(sample: Sequence[bytes], settings: ReaderSettings) -> LineReader:
    if settings.columns:
        return _columns(settings, is_json=_is_json(sample))
    candidates: list[Callable[[], LineReader | None]] = [
        RtmpLogReader,
        IcecastLogReader,
        WowzaLogReader,
        lambda: _detect_web(sample, settings),
    ]
    best, best_count = None, 0
    for create in candidates:
        candidate = create()
        count = 0 if candidate is None else sum(candidate.read(line) is not None for line in sample)
        if count > best_count:
            best, best_count = create, count
    if best is not None and (found := best()) is not None:
        return found
    if _is_wowza(sample):
        return WowzaLogReader()
    return _columns_or_unknown(sample, settings)


def _detect_web(sample: Sequence[bytes], settings: ReaderSettings) -> WebLogReader | None:
    is_cloudfront = any(line.startswith(b"#Fields:") and b"x-edge-location" in line for line in sample)
    found = find_format("cloudfront") if is_cloudfront else detect_web(sample)
    return None if found is None else WebLogReader(found, stream_rule(settings))


def _is_wowza(sample: Sequence[bytes]) -> bool:
    """Return whether a log has the header of Wowza, also if no connection has ended in its first lines."""
    return any(line.startswith(b"#Fields:") and b"x-appinst" in line for line in sample)


def _is_json(sample: Sequence[bytes]) -> bool:
    return next((line for line in sample if line.strip()), b"").lstrip()[:1] == b"{"


def _columns_or_unknown(sample: Sequence[bytes], settings: ReaderSettings) -> LineReader:
    reader = _columns(settings, is_json=_is_json(sample))
    rows = [line for line in sample if line.strip()]
    has_columns = rows and (_is_json(sample) or any(mark in rows[0] for mark in (b",", b";", b"\t")))
    if has_columns and not any(mark in rows[0] for mark in (b"[", b"HTTP/")):
        has_rows = [reader.read(line) for line in rows] != [None] * len(rows) or not _is_json(sample)
        if has_rows:
            return _columns(settings, is_json=_is_json(sample))
    raise AccountError(
        "the form of its lines is unknown; give --log-format with one of "
        f"{', '.join(FORMAT_NAMES[1:])}, or with the log_format of nginx"
    )
