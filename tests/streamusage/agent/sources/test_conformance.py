"""Every source, built-in or of another package, keeps the rules of `streamusage.agent.source_conformance`."""

import asyncio
import re
import tempfile
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from urllib.parse import unquote

import msgspec
import pytest

from streamusage.agent.reading import SHARED, EndedConnection, Reading, Source, SourceError, ViewerReading
from streamusage.agent.source_conformance import NUMBERS_PER_ANSWER, Answers, RecordedServer, check_source, falsify
from streamusage.agent.sources import BUILT_IN, find_kind
from streamusage.agent.sources.hls.source import HlsSource
from streamusage.agent.sources.nginx_rtmp.source import NginxRtmpSource
from streamusage.core.clock import SystemClock
from tests.support.agent.counter_file_source import CounterFileSource
from tests.support.agent.hls_log import hls_line
from tests.support.agent.http_answers import answer, answering
from tests.support.agent.media_servers import CLOCK, MEDIA_SERVERS, SRS, encode_json, read_fixture
from tests.support.agent.nginx_page import page_response

OpenSource = Callable[[str, Path], Source]
"""Returns a source for the URL of the server and a directory of files."""


class AnswerBench:
    """A media server over HTTP and with files: names that begin with `/` are paths, the others files."""

    def __init__(self, url: str, directory: Path, open_source: OpenSource) -> None:
        self._url, self._directory, self._open = url, directory, open_source
        self.routes: dict[str, bytes] = {}
        self.sources: list[Source] = []

    def show(self, answers: Answers) -> None:
        for name, body in answers.items():
            if name.startswith("/"):
                self.routes[name] = body
            else:
                self._write(self._directory / name, body)

    def _write(self, path: Path, body: bytes) -> None:
        """Append to a log, and replace any other file."""
        if path.exists() and body.startswith(path.read_bytes()):
            with path.open("ab") as file:
                file.write(body[path.stat().st_size :])
        else:
            path.with_suffix(".new").write_bytes(body)
            path.with_suffix(".new").rename(path)

    async def open_source(self) -> Source:
        self.sources.append(self._open(self._url, self._directory))
        return self.sources[-1]


def bench_of(open_source: OpenSource) -> Callable[[], AbstractAsyncContextManager[AnswerBench]]:
    @asynccontextmanager
    async def open_bench() -> AsyncIterator[AnswerBench]:
        with tempfile.TemporaryDirectory() as directory:
            async with answering() as answers:
                bench = AnswerBench(answers.url, Path(directory), open_source)

                def respond(request: bytes) -> bytes:
                    target = unquote(request.split(b" ", 2)[1].decode("latin-1"))
                    body = bench.routes.get(target, bench.routes.get(target.partition("?")[0]))
                    if body is None:
                        return answer(b"not here", "404 Not Found")
                    return body if body.startswith(b"HTTP/1.1") else answer(body)

                answers.next = [respond]
                try:
                    yield bench
                finally:
                    for source in bench.sources:
                        await source.close()

    return open_bench


def http_recording(
    kind: str, *changes: Mapping[str, tuple[bytes, bytes]], restarted: Answers | None = None
) -> RecordedServer:
    """Return the recorded answers of a kind, changed step by step: (old, new) for each path."""
    steps = [dict(MEDIA_SERVERS[kind].routes)]
    for change in changes:
        step = dict(steps[-1])
        for path, (old, new) in change.items():
            assert old in step[path], (kind, path, old)
            step[path] = step[path].replace(old, new)
        steps.append(step)
    login = frozenset({"/api/v1/login"} if kind.startswith("node") else ())
    return RecordedServer(
        steps, bench_of(lambda url, _: MEDIA_SERVERS[kind].create_source(url, CLOCK)), restarted, login
    )


def nginx_page(name: str, **fields: int) -> bytes:
    return page_response(page=read_fixture(name), **fields)


NGINX_LOG = read_fixture("nginx_rtmp_access.log")
NGINX_STEPS = (
    {"/stat": nginx_page("nginx_stat_2pub_4sub.xml"), "rtmp.log": NGINX_LOG[: NGINX_LOG.index(b"\n") + 1]},
    {"/stat": nginx_page("nginx_stat_2pub_4sub.xml", uptime_s=33), "rtmp.log": NGINX_LOG},
)


class HastyClock(SystemClock):
    """A clock that does not wait between two requests."""

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(0)


def _open_nginx(url: str, directory: Path) -> Source:
    return NginxRtmpSource(f"{url}/stat", directory / "rtmp.log", HastyClock())


def _open_nginx_page(url: str, _: Path) -> Source:
    return NginxRtmpSource(f"{url}/stat", None, HastyClock())


NGINX_RESTARTED = nginx_page("nginx_stat_empty.xml", pid=11_000, uptime_s=1, began_s=1795288800)
ICECAST_LISTS: Answers = {
    "/admin/listclients?mount=/a.mp3": read_fixture("icecast_listclients.xml"),
    "/admin/listclients?mount=/b.ogg": b"<icestats><source mount='/b.ogg'><Listeners>0</Listeners></source></icestats>",
}
ICECAST: Answers = {"/admin/stats": read_fixture("icecast_admin_stats.xml"), **ICECAST_LISTS}


HLS_LOG = b"".join(hls_line(second, sid="a") + b"\n" for second in range(0, 40, 4))
HLS_STEPS = [{"hls.log": HLS_LOG[: HLS_LOG.index(b"\n") + 1]}, {"hls.log": HLS_LOG}]


def counter_file(bytes_out: int) -> Answers:
    counters = {"boot": "b1", "started_at": 1, "stream": "s", "bytes_in": 9, "bytes_out": bytes_out}
    return {"counters.json": encode_json(counters)}


RECORDINGS: dict[str, RecordedServer] = {
    "nginx-rtmp": RecordedServer(
        NGINX_STEPS,
        bench_of(_open_nginx),
        {"/stat": NGINX_RESTARTED, "rtmp.log": NGINX_LOG},
        logs=frozenset({"rtmp.log"}),
    ),
    "nginx-rtmp without log": RecordedServer(
        [{"/stat": step["/stat"]} for step in NGINX_STEPS], bench_of(_open_nginx_page), {"/stat": NGINX_RESTARTED}
    ),
    "icecast": RecordedServer(
        [ICECAST, ICECAST],
        bench_of(lambda url, _: MEDIA_SERVERS["icecast"].create_source(url, CLOCK)),
        {"/admin/stats": read_fixture("icecast_admin_stats_empty.xml"), **ICECAST_LISTS},
    ),
    "node-media-server": http_recording("node-media-server", {"/api/v1/stats": (b'"pid":', b'"pid": ')}),
    "node-media-server 2": http_recording("node-media-server 2", {"/api/streams": (b"352964", b"452964")}),
    "mediamtx": http_recording(
        "mediamtx",
        {"/v3/rtmpconns/list": (b'"id": "u-2"', b'"id": "u-9"')},
        {"/v3/rtmpconns/list": (b'"bytesSent": 700', b'"bytesSent": 900')},
    ),
    "srs": http_recording(
        "srs",
        {"/api/v1/clients/": (b'"id": 77', b'"id": 78'), "/api/v1/vhosts/": (b"9605", b"10605")},
        restarted={path: body.replace(b'"pid": "7"', b'"pid": "8"') for path, body in SRS.items()},
    ),
    "wowza": http_recording("wowza"),
    "red5pro": http_recording("red5pro"),
    "stream-manager-2": http_recording("stream-manager-2", {"/as/v1/streams/stream/group-1": (b"25", b"20")}),
    "hls": RecordedServer(
        HLS_STEPS,
        bench_of(lambda _, directory: HlsSource(directory / "hls.log", 30_000, CLOCK)),
        logs=frozenset({"hls.log"}),
    ),
    "counter-file": RecordedServer(
        [counter_file(5), counter_file(50)],
        bench_of(lambda _, directory: CounterFileSource(directory / "counters.json", CLOCK)),
    ),
}
"""Recordings of every kind; a kind may have several."""


def test_every_kind_has_a_recording() -> None:
    assert {name.partition(" ")[0] for name in RECORDINGS} - {"counter-file"} == BUILT_IN.keys()


@pytest.mark.parametrize("name", RECORDINGS)
async def test_source_keeps_the_rules(name: str) -> None:
    assert await check_source(RECORDINGS[name]) == []


@pytest.mark.parametrize("name", RECORDINGS)
async def test_reading_states_how_its_kind_knows_the_traffic_of_streams(name: str) -> None:
    kind = find_kind(name.partition(" ")[0])
    async with RECORDINGS[name].open_bench() as bench:
        bench.show(RECORDINGS[name].steps[0])
        reading = await (await bench.open_source()).read(None)
    assert reading.stream_traffic == (kind.stream_traffic if kind else "apportioned")
    if reading.stream_traffic == "measured" and kind and kind.kind != "hls":  # its log lines have the bytes
        assert reading.stream_counters or all(counter.name for counter in reading.counters if counter.key != SHARED)


class WrongSource:
    """A source of a counter file that breaks the rules."""

    def __init__(self, path: Path, fault: str) -> None:
        self._source = CounterFileSource(path, CLOCK)
        self._fault = fault
        self._readings = 0

    async def read(self, cursor: str | None) -> Reading:
        self._readings += 1
        viewer = ViewerReading(viewer_id="1", scope="live", name="s", protocol="rtmp", age_ms=10)
        line = EndedConnection(
            connection_id=str(self._readings), kind="play", scope="live", name="s", protocol="rtmp",
            ended_at=0, duration_ms=0, granularity_ms=0, bytes_in=0, bytes_out=0,
        )  # fmt: skip
        try:
            reading = await self._source.read(cursor)
        except SourceError:
            if self._fault != "stale":
                raise ValueError("no figures") from None
            reading = self._last
        self._last = reading
        changes = {
            "ids": {"viewers": (msgspec.structs.replace(viewer, viewer_id=str(self._readings)),)},
            "lines": {"ended": (line,)},
            "boot": {"boot": f"b{self._readings}"},
            "twice": {"viewers": (viewer, viewer)},
            "negative": {"bytes_out": -(10**6)},
            "stale": {"misses": ""},
        }
        return msgspec.structs.replace(reading, **changes.get(self._fault, {}))

    async def ended_between(self, from_cursor: str, to_cursor: str) -> tuple[EndedConnection, ...]:
        return ()

    async def close(self) -> None: ...


@pytest.mark.parametrize(
    ("fault", "problem"),
    [
        ("ids", "repeated reading: viewers, publishes or counters have other ids"),
        ("lines", "repeated reading: the same cursor gives other log lines"),
        ("boot", "repeated reading: the life of the server has another name"),
        ("twice", "recorded answers: two viewers of one reading have one id"),
        ("stale", "counters.json is truncated: the reading counts as whole"),
        ("raises", "counters.json is truncated: read raised ValueError instead of SourceError"),
    ],
)
async def test_fault_of_a_source_is_named(fault: str, problem: str) -> None:
    recording = RECORDINGS["counter-file"]
    wrong = recording._replace(
        open_bench=bench_of(lambda _, directory: WrongSource(directory / "counters.json", fault))
    )
    assert problem in await check_source(wrong)


def test_numbers_are_falsified_one_at_a_time() -> None:
    assert list(falsify(b'{"a": 1, "b": 22, "c": 3.5, "d3": "x7"}', b"-7")) == [
        b'{"a": -7, "b": 22, "c": 3.5, "d3": "x7"}',
        b'{"a": 1, "b": -7, "c": 3.5, "d3": "x7"}',
    ]
    assert len(list(falsify(b" ".join([b"1"] * 100), b"-7"))) == NUMBERS_PER_ANSWER
    assert not re.search(rb"\d", b"".join(falsify(b"no figures", b"-7")))
