"""An agent's command, configuration and status file, as the tests of `streamtop agent` need them."""

import os
import subprocess
import sys
import time
from pathlib import Path
from random import Random

from streamusage.agent.journal.ledger import Ledger
from streamusage.agent.journal.sqlite import SqliteJournal
from streamusage.agent.status_file import StatusFile
from streamusage.agent.sync.schedule import SyncSchedule
from tests.faults.media_server import MediaServer
from tests.support.waiting import LONGEST_WAIT_S

SECRET = "s3cret-token-of-the-agent"


def run_agent_command(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run `streamtop agent` with the arguments, and the token in the environment."""
    return subprocess.run(
        [sys.executable, "-m", "streamusage.agent", *arguments],
        capture_output=True,
        text=True,
        timeout=LONGEST_WAIT_S,
        env=os.environ | {"AGENT_TOKEN": SECRET},
        check=False,
    )


def write_config(directory: Path, service_port: int = 1) -> Path:
    """Write a configuration whose media server and service are unreachable. Return its path."""
    path = directory / "agent.toml"
    path.write_text(
        f'server = "edge-1"\n[service]\nurl = "http://127.0.0.1:{service_port}"\ntoken_env = "AGENT_TOKEN"\n'
        f'[source]\nkind = "nginx-rtmp"\nstat_url = "http://127.0.0.1:1/stat"\n'
        f'[journal]\npath = "{directory / "journal.db"}"\n'
    )
    return path


def ledger_with_viewers(journal: SqliteJournal) -> Ledger:
    """Return a ledger with 29 viewers that the service has not acknowledged."""
    server = MediaServer(Random(1), now := time.time_ns() // 1_000_000 - 3_600_000)
    ledger = Ledger(journal, "journal-1", "edge-1", "edge", 10_000)
    for step in range(30):
        now += 60_000
        server.connect(now, "play" if step else "publish", "stage-1")
        server.move_bytes(now)
        ledger.record(server.read(now, ledger.cursor))
    return ledger


def write_status(directory: Path) -> StatusFile:
    """Write a journal with figures and the status of an agent that is retrying."""
    journal = SqliteJournal(directory / "journal.db")
    ledger = ledger_with_viewers(journal)
    schedule = SyncSchedule("edge-1", 10_000, 0, Random(1))
    schedule.record_failure(0, "http://127.0.0.1:1 cannot be reached")
    file = StatusFile("edge-1", directory / "journal.db")
    file.write(ledger, schedule, "", -120, time.time_ns() // 1_000_000, 0)
    journal.close()
    return file
