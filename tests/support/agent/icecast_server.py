"""An Icecast in simulated time: sources come and go, listeners move to fallback mounts, and its log and pages follow.

Times are seconds from `START_S`, whole numbers; the server's clock is the test's. Counters move every five seconds, as
Icecast's do.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import format_datetime
from pathlib import Path
from typing import NamedTuple
from urllib.parse import parse_qs, urlsplit
from xml.sax.saxutils import escape, quoteattr

from streamusage.agent.metering import meter
from streamusage.agent.reading import Reading
from streamusage.agent.sources.icecast.source import IcecastSource
from streamusage.core.coverage import SLOT_MS
from tests.support.agent.http_answers import answer, answering
from tests.support.agent.manual_clock import HandClock
from tests.support.agent.media_servers import secret
from tests.support.waiting import PATIENT

START_S = 1_795_300_020
RATE = 16_000
TICK_S = 5


class Visit(NamedTuple):
    """One listener: when it was on which mount, and the mount that it requested."""

    number: int
    requested: str
    stays: list[tuple[int, int, str]]
    """From, to and mount, one after the other."""
    status: int = 200
    ip: str = ""
    is_dated: bool = True
    """Whether the lists have `Connected`."""

    @property
    def address(self) -> str:
        return self.ip or f"203.0.113.{self.number}"

    @property
    def joined(self) -> int:
        return self.stays[0][0]

    @property
    def left(self) -> int:
        return self.stays[-1][1]

    @property
    def truth_bytes(self) -> int:
        return RATE * (self.left - self.joined)

    def mount_at(self, t: int) -> str | None:
        return next((mount for begin, end, mount in self.stays if begin <= t < end), None)


class FakeIcecast:
    """The server: `sources` are mount, start and end of each source."""

    def __init__(
        self,
        sources: list[tuple[str, int, int]],
        visits: list[Visit],
        *,
        is_kh: bool = False,
        log_path: Callable[[str], str] = str,
        page_path: Callable[[str], str] = str,
        dated_late_s: int = 0,
        figure: Callable[[str, int, int], int] = lambda name, t, value: value,
    ) -> None:
        """`log_path` and `page_path` write a mount in the log and on the pages; `figure` may replace one of the pages'
        figures by its name, time and value. A list's `Date` is `dated_late_s` after the second in which it was made.
        """
        self.sources, self.visits, self.is_kh = sources, visits, is_kh
        self._log_path, self._page_path, self._figure = log_path, page_path, figure
        self._dated_late_s = dated_late_s

    def sent(self, mount: str, began: int, t: int) -> int:
        """Return the counter of a mount's life."""
        t -= (t - began) % TICK_S
        ends = next(end for name, begin, end in self.sources if (name, begin) == (mount, began))
        return RATE * sum(
            max(0, min(end, t, ends) - max(begin, began))
            for visit in self.visits
            for begin, end, name in visit.stays
            if name == mount
        )

    def statistics(self, t: int) -> bytes:
        on_air = [(mount, begin) for mount, begin, end in self.sources if begin <= t < end]
        parts = [
            f"<listener_connections>{self._figure('accepted', t, sum(v.joined <= t for v in self.visits))}"
            f"</listener_connections>{self._time('server_start', -600)}"
        ]
        for mount, began in on_air:
            listeners = sum(visit.mount_at(t) == mount for visit in self.visits)
            parts.append(
                f"<source mount={quoteattr(self._page_path(mount))}>"
                f"<listeners>{self._figure('listeners', t, listeners)}</listeners>{self._time('stream_start', began)}"
                f"<total_bytes_read>{self._figure('read', t, (t - began) * RATE)}</total_bytes_read>"
                f"<total_bytes_sent>{self._figure('sent', t, self.sent(mount, began, t))}</total_bytes_sent></source>"
            )
        return f'<?xml version="1.0"?><icestats>{"".join(parts)}</icestats>'.encode()

    def listeners(self, mount: str, t: int) -> bytes:
        rows = []
        for visit in self.visits:
            on = visit.mount_at(t)
            if on is None or self._page_path(on) != mount:
                continue
            seconds = (t - visit.joined) % 2**64
            connected = f"<Connected>{seconds}</Connected>" if visit.is_dated else ""
            head = f'<listener id="{visit.number}">' if self.is_kh else "<listener>"
            rows.append(
                f"{head}<ID>{visit.number}</ID><IP>{visit.address}</IP><UserAgent>p</UserAgent><lag>0</lag>{connected}"
                "</listener>"
            )
        return f"<icestats><source mount={quoteattr(mount)}>{''.join(rows)}</source></icestats>".encode()

    def log_lines(self, after: int, upto: int) -> str:
        """Return the lines of the sources and listeners that left in `(after, upto]`."""
        ends = [
            (
                end,
                0,
                f'127.0.0.1 - - [{clf(end)}] "PUT {self._log_path(mount)} HTTP/1.1" 200 63 "-" "e" {end - begin}\n',
            )
            for mount, begin, end in self.sources
            if after < end <= upto
        ]
        ends += [
            (
                v.left,
                1,
                f'{v.address} - - [{clf(v.left)}] "GET {self._log_path(v.requested)}?x=1 HTTP/1.1" {v.status} '
                f'{v.truth_bytes} "-" "p \\" 200 9 "x" {v.left - v.joined}\n',
            )
            for v in self.visits
            if after < v.left <= upto
        ]
        return "".join(line for _, _, line in sorted(ends))

    def respond(self, request: bytes, t: int) -> bytes:
        target = urlsplit(request.split(b" ", 2)[1].decode())
        if target.path == "/admin/stats":
            return answer(self.statistics(t), Date=_date(t))
        return answer(self.listeners(parse_qs(target.query)["mount"][0], t), Date=_date(t + self._dated_late_s))

    def _time(self, name: str, t: int) -> str:
        at = datetime.fromtimestamp(START_S + t, UTC)
        if self.is_kh:
            return f"<{name}>{escape(clf(t))}</{name}>"
        return f"<{name}_iso8601>{at:%Y-%m-%dT%H:%M:%S+0000}</{name}_iso8601>"


def _date(t: int) -> str:
    return format_datetime(datetime.fromtimestamp(START_S + t, UTC), usegmt=True)


def clf(t: int) -> str:
    return f"{datetime.fromtimestamp(START_S + t, UTC):%d/%b/%Y:%H:%M:%S +0000}"


class Counted(NamedTuple):
    """What the meter counted of a simulated server."""

    connections: int
    bytes_out: int
    view_s: float
    left_open: int
    reasons: set[str]
    readings: list[Reading]


def _append(log: Path | None, text: str) -> None:
    if log is not None:
        with log.open("a") as file:
            file.write(text)


async def count_icecast(
    server: FakeIcecast,
    log: Path | None,
    until: int,
    *,
    poll_s: int = 1,
    restart_at: int | None = None,
    list_takes_s: int = 0,
) -> Counted:
    """Read the server every `poll_s` seconds up to `until`, with a new source at `restart_at`, and count.

    A list of listeners arrives `list_takes_s` seconds after it was written; the log continues meanwhile.
    """
    clock = HandClock(START_S * 1000)
    _append(log, "")
    written_s = -poll_s

    def write_log() -> None:
        nonlocal written_s
        now_s = clock.now // 1000 - START_S
        _append(log, server.log_lines(written_s, now_s))
        written_s = now_s

    def respond(request: bytes) -> bytes:
        page = server.respond(request, clock.now // 1000 - START_S)
        if b"listclients" in request:
            clock.now += list_takes_s * 1000
            write_log()
        return page

    async with answering() as answers:
        answers.next = [respond]

        def open_source() -> IcecastSource:
            return IcecastSource(answers.url, "admin", secret, log, clock, options=PATIENT)

        source = open_source()
        state, readings, additions = None, [], []
        for t in range(0, until + 1, poll_s):
            clock.now = max(clock.now, (START_S + t) * 1000)
            write_log()
            if t == restart_at:
                await source.close()
                source = open_source()
            reading = await source.read(readings[-1].cursor if readings else None)
            readings.append(reading)
            state, added = meter.start(reading) if state is None else meter.step(state, reading)
            additions.append(added)
        await source.close()
    assert state is not None
    slots = [slot for added in additions for slot in added.slots.values()]
    return Counted(
        connections=sum(sum(slot.connections.values()) for slot in slots),
        bytes_out=sum(slot.bytes_out for slot in slots),
        view_s=sum(slot.view_time_ms for slot in slots) / 1000,
        left_open=len(state.viewers),
        reasons={span.reason for added in additions for span in added.spans if span.reason},
        readings=readings,
    )


assert START_S * 1000 % SLOT_MS == 0
