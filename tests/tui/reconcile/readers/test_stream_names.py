"""Streams of accounts have the names by which the service lists them."""

import pytest

from streamusage.access_logs import icecast
from tui.reconcile.entries import Entry, Grouping, name_stream
from tui.reconcile.readers.connection_logs import IcecastLogReader, RtmpLogReader

ICECAST = '203.0.113.9 - - [16/Nov/2026:10:00:00 +0000] "GET {} HTTP/1.1" 200 5000 "-" "player" 30'
RTMP = '203.0.113.9 [16/Nov/2026:10:00:00 +0000] PLAY "{}" "{}" "" - 300 5000 "" "player" (30s)'


def test_slash_and_percent_sign_of_a_name_are_encoded() -> None:
    assert name_stream("live/eu", "a/b 100%") == "live/eu/a%2Fb 100%25"
    assert name_stream("live", "") == ""
    entry = RtmpLogReader().read(RTMP.format("live", "a/b").encode())
    assert entry is not None
    assert entry.stream == "live/a%2Fb"


@pytest.mark.parametrize(
    ("path", "stream"), [("/radio.mp3", "icecast/radio.mp3"), ("/eu/rock/hd.ogg", "eu/rock/hd.ogg")]
)
def test_mounts_of_icecast_are_named_as_by_its_agent(path: str, stream: str) -> None:
    entry = IcecastLogReader().read(ICECAST.format(path).encode())
    assert entry is not None
    assert (entry.stream, entry.group_of(Grouping.SCOPE)) == (stream, stream.rpartition("/")[0])
    assert icecast.ROOT_SCOPE == "icecast"


def test_scope_is_that_of_the_stream_unless_a_column_names_it() -> None:
    entry = Entry(0, "total", stream="live/eu/a%2Fb")
    assert entry.group_of(Grouping.SCOPE) == "live/eu"
    assert entry._replace(scope="acme").group_of(Grouping.SCOPE) == "acme"
    assert [Entry(0, "request").group_of(by) for by in Grouping] == [
        "", "", "not by stream", "not by stream", "no customer",
    ]  # fmt: skip
