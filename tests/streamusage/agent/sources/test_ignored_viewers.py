"""The setting `ignore`: who matches is in no figure of viewers, is counted separately, and keeps its bytes."""

import msgspec
import pytest
from pydantic import ValidationError

from streamusage.agent.config.sources import SourceSection
from streamusage.agent.metering import meter
from streamusage.agent.reading import EndedConnection, IgnoredViewers, Reading
from streamusage.agent.sources import find_kind
from streamusage.agent.sources.common.ignored import IgnoreRules, IgnoringSource, without_ignored
from streamusage.agent.sources.nginx_rtmp.access_log import parse_line
from streamusage.agent.sources.nginx_rtmp.callbacks import NginxOpenSessions
from streamusage.agent.sources.nginx_rtmp.statistics import parse_stat
from tests.support.agent.callbacks import apply_callbacks, read_recorded_callbacks
from tests.support.agent.media_servers import open_source, read_fixture
from tests.support.agent.readings import line, reading, viewer

IGNORING_KINDS = ("nginx-rtmp", "icecast", "node-media-server", "mediamtx", "srs")
WITHOUT_AGENTS = ("node-media-server", "srs")
MONITOR = "192.0.2.9"
RULES = IgnoreRules([MONITOR, "agent:kube-probe"])


class Scripted:
    """A source that returns the given readings."""

    def __init__(self, *readings: Reading) -> None:
        self.readings = list(readings)

    async def read(self, cursor: str | None) -> Reading:
        return self.readings.pop(0)

    async def ended_between(self, from_cursor: str, to_cursor: str) -> tuple[EndedConnection, ...]:
        return (line(1, 0, 0, address=MONITOR), line(2, 0, 0))

    async def close(self) -> None: ...


def monitor(number: int, age_ms: int, **fields: str) -> object:
    return msgspec.structs.replace(viewer(number, age_ms), **fields or {"address": MONITOR})


async def test_ignored_viewers_are_counted_separately_and_keep_their_bytes() -> None:
    source = IgnoringSource(
        Scripted(
            reading(0),
            reading(1_000, viewers=(viewer(1, 900), monitor(2, 800), monitor(3, 700, agent="kube-probe/1.29"))),
            reading(2_000, viewers=(viewer(1, 1_900), monitor(2, 1_800))),
            reading(
                3_000,
                bytes_out=70_000,
                ended=(
                    line(1, 2_500, 2_000, bytes_out=30_000),
                    line(2, 2_500, 2_000, bytes_out=30_000, address=MONITOR),
                    line(4, 2_800, 500, bytes_out=10_000, address=MONITOR),  # no reading showed it
                ),
            ),
        ),
        RULES,
    )
    first = await source.read(None)
    assert first.ignored == IgnoredViewers(present=0, connections=0)
    state, _ = meter.start(first)
    connections = view_time_ms = bytes_out = 0
    counts = []
    for _ in range(3):
        now = await source.read("")
        assert now.ignored is not None
        counts.append((now.ignored.present, now.ignored.connections))
        state, added = meter.step(state, now)
        connections += sum(sum(slot.connections.values()) for slot in added.slots.values())
        view_time_ms += sum(slot.view_time_ms for slot in added.slots.values())
        bytes_out += sum(slot.bytes_out for slot in added.slots.values())
    assert counts == [(2, 2), (1, 2), (0, 3)]
    assert (connections, bytes_out, state.baseline.logged_out) == (1, 70_000, 70_000)
    assert 2_000 <= view_time_ms <= 2_500
    assert [entry.kind for entry in await source.ended_between("", "")] == ["other", "play"]


async def test_servers_own_count_of_connections_is_not_used_with_ignored_viewers() -> None:
    source = IgnoringSource(Scripted(reading(0, accepted=5)), RULES)
    assert (await source.read(None)).accepted is None


@pytest.mark.parametrize(
    ("kind", "address"),
    [
        ("icecast", "127.0.0.1"),
        ("srs", ""),
        ("mediamtx", ""),
        ("node-media-server", ""),
        ("wowza", ""),
        ("red5pro", ""),
    ],
)
async def test_rules_that_match_nobody_leave_a_reading_as_it_is(kind: str, address: str) -> None:
    async with open_source(kind) as (source, _):
        plain = await source.read(None)
        ignoring = await IgnoringSource(source, IgnoreRules(["203.0.113.77"])).read(None)
    assert len(ignoring.viewers) == len(plain.viewers)
    assert ignoring.audiences == plain.audiences
    if address:
        assert {viewer.address for viewer in plain.viewers} <= {address}


async def test_listener_of_icecast_has_address_and_agent() -> None:
    async with open_source("icecast") as (source, _):
        plain = await source.read(None)
        by_agent = await IgnoringSource(source, IgnoreRules([f"agent:{plain.viewers[0].agent[:4]}"])).read(None)
        by_address = await IgnoringSource(source, IgnoreRules([plain.viewers[0].address])).read(None)
    assert plain.viewers
    assert plain.viewers[0].agent
    assert by_address.viewers == ()
    ids = {viewer.viewer_id for viewer in plain.viewers}
    assert by_address.ignored == IgnoredViewers(present=len(ids), connections=len(ids))
    assert len(by_agent.viewers) < len(plain.viewers)


async def test_recorded_clients_of_srs_have_addresses() -> None:
    routes = {
        "/api/v1/clients/": read_fixture("srs7/clients.json"),
        "/api/v1/vhosts/": read_fixture("srs7/vhosts.json"),
    }
    async with open_source("srs", routes) as (source, _):
        plain = await source.read(None)
        ignoring = await IgnoringSource(source, IgnoreRules(["192.0.2.0/24"])).read(None)
    assert {viewer.address for viewer in plain.viewers} == {"192.0.2.1"}
    assert (ignoring.viewers, len(ignoring.publishes)) == ((), len(plain.publishes))


def test_page_log_and_callbacks_of_nginx_have_address_and_version() -> None:
    page = parse_stat(read_fixture("nginx_stat_2pub_4sub.xml"))
    assert {viewer.address for viewer in page.viewers} == {"127.0.0.1"}
    assert {viewer.agent for viewer in page.viewers} > {"LNX 9,0,124,2"} or all(viewer.agent for viewer in page.viewers)
    for text in (
        b'1.000 2 192.0.2.9 rx=400 tx=5000 t=3 "PLAY" "live" "s" "a=1" "kube-probe/1"',
        b'1.000 2 192.0.2.9 "PLAY" "live" "s" "a=1" rx=400 tx=5000 t=3 "kube-probe/1"',
    ):
        ended = parse_line(text)
        assert ended is not None
        assert (ended.address, ended.agent) == (MONITOR, "kube-probe/1")
    callbacks = apply_callbacks(NginxOpenSessions(), read_recorded_callbacks("nginx_rtmp_notify_callbacks.txt"))
    assert {ended.address for ended in callbacks} == {"127.0.0.1"}
    assert all(ended.agent for ended in callbacks)


def section(name: str, **fields: object) -> SourceSection:
    kind = find_kind(name)
    assert kind is not None
    address = {"stat_url": "http://127.0.0.1/stat"} if name == "nginx-rtmp" else {"url": "http://127.0.0.1"}
    secret = {} if name in ("nginx-rtmp", "mediamtx", "srs") else {"password_env": "X"}
    return kind.config.model_validate({"kind": name, **address, **secret, **fields})


@pytest.mark.parametrize("name", IGNORING_KINDS)
def test_setting_wraps_the_source(name: str) -> None:
    source = Scripted()
    assert without_ignored(source, section(name)) is source
    assert isinstance(without_ignored(source, section(name, ignore=[MONITOR])), IgnoringSource)
    with pytest.raises(ValidationError, match="is no rule"):
        section(name, ignore=["monitor.example.com"])


@pytest.mark.parametrize("name", IGNORING_KINDS)
def test_agents_are_rejected_where_the_server_reports_none(name: str) -> None:
    if name in WITHOUT_AGENTS:
        with pytest.raises(ValidationError, match="use addresses"):
            section(name, ignore=["agent:vlc"])
    else:
        assert section(name, ignore=["agent:vlc"])


@pytest.mark.parametrize("name", ["wowza", "red5pro", "stream-manager-2"])
def test_setting_is_unknown_to_servers_that_report_numbers_only(name: str) -> None:
    kind = find_kind(name)
    assert kind is not None
    assert "ignore" not in kind.config.model_fields
