"""An agent of before in the middle of an outage, and what the service has once an agent has delivered its journal."""

import contextlib
import json
import shutil
import sqlite3
import time
from pathlib import Path

from tests.compatibility.exchange import Client, Json
from tests.compatibility.programs.media_server import Connection, MediaServer, serving
from tests.compatibility.programs.processes import (
    FIXTURES,
    TOKENS,
    Clock,
    command_line,
    run,
    service,
    started,
    stop,
    wait_until,
)

BEGIN = 1_773_489_570_000
"""2026-03-14T11:59:30Z: the outage goes over a full minute."""
AWAY_MS = 300_000
"""How long no agent runs before the journal is delivered."""
SERVER = "media-1"
AGENT_ENVIRONMENT = {"STREAMTOP_AGENT_TOKEN": TOKENS[SERVER]}


def configure_agent(directory: Path, service_port: int, stat_url: str, journal: Path) -> Path:
    """Write the agent's configuration, as `fixtures/agent.toml` has it, with these addresses."""
    text = (FIXTURES / "agent.toml").read_text()
    for placeholder, value in (
        ("http://127.0.0.1:1", f"http://127.0.0.1:{service_port}"),
        ("http://127.0.0.1:2/stat", stat_url),
        ("JOURNAL", str(journal)),
    ):
        assert f'"{placeholder}"' in text
        text = text.replace(f'"{placeholder}"', f'"{value}"')
    path = directory / "agent.toml"
    path.write_text(text)
    return path


def record_journal(directory: Path) -> tuple[Path, Path, Json]:
    """Run an agent into an outage and kill it there.

    Returns its journal, the store of the service as it was when the outage began, and what a delivery starts from.
    """
    store, journal = directory / "usage.db", directory / "journal.db"
    clock = Clock(directory / "clock", BEGIN)
    clock.run_from(BEGIN)
    media = MediaServer(bytes_in=1_000_000, bytes_out=5_000_000)
    for number, stream, publishes in ((1, "s1", True), (2, "s2", True), (3, "s1", False), (4, "s2", False)):
        media.connections[number] = Connection(stream, BEGIN - 1000 * number, publishes)

    def pass_second() -> None:
        time.sleep(1)
        media.bytes_in += 125_000
        media.bytes_out += 40_000 * len(media.connections)
        media.now_ms = clock.read_ms()

    with serving(media) as stat_url, contextlib.ExitStack() as stack:
        media.now_ms = clock.read_ms()
        with service(store, clock) as port:
            client = Client(port, clock)
            config = configure_agent(directory, port, stat_url, journal)
            command = command_line("tui", "agent", "--config", str(config), clock=clock)
            agent = stack.enter_context(
                started(command, directory / "agent-home", directory / "agent.log", AGENT_ENVIRONMENT)
            )
            wait_until(lambda: client.read_json("/api/v1/servers")["servers"], "the agent reports")
            for number in range(10, 14):
                media.connections[number] = Connection("s1", clock.read_ms())
                pass_second()
        number = 20
        while _phase(config, directory, clock) != "accumulating":
            number += 1
            media.connections[number] = Connection(f"s{number % 2 + 1}", clock.read_ms())
            media.connections.pop(number - 4, None)
            if number == 24:
                del media.connections[2]
                media.connections[5] = Connection("s3", clock.read_ms(), publishes=True)
            pass_second()
        pass_second()
        agent.kill()
        agent.wait()
    for database in (store, journal):
        with contextlib.closing(sqlite3.connect(database, isolation_level=None)) as connection:
            connection.execute("PRAGMA journal_mode = DELETE")
            connection.execute("VACUUM")
    start = {"killed_at": clock.read_ms(), "bytes_in": media.bytes_in, "bytes_out": media.bytes_out}
    return journal, store, start


def deliver(journal: Path, store: Path | None, start: Json, directory: Path) -> Json:
    """Let an agent deliver the journal to a service: with the store of before the outage, or to an empty one.

    Returns the figures that the service has then. The media server has nobody left, and moved some bytes meanwhile.
    """
    directory.mkdir()
    own_journal, own_store = directory / "journal.db", directory / "usage.db"
    shutil.copyfile(journal, own_journal)
    if store is not None:
        shutil.copyfile(store, own_store)
    resumed_at = start["killed_at"] + AWAY_MS
    clock = Clock(directory / "clock", resumed_at)
    clock.run_from(resumed_at)
    media = MediaServer(start["bytes_in"] + 10_000, start["bytes_out"] + 70_000)
    with serving(media) as stat_url, service(own_store, clock) as port:
        client = Client(port, clock)
        config = configure_agent(directory, port, stat_url, own_journal)
        checked = run("agent", "check", "--config", str(config), home=directory / "agent-home", clock=clock,
                      environment=AGENT_ENVIRONMENT)  # fmt: skip
        assert checked.code == 0, checked
        command = command_line("tui", "agent", "--config", str(config), clock=clock)
        with started(command, directory / "agent-home", directory / "agent.log", AGENT_ENVIRONMENT) as agent:
            wait_until(lambda: _is_delivered(client, resumed_at), "the journal is delivered")
            stop(agent)
            assert agent.returncode == 0, (directory / "agent.log").read_text()
        return _figures(client, start["killed_at"])


def _phase(config: Path, directory: Path, clock: Clock) -> str:
    told = run(
        "agent", "status", "--config", str(config), "--format", "json", home=directory / "agent-home", clock=clock
    )
    return str(json.loads(told.out)[0]["phase"])


def _is_delivered(client: Client, resumed_at: int) -> bool:
    servers = client.read_json("/api/v1/servers")["servers"]
    if not any(server["watermark"] >= resumed_at and server["phase"] == "online" for server in servers):
        return False
    coverage = client.read_json(f"/api/v1/coverage?from={BEGIN}&to={resumed_at}")
    outages = coverage["servers"][0]["outages"]
    return bool(outages) and outages[0]["phases"][-1]["phase"] == "online"


def _figures(client: Client, killed_at: int) -> Json:
    """Return all that the service has of the time before the agent was killed, and the sums of the whole day."""
    records = client.read_json("/streammanager/api/4.0/admin/event/usage")
    coverage = client.read_json(f"/api/v1/coverage?from={BEGIN}&to={killed_at}")["servers"]
    daily = client.read_json("/api/v1/daily?from=2026-03-14&to=2026-03-14&tz=UTC")["days"]
    carriers = client.read_json(f"/api/v1/carriers?from={BEGIN}&to={killed_at}")["carriers"]
    history = client.read_json(f"/api/v1/streams/live/s1/history?from={BEGIN}&to={killed_at}")["points"]
    return {
        "records": [{name: value for name, value in each.items() if name != "updated"} for each in records],
        "coverage": [
            {
                "spans": [{name: span[name] for name in ("from", "to", "state")} for span in server["spans"]],
                "outages": [
                    {"from": outage["from"], "phases": [each["phase"] for each in outage["phases"]]}
                    | {"failed_attempts": outage["failed_attempts"], "left_out": outage["left_out"]}
                    for outage in server["outages"]
                ],
            }
            for server in coverage
        ],
        "daily": [
            {name: value for name, value in day.items() if name not in ("coverage", "backfilled", "percentile_95")}
            for day in daily
        ],
        "carriers": carriers,
        "history": history,
    }
