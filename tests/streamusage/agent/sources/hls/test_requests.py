"""Requests of an access log: who watches, and what is traffic only."""

import pytest

from streamusage.access_logs.web.request import WebRequest
from streamusage.agent.sources.common.ignored import IgnoreRules
from streamusage.agent.sources.hls.config import make_rules
from streamusage.agent.sources.hls.requests import HlsRequest

SEGMENT = WebRequest(
    at=1_795_000_000_000,
    granularity_ms=0,
    addresses=("198.51.100.7",),
    method="GET",
    target="/hls/s1-1.ts",
    status=200,
    bytes_out=1000,
    user_agent="Player/1",
    session="",
    cookie="",
    cmcd="",
    host="",
    via="",
    duration_ms=None,
)


def apply(
    request: WebRequest,
    layout: str = "auto",
    trusted_proxy: tuple[str, ...] = (),
    ignore: tuple[str, ...] = (),
) -> HlsRequest:
    applied = make_rules(layout, None, list(trusted_proxy), IgnoreRules(ignore)).apply(request)
    assert applied is not None
    return applied


def test_request_of_a_segment_is_watching() -> None:
    request = apply(SEGMENT)
    assert (request.file.stream, request.file.sequence, request.standing) == (("hls", "s1"), 1, "watching")
    assert not request.has_session


@pytest.mark.parametrize(
    "change",
    [
        {"session": "a"},
        {"target": "/hls/s1-1.ts?sid=a"},
        {"target": "/hls/s1-1.ts?token=1&session=a"},
        {"target": "/live/s1-1.ts?hls_ctx=a"},
        {"target": "/hls/s1-1.ts?CMCD=bl%3D2100%2Csid%3D%22a%22%2Cot%3Dv"},
        {"target": "/hls/s1-1.ts?CMCD=sid%3D%22a%22"},
        {"cmcd": 'cid="x",sid="a",v=1'},
        {"cmcd": 'sid="a"'},
        {"cookie": "theme=dark; sessionid=a; x=1"},
        {"cookie": "JSESSIONID=a"},
        {"cookie": "a"},
    ],
)
def test_session_id_identifies_a_viewer_wherever_it_is(change: dict[str, str]) -> None:
    first = apply(SEGMENT._replace(**change))
    elsewhere = apply(SEGMENT._replace(**change, addresses=("203.0.113.9",), user_agent="Other"))
    assert first.has_session
    assert first.viewer == elsewhere.viewer
    other = {key: value[::-1].replace("a", "b", 1)[::-1] for key, value in change.items()}
    if "CMCD" not in change.get("target", "") and "cmcd" not in change:
        assert apply(SEGMENT._replace(**other)).viewer != first.viewer


@pytest.mark.parametrize(
    "change",
    [
        {"target": "/hls/s1-1.ts?token=a"},
        {"target": "/hls/s1-1.ts?expires=1&signature=a"},
        {"target": "/hls/s1-1.ts?sid="},
        {"target": "/hls/s1-1.ts?CMCD=bl%3D2100%2Ccid%3D%22nosid%22"},
        {"cookie": "theme=dark; lang=en"},
        {"cookie": "-", "session": "-", "cmcd": "-"},
        {"host": "cdn2.example"},
    ],
)
def test_tokens_and_hosts_make_no_viewer(change: dict[str, str]) -> None:
    request = apply(SEGMENT._replace(**change))
    assert not request.has_session
    assert request.viewer == apply(SEGMENT).viewer


def test_last_address_that_is_no_trusted_proxy_counts() -> None:
    def viewer(*addresses: str, trusted: tuple[str, ...] = ("10.0.0.0/8", "2001:db8::/32")) -> str:
        return apply(SEGMENT._replace(addresses=addresses), trusted_proxy=trusted).viewer

    alone = viewer("203.0.113.7")
    assert viewer("203.0.113.7", "10.0.0.4") == alone
    assert viewer("6.6.6.6", "203.0.113.7", "10.1.2.3", "10.0.0.4") == alone, "anyone can write the first address"
    assert viewer("203.0.113.7", "2001:db8::4") == alone
    assert viewer("203.0.113.7", "10.0.0.4", trusted=()) == viewer("10.0.0.4", trusted=())


@pytest.mark.parametrize(
    ("ignore", "is_ignored"),
    [
        ("198.51.100.7", True),
        ("198.51.100.0/24", True),
        ("::ffff:198.51.100.7", True),
        ("2001:db8::/32", False),
        ("agent:player", True),
        ("agent:Pl*/1", True),
        ("agent:*er/1", True),
        ("agent:UptimeRobot", False),
        ("198.51.100.8", False),
    ],
)
def test_ignored_clients_are_traffic_only(ignore: str, is_ignored: bool) -> None:
    assert (apply(SEGMENT, ignore=(ignore,)).standing == "ignored") is is_ignored


@pytest.mark.parametrize(
    ("change", "is_cdn"),
    [
        ({"user_agent": "Amazon CloudFront"}, True),
        ({"via": "1.1 varnish, 1.1 varnish"}, True),
        ({"via": "2.0 0123.cloudfront.net (CloudFront)"}, True),
        ({"via": "1.1 v1-akamaitech.net(ghost) (AkamaiGHost)"}, True),
        ({"user_agent": "Fastly-Shield"}, True),
        ({"via": "1.1 squid.office.example"}, False),
        ({"via": "-"}, False),
        ({"user_agent": "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/130"}, False),
        ({"user_agent": "AppleCoreMedia/1.0.0.21G93 (iPhone; U; CPU OS 17_6 like Mac OS X; en_us)"}, False),
    ],
)
def test_fetch_of_a_content_delivery_network_is_traffic_only(change: dict[str, str], is_cdn: bool) -> None:
    assert (apply(SEGMENT._replace(**change)).standing == "CDN") is is_cdn


@pytest.mark.parametrize(
    ("change", "standing"),
    [
        ({"target": "/hls/s1.m3u8"}, "playlist"),
        ({"target": "/dash/s1.mpd"}, "playlist"),
        ({"target": "/hls/s1-init.mp4"}, "init"),
        ({"target": "/hls/s1-1.vtt"}, "other file"),
        ({"method": "HEAD"}, "no GET"),
        ({"status": 404}, "refused"),
        ({"status": 206}, "watching"),
        ({"status": 304}, "watching"),
        ({"status": 301}, "refused"),
    ],
)
def test_standing_of_a_request(change: dict[str, str | int], standing: str) -> None:
    assert apply(SEGMENT._replace(**change)).standing == standing  # type: ignore[arg-type]


def test_mapped_address_is_in_the_network_of_its_ipv4_address() -> None:
    mapped = SEGMENT._replace(addresses=("::ffff:198.51.100.7",))
    assert apply(mapped, ignore=("198.51.100.0/24",)).standing == "ignored"


@pytest.mark.parametrize("name", ["media_w{}_7.ts", "media_w{}_b500000_7.ts", "media_b500000_w{}_7.ts"])
def test_names_with_tokens_of_viewers_are_one_file(name: str) -> None:
    files = {apply(SEGMENT._replace(target=f"/live/s1/{name.format(token)}")).file for token in range(3)}
    assert len(files) == 1
    assert next(iter(files)).sequence == 7


def test_request_for_another_file_belongs_to_no_stream() -> None:
    assert make_rules("auto", None, [], IgnoreRules()).apply(SEGMENT._replace(target="/index.html")) is None
