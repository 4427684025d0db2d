"""The statistics page of nginx-rtmp: real pages are read right, everything else is refused and nothing worse."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import tests.support.agent
from streamusage.agent.sources.nginx_rtmp.statistics import StatError, StatPage, parse_stat

FIXTURES = Path(tests.support.agent.__file__).parent / "fixtures"
PAGE = (FIXTURES / "nginx_stat_2pub_4sub.xml").read_bytes()


def page(live: str, name: str = "live", pid: str = "7") -> bytes:
    return (
        f"<rtmp><pid>{pid}</pid><uptime>5</uptime><bytes_in>1</bytes_in><bytes_out>2</bytes_out>"
        f"<server><application><name>{name}</name>{live}</application></server></rtmp>"
    ).encode()


def client(number: int, inside: str = "") -> str:
    return f"<client><id>{number}</id><address>127.0.0.1</address><time>10</time>{inside}</client>"


def test_a_real_page_names_its_publishers_and_viewers() -> None:
    read = parse_stat(PAGE)
    assert (read.pid, read.uptime_s, read.bytes_in, read.bytes_out) == (10427, 32, 180523, 188422)
    assert {(publish.publish_id, publish.scope, publish.name, publish.age_ms) for publish in read.publishes} == {
        ("6", "live", "s1", 7747),
        ("7", "live", "s2", 7744),
    }
    assert {(viewer.viewer_id, viewer.name, viewer.age_ms) for viewer in read.viewers} == {
        ("22", "s1", 4910),
        ("21", "s1", 4912),
        ("20", "s1", 4917),
        ("17", "s2", 5004),
    }


def test_an_empty_server_has_nobody() -> None:
    read = parse_stat((FIXTURES / "nginx_stat_empty.xml").read_bytes())
    assert read.publishes == read.viewers == ()


def test_names_are_data() -> None:
    read = parse_stat(
        page(f"<live><stream><name>[red]x &lt;b&gt; a/b ../..</name>{client(1)}<nclients>1</nclients></stream></live>")
    )
    assert read.viewers[0].name == "[red]x <b> a/b ../.."


def test_an_empty_name_gets_a_stand_in() -> None:
    read = parse_stat(page(f"<live><stream><name></name>{client(1, '<publishing/>')}</stream></live>", name=""))
    assert (read.publishes[0].scope, read.publishes[0].name) == ("(no name)", "(no name)")


def test_files_that_are_played_have_viewers_too() -> None:
    read = parse_stat(page(f"<play><stream><name>film.mp4</name>{client(9)}</stream></play>"))
    assert [viewer.name for viewer in read.viewers] == ["film.mp4"]


def test_a_push_to_another_server_is_no_viewer_but_a_viewer_that_says_so_is() -> None:
    relay = "<flashver>ngx-local-relay</flashver>"
    pushed = client(1, relay).replace("127.0.0.1", "10.0.0.2:1935/live")
    read = parse_stat(page(f"<live><stream><name>s</name>{pushed}{client(2, relay)}</stream></live>"))
    assert [viewer.viewer_id for viewer in read.viewers] == ["2"]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", "not XML"),
        (b"<html><body>login</body></html>", "not the statistics"),
        (b"<!DOCTYPE html><html></html>", "document type"),
        (b'<?xml version="1.0"?><!DOCTYPE r [<!ENTITY a "aa"><!ENTITY b "&a;&a;">]><rtmp>&b;</rtmp>', "document type"),
        (b"{}", "not XML"),
        (PAGE[:-20], "not XML"),
        (b"<rtmp></rtmp>", "<pid>"),
        (page("<live></live>", pid="-1"), "<pid>"),
        (page("<live></live>", pid="1_0"), "<pid>"),
        (page("<live></live>", pid="9" * 5000), "<pid>"),
        (page("<live></live>", pid="٣"), "<pid>"),
        (page("<live><stream><name>s</name><nclients>3</nclients></stream></live>"), "rtmp_stat all"),
        (page(""), "rtmp_stat all"),
        (page("<live><stream><name>s</name><client></client></stream></live>"), "<id>"),
        (PAGE.decode().replace("utf-8", "utf-16").encode("utf-16"), "not XML in UTF-8"),
    ],
)
def test_what_is_not_the_page_is_refused_with_a_reason(body: bytes, said: str) -> None:
    with pytest.raises(StatError, match=said):
        parse_stat(body)


@given(st.binary(max_size=300))
def test_bytes_are_refused_or_read(body: bytes) -> None:
    read_or_refuse(body)


@given(st.integers(0, len(PAGE) - 1), st.integers(0, 400), st.binary(max_size=40))
def test_a_damaged_page_is_refused_or_read(at: int, length: int, instead: bytes) -> None:
    read_or_refuse(PAGE[:at] + instead + PAGE[at + length :])


def read_or_refuse(body: bytes) -> None:
    try:
        read = parse_stat(body)
    except StatError:
        return
    assert isinstance(read, StatPage)
    assert all(publish.scope and publish.name for publish in read.publishes)
    assert all(viewer.scope and viewer.name for viewer in read.viewers)
