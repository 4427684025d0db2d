"""The statistics page of nginx-rtmp: complete pages are parsed, anything else is a `StatError`."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamusage.agent.sources.nginx_rtmp.statistics import StatError, StatPage, parse_stat
from tests.support.agent.media_servers import read_fixture

PAGE = read_fixture("nginx_stat_2pub_4sub.xml")


def make_page(live: str, name: str = "live", pid: str = "7") -> bytes:
    return (
        f"<rtmp><pid>{pid}</pid><uptime>5</uptime><bytes_in>1</bytes_in><bytes_out>2</bytes_out>"
        f"<server><application><name>{name}</name>{live}</application></server></rtmp>"
    ).encode()


def make_client(number: int, inside: str = "") -> str:
    return f"<client><id>{number}</id><address>127.0.0.1</address><time>10</time>{inside}</client>"


def test_recorded_page_has_publishes_and_viewers() -> None:
    stat_page = parse_stat(PAGE)
    assert (stat_page.pid, stat_page.uptime_s, stat_page.bytes_in, stat_page.bytes_out) == (10427, 32, 180523, 188422)
    assert {(publish.publish_id, publish.scope, publish.name, publish.age_ms) for publish in stat_page.publishes} == {
        ("6", "live", "s1", 7747),
        ("7", "live", "s2", 7744),
    }
    assert {(viewer.viewer_id, viewer.name, viewer.age_ms) for viewer in stat_page.viewers} == {
        ("22", "s1", 4910),
        ("21", "s1", 4912),
        ("20", "s1", 4917),
        ("17", "s2", 5004),
    }


def test_recorded_page_has_the_counters_of_the_streams() -> None:
    counters = {(one.scope, one.name): (one.bytes_in, one.bytes_out) for one in parse_stat(PAGE).stream_counters}
    assert counters == {("live", "s1"): (87264, 134985), ("live", "s2"): (87264, 44995)}


@pytest.mark.parametrize("figure", ["", "<bytes_in>-1</bytes_in>", f"<bytes_in>{2**60}</bytes_in>"])
def test_counter_of_a_stream_that_is_no_count_is_unknown(figure: str) -> None:
    page = make_page(f"<live><stream><name>s1</name>{figure}{make_client(1)}</stream></live>")
    assert [counter.bytes_in for counter in parse_stat(page).stream_counters] == [None]


def test_page_of_an_idle_server_is_empty() -> None:
    stat_page = parse_stat(read_fixture("nginx_stat_empty.xml"))
    assert (stat_page.publishes, stat_page.viewers) == ((), ())


def test_markup_in_a_name_is_kept_as_text() -> None:
    name = "<name>[red]x &lt;b&gt; a/b ../..</name>"
    stat_page = parse_stat(make_page(f"<live><stream>{name}{make_client(1)}<nclients>1</nclients></stream></live>"))
    assert stat_page.viewers[0].name == "[red]x <b> a/b ../.."


def test_empty_name_is_replaced() -> None:
    stat_page = parse_stat(
        make_page(f"<live><stream><name></name>{make_client(1, '<publishing/>')}</stream></live>", name="")
    )
    assert (stat_page.publishes[0].scope, stat_page.publishes[0].name) == ("(no name)", "(no name)")


def test_played_file_has_viewers() -> None:
    stat_page = parse_stat(make_page(f"<play><stream><name>film.mp4</name>{make_client(9)}</stream></play>"))
    assert [viewer.name for viewer in stat_page.viewers] == ["film.mp4"]


def test_push_to_another_server_is_no_viewer_but_a_viewer_with_its_name_is() -> None:
    relay = "<flashver>ngx-local-relay</flashver>"
    pushed = make_client(1, relay).replace("127.0.0.1", "10.0.0.2:1935/live")
    stat_page = parse_stat(make_page(f"<live><stream><name>s</name>{pushed}{make_client(2, relay)}</stream></live>"))
    assert [viewer.viewer_id for viewer in stat_page.viewers] == ["2"]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "not XML"),
        (b"<html><body>login</body></html>", "not the statistics"),
        (b"<!DOCTYPE html><html></html>", "document type"),
        (b'<?xml version="1.0"?><!DOCTYPE r [<!ENTITY a "aa"><!ENTITY b "&a;&a;">]><rtmp>&b;</rtmp>', "document type"),
        (b"{}", "not XML"),
        (PAGE[:-20], "not XML"),
        (b"<rtmp></rtmp>", "<pid>"),
        (make_page("<live></live>", pid="-1"), "<pid>"),
        (make_page("<live></live>", pid="1_0"), "<pid>"),
        (make_page("<live></live>", pid="9" * 5000), "<pid>"),
        (make_page("<live></live>", pid="٣"), "<pid>"),
        (make_page("<live><stream><name>s</name><nclients>3</nclients></stream></live>"), "rtmp_stat all"),
        (make_page(""), "rtmp_stat all"),
        (make_page("<live><stream><name>s</name><client></client></stream></live>"), "<id>"),
        (PAGE.decode().replace("utf-8", "utf-16").encode("utf-16"), "not XML in UTF-8"),
    ],
)
def test_invalid_page_is_refused_with_the_cause(body: bytes, message: str) -> None:
    with pytest.raises(StatError, match=message):
        parse_stat(body)


@given(st.binary(max_size=300))
def test_any_bytes_are_refused_or_parsed(body: bytes) -> None:
    parse_or_refuse(body)


@given(st.integers(0, len(PAGE) - 1), st.integers(0, 400), st.binary(max_size=40))
def test_damaged_page_is_refused_or_parsed(at: int, length: int, replacement: bytes) -> None:
    parse_or_refuse(PAGE[:at] + replacement + PAGE[at + length :])


def parse_or_refuse(body: bytes) -> None:
    try:
        stat_page = parse_stat(body)
    except StatError:
        return
    assert isinstance(stat_page, StatPage)
    assert all(publish.scope and publish.name for publish in stat_page.publishes)
    assert all(viewer.scope and viewer.name for viewer in stat_page.viewers)


def make_stream(name: str, *clients: str, bytes_in: int = 100) -> str:
    return f"<stream><name>{name}</name><bytes_in>{bytes_in}</bytes_in>{''.join(clients)}</stream>"


def test_publish_without_media_is_none_yet() -> None:
    idle = make_client(1, "<publishing/>")
    active = make_client(1, "<publishing/><active/>")
    for clients, bytes_in, publishes in ((idle, 0, 0), (active, 0, 1), (idle, 9, 1)):
        page = make_page(f"<live>{make_stream('s', clients, make_client(2), bytes_in=bytes_in)}</live>")
        stat_page = parse_stat(page)
        assert (len(stat_page.publishes), len(stat_page.viewers)) == (publishes, 1)


def test_streams_of_one_name_are_told_apart_by_their_publishers() -> None:
    """Recorded: names with the bytes FE and FF have a space for it on the page, in the order of their last publish."""
    streams = [
        make_stream("a b", make_client(7, "<publishing/><active/>"), make_client(20)),
        make_stream("a b", make_client(6, "<publishing/><active/>"), make_client(21)),
        make_stream("a b", make_client(22)),
        make_stream("other", make_client(8, "<publishing/><active/>")),
    ]
    stat_page = parse_stat(make_page(f"<live>{''.join(streams)}</live>"))
    assert {publish.publish_id: publish.name for publish in stat_page.publishes} == {
        "6": "a b",
        "7": "a b [7]",
        "8": "other",
    }
    assert {viewer.viewer_id: (viewer.name, viewer.publish_id) for viewer in stat_page.viewers} == {
        "20": ("a b [7]", "7"),
        "21": ("a b", "6"),
        "22": ("a b", ""),
    }
