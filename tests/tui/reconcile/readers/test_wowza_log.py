"""Wowza's access log: only the last line of a stream and of a connection counts."""

from tui.reconcile.entries import Basis, Entry
from tui.reconcile.readers.detect import ReaderSettings, find_reader
from tui.reconcile.readers.wowza_log import DEFAULT_FIELDS, WowzaLogReader

HEADER = [b"#Version: 1.0", b"#Fields: " + "\t".join(DEFAULT_FIELDS).encode()]
AT = 1_795_305_600_000
"""2026-11-22T00:00Z."""


def line(event: str, category: str, **fields: str) -> bytes:
    known = {
        "date": "2026-11-22", "time": "00:00:00", "tz": "UTC", "x-event": event, "x-category": category,
        "x-severity": "INFO", "x-status": "200", "x-vhost": "_defaultVHost_", "x-app": "live",
        "x-appinst": "_definst_", "x-duration": "12.5", "c-ip": "203.0.113.9", "c-proto": "rtmp",
        "cs-bytes": "3400", "sc-bytes": "91000", "x-stream-id": "1", "cs-stream-bytes": "0",
        "sc-stream-bytes": "90000", "x-sname": "news",
    }  # fmt: skip
    known |= {name.replace("_", "-"): value for name, value in fields.items()}
    return "\t".join(known.get(name, "-") for name in DEFAULT_FIELDS).encode()


LOG = [
    *HEADER,
    line("connect", "session", x_sname="-"),
    line("play", "stream"),
    line("stop", "stream"),
    line("destroy", "stream"),
    line("disconnect", "session", x_sname="-"),
]


def read(lines: list[bytes]) -> list[Entry]:
    reader = find_reader(lines, ReaderSettings())
    assert isinstance(reader, WowzaLogReader)
    assert reader.basis is Basis.PAYLOAD
    entries = []
    for text in lines:
        entry = reader.read(text)
        assert (entry is None) is reader.is_comment(text)
        entries += [entry] if entry is not None else []
    return entries


def test_play_counts_once_with_its_media_and_its_connection() -> None:
    play, connection = read(LOG)
    assert play == Entry(
        AT, "connection", "live/news", bytes_out=90_000, bytes_in=0, view_time_ms=12_500, connections=1,
        duration_ms=12_500,
    )  # fmt: skip
    assert (connection.kind, connection.bytes_out, connection.bytes_in) == ("whole connection", 91_000, 3400)


def test_publish_has_bytes_in_and_no_view_time() -> None:
    (publish,) = read([*HEADER, line("destroy", "stream", cs_stream_bytes="7000", sc_stream_bytes="0", x_appinst="tv")])
    assert (publish.stream, publish.bytes_in, publish.view_time_ms, publish.connections) == ("live/tv/news", 7000, 0, 0)


def test_log_without_events_that_count_is_found_by_its_header() -> None:
    assert read(LOG[:4]) == []


def test_cut_line_and_numbers_that_are_none_cannot_be_read() -> None:
    reader = WowzaLogReader()
    for text in (LOG[5][:-30].rpartition(b"\t")[0], line("destroy", "stream", sc_stream_bytes="many")):
        assert reader.read(text) is None
        assert not reader.is_comment(text)


def test_fields_of_the_header_replace_the_default() -> None:
    fields = [b"#Fields: x-event\tx-category\tdate\ttime\ttz\tx-app\tx-sname\tsc-stream-bytes"]
    reader = WowzaLogReader()
    assert reader.read(fields[0]) is None
    entry = reader.read(b"destroy\tstream\t2026-11-22\t00:00:00\tUTC\tlive\tnews\t55")
    assert entry is not None
    assert (entry.at, entry.stream, entry.bytes_out) == (AT, "live/news", 55)
    reader.read(b"#Fields: date\ttime")
    assert reader.missing == ["sc-stream-bytes", "x-app", "x-category", "x-event", "x-sname"]
