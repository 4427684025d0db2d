"""A week without the service at 1,000 viewers and 100 new viewers a minute: size of the journal, time of recovery.

The product's own ledger fills the journal; then the real agent code sends it to the real service over HTTP.
`python -m bench.agent.week_outage [DAYS]`
"""

import asyncio
import secrets
import sys
import tempfile
import time
from pathlib import Path
from random import Random

from streamusage.agent.journal.ledger import Ledger
from streamusage.agent.journal.sqlite import SqliteJournal
from streamusage.agent.reading import EndedConnection, PublishReading, Reading, ViewerReading
from streamusage.agent.sync.link import ServiceLink
from streamusage.api.report import Acknowledgement
from streamusage.core.clock import SystemClock
from streamusage.core.durations import UNIT_MS, parse_duration_ms
from streamusage.service.server import run_service
from streamusage.service.tokens import read_tokens

VIEWERS = 1_000
STREAMS = 10
MINUTE_MS = 60_000


def record_readings(ledger: Ledger, days: float, until_ms: int) -> None:
    """Record two readings a minute up to `until_ms`, with a changing audience."""
    random = Random(1)
    began = until_ms - int(days * 1440) * MINUTE_MS
    viewers = {number: (f"s{number % STREAMS}", began) for number in range(VIEWERS)}
    following, sent = VIEWERS, 0
    for at in range(began, until_ms, MINUTE_MS // 2):
        sent += VIEWERS * 1_000_000
        ended = []
        for number in random.sample(list(viewers), 50):
            name, started_at = viewers.pop(number)
            ended.append(
                EndedConnection(
                    connection_id=str(number),
                    kind="play",
                    scope="live",
                    name=name,
                    protocol="rtmp",
                    ended_at=at,
                    duration_ms=at - started_at,
                    granularity_ms=0,
                    bytes_in=0,
                    bytes_out=0,
                )
            )
            viewers[following] = (name, at)
            following += 1
        ledger.record(
            Reading(
                at=at,
                boot="b",
                started_at=began,
                bytes_in=sent // 1000,
                bytes_out=sent,
                publishes=tuple(
                    PublishReading(publish_id=f"p{n}", scope="live", name=f"s{n}", age_ms=at - began)
                    for n in range(STREAMS)
                ),
                viewers=tuple(
                    ViewerReading(viewer_id=str(n), scope="live", name=name, protocol="rtmp", age_ms=at - started_at)
                    for n, (name, started_at) in viewers.items()
                ),
                ended=tuple(ended),
                logs_ends=True,
            )
        )


async def send_journal(directory: Path, ledger: Ledger) -> float:
    """Return the seconds from the first request to the acknowledgement of all rows."""
    token = secrets.token_urlsafe()
    tokens = directory / "tokens.toml"
    tokens.write_text(f'[[token]]\nvalue = "{token}"\nrole = "agent"\nserver = "edge-1"\n')
    store = f"sqlite:///{directory / 'usage.db'}"
    async with run_service(store_url=store, tokens=read_tokens(tokens, {}), clock=SystemClock()) as service:
        link = ServiceLink(service.url, "edge-1", lambda: token)
        began = time.perf_counter()
        request = ledger.epoch_request()
        assert request is not None
        ledger.continue_from(await link.issue_epoch(request), ())
        report = ledger.report(time.time_ns() // 1_000_000, "recovering")
        assert report is not None
        reply = await link.send(report)
        assert isinstance(reply, Acknowledgement), reply
        ledger.acknowledge(reply, reply.now)
        seconds = time.perf_counter() - began
        await link.close()
        assert ledger.head.acknowledged == ledger.head.revision
        assert ledger.head.counted == ledger.head.handed_over
        return seconds


def main(days: float) -> None:
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        path = directory / "journal.db"
        journal = SqliteJournal(path, synchronous="off")
        ledger = Ledger(journal, "bench", "edge-1", "edge", 10_000)
        record_readings(ledger, days, time.time_ns() // 1_000_000 // MINUTE_MS * MINUTE_MS)
        size = sum(file.stat().st_size for file in directory.glob("journal.db*"))
        counted = ledger.head.counted
        seconds = asyncio.run(send_journal(directory, ledger))
        print(
            f"{days:g} days: journal {size / 1e6:.1f} MB, {counted.connections:,} connections and "
            f"{counted.bytes_out:,} bytes acknowledged in {seconds:.1f} s"
        )
        journal.close()


if __name__ == "__main__":
    main(parse_duration_ms(sys.argv[1] if len(sys.argv) > 1 else "1w", default_unit="d") / UNIT_MS["d"])
