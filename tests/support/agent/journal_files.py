"""Files of journals with rows."""

from pathlib import Path
from random import Random

from streamusage.agent.journal.ledger import Ledger
from streamusage.agent.journal.protocol import Head
from streamusage.agent.journal.sqlite import SqliteJournal
from streamusage.api.report import Based, EpochIssued
from tests.faults.media_server import MediaServer


def a_journal(path: Path) -> Head:
    """Write a journal with some hundred rows. Return its head."""
    server = MediaServer(Random(3), now := 1_000_000_000)
    journal = SqliteJournal(path, synchronous="off")
    ledger = Ledger(journal, "journal-1", "edge-1", "edge", 10_000)
    for step in range(200):
        now += 20_000
        server.connect(now, "play" if step % 10 else "publish", f"s{step % 7}")
        server.move_bytes(now)
        ledger.record(server.read(now, ledger.cursor))
    ledger.continue_from(EpochIssued(epoch=1, based_on=Based(0, 0), now=now), ())
    journal.close()
    return ledger.head
