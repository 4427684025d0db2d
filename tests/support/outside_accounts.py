"""Traffic of a known truth, and the accounts that content delivery networks would write of it."""

import json
import random
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from streamusage.api.daily import BackfilledPart, CoveredTime, DailyStatistics
from streamusage.core.days import day_of

FIRST_DAY = date(2026, 11, 16)
DAYS = 5
DAY_MS = 86_400_000
HOUR_MS = 3_600_000
FIRST_MS = int(datetime(2026, 11, 16, tzinfo=UTC).timestamp()) * 1000
LAST_DAY = FIRST_DAY + timedelta(days=DAYS - 1)
STREAMS = ("news", "sport", "music")
UTC_ZONE = ZoneInfo("UTC")


@dataclass(frozen=True)
class Hit:
    """A request that was answered."""

    at: int
    stream: str
    number: int
    size: int
    method: str = "GET"
    status: int = 200


def make_traffic(seed: int = 1, hits_a_day: int = 1500, days: int = DAYS) -> list[Hit]:
    """Return the requests of some days, in order: streams are busy at different hours, on each day differently."""
    chance = random.Random(seed)
    hits = []
    for day in range(days):
        for stream in STREAMS:
            busy = chance.randrange(24)
            for _ in range(round(hits_a_day / len(STREAMS) * chance.uniform(0.6, 1.6))):
                hour = chance.choice((busy, chance.randrange(24), chance.randrange(24)))
                at = FIRST_MS + day * DAY_MS + hour * HOUR_MS + chance.randrange(HOUR_MS)
                hits.append(Hit(at, stream, chance.randrange(10**6), chance.randrange(200_000, 2_000_000)))
    return sorted(hits, key=lambda hit: hit.at)


def bytes_by_day(hits: Iterable[Hit], tz: ZoneInfo = UTC_ZONE) -> Counter[str]:
    sums: Counter[str] = Counter()
    for hit in hits:
        sums[day_of(hit.at, tz).isoformat()] += hit.size
    return sums


def shifted(hits: Iterable[Hit], shift_ms: int) -> list[Hit]:
    return [replace(hit, at=hit.at + shift_ms) for hit in hits]


def without_lines(hits: Iterable[Hit], share: float, seed: int = 2) -> list[Hit]:
    chance = random.Random(seed)
    return [hit for hit in hits if chance.random() >= share]


def with_doubled_hour(hits: Sequence[Hit], from_ms: int) -> list[Hit]:
    """Return the requests, those of an hour twice: the hour is appended to itself, as by a repeated upload."""
    hour = [hit for hit in hits if from_ms <= hit.at < from_ms + HOUR_MS]
    end = next(index for index, hit in enumerate(hits) if hit.at >= from_ms + HOUR_MS)
    return [*hits[:end], *hour, *hits[end:]]


def with_heads(hits: Iterable[Hit], share: float, seed: int = 3) -> list[Hit]:
    """Return the requests with HEAD requests among them that the account books with the size of the file."""
    chance = random.Random(seed)
    found = []
    for hit in hits:
        found.append(hit)
        if chance.random() < share:
            found.append(replace(hit, method="HEAD", number=hit.number + 10**6))
    return found


def _clock(at: int) -> datetime:
    return datetime.fromtimestamp(at / 1000, UTC)


CLOUDFRONT_HEADER = (
    "#Version: 1.0\n#Fields: date time x-edge-location sc-bytes c-ip cs-method cs(Host) cs-uri-stem sc-status "
    "cs(Referer) cs(User-Agent) cs-uri-query cs(Cookie) x-edge-result-type x-edge-request-id x-host-header "
    "cs-protocol cs-bytes time-taken x-forwarded-for ssl-protocol ssl-cipher x-edge-response-result-type "
    "cs-protocol-version fle-status fle-encrypted-fields\n"
)


def cloudfront_line(hit: Hit) -> str:
    then = _clock(hit.at)
    return "\t".join(
        (
            f"{then:%Y-%m-%d}", f"{then:%H:%M:%S}", "FRA56-P4", str(hit.size), "203.0.113.9", hit.method,
            "d1.cloudfront.net", f"/live/{hit.stream}/segment-{hit.number}.ts", str(hit.status), "-", "player%201",
            "-", "-", "Hit", f"id-{hit.at}-{hit.number}", "cdn.example.com", "https", "120", "0.031", "-", "TLSv1.3",
            "TLS_AES_128_GCM_SHA256", "Hit", "HTTP/2.0", "-", "-",
        )
    )  # fmt: skip


def fastly_line(hit: Hit) -> str:
    return json.dumps(
        {
            "timestamp": f"{_clock(hit.at):%Y-%m-%dT%H:%M:%S}+0000",
            "client_ip": "203.0.113.9",
            "host": "cdn.example.com",
            "url": f"/live/{hit.stream}/segment-{hit.number}.ts",
            "request_method": hit.method,
            "response_status": hit.status,
            "response_body_size": hit.size,
            "request_user_agent": "player/1",
        }
    )


def combined_line(hit: Hit) -> str:
    path = f"/hls/{hit.stream}-{hit.number}.ts"
    return (
        f'203.0.113.9 - - [{_clock(hit.at):%d/%b/%Y:%H:%M:%S} +0000] "{hit.method} {path} HTTP/1.1" {hit.status} '
        f'{hit.size} "-" "player/1"'
    )


def csv_line(hit: Hit) -> str:
    return f"{_clock(hit.at):%Y-%m-%d %H:%M:%S},{hit.stream},{hit.size},{hit.method},{hit.status}"


CSV_HEADER = "time,stream,bytes,method,status\n"


def write_lines(hits: Iterable[Hit], line: Callable[[Hit], str], header: str = "") -> bytes:
    return (header + "".join(f"{line(hit)}\n" for hit in hits)).encode()


def service_days(
    sums: Counter[str], server: str = "edge-1", tz: str = "UTC", **more: dict[str, object]
) -> list[DailyStatistics]:
    """Return daily statistics with these bytes out; `more` has further fields by day, such as `d2026_11_16`."""
    return [
        _service_day(day, size, server, tz, more.get(f"d{day.replace('-', '_')}", {})) for day, size in sums.items()
    ]


def _service_day(day: str, size: int, server: str, tz: str, more: dict[str, object]) -> DailyStatistics:
    values: dict[str, object] = {
        "server": server, "day": day, "tz": tz, "state": "final", "connections": 0, "connections_by_protocol": {},
        "bytes_in": 0, "bytes_out": size, "peak_in_bps": None, "peak_in_at": None, "peak_out_bps": None,
        "peak_out_at": None, "view_time_ms": 0, "average_view_time_ms": None, "backfilled": BackfilledPart(),
        "coverage": CoveredTime(live_ms=DAY_MS),
    }  # fmt: skip
    return DailyStatistics(**values | more)  # type: ignore[arg-type]
