"""The commands of the quickstart pages as they are printed: from a media server to a signed statement of a day."""

import json
import re
import time
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from tests.support.needs import need
from tests.support.program import REPOSITORY
from tests.support.real.fake_clock import SuspendedClock
from tests.support.real.nginx import sum_log
from tests.support.real.page_commands import PageRun, scratch_for_everyone

PAGES = REPOSITORY / "docs"
BERLIN = ZoneInfo("Europe/Berlin")

AFTER_MIDNIGHT = """
while streamtop ls state=live --url http://127.0.0.1:5080 --token-file admin.token | grep -E 'stage-1|radio'; do
  sleep 0.2
done
echo "{ahead}" > clock.new && mv clock.new clock
day=$(TZ=Europe/Berlin date -d yesterday +%F)
until streamtop daily --final-only --from "$day" --to "$day" --tz Europe/Berlin \
  --url http://127.0.0.1:5080 --token-file admin.token > /dev/null 2>&1; do sleep 0.2; done
"""
"""Moves the clock past the end of the day, as a machine that slept, and waits until the day is closed.

Before, the agent must have read that the stream ended: what it reads after midnight belongs to the next day."""


def seconds_until(hour: int, minute: int) -> int:
    """Return how far a clock must be set ahead to show this time of day in Berlin."""
    now = datetime.now(BERLIN)
    then = now.replace(hour=hour, minute=minute, second=0, microsecond=0)
    return int(((then if then > now else then + timedelta(days=1)) - now).total_seconds())


def run_page(page: str, scratch: Path, *ports: int) -> tuple[str, date]:
    """Run a page over the midnight of its first day. Return its output and that day."""
    ahead = seconds_until(23, 40)
    clock = SuspendedClock(scratch / "clock")
    clock.set_ahead(ahead)
    day = datetime.fromtimestamp(time.time() + ahead, BERLIN).date()
    run = PageRun(PAGES / page, scratch, ports, clock)
    run.run({"midnight in Berlin": AFTER_MIDNIGHT.format(ahead=f"{ahead + 1800:+d}")})
    return run.log.read_text(), day


def closed_figures(scratch: Path, day: date) -> dict[str, dict[str, Any]]:
    """Return the figures of each server in the statement of the day."""
    statement = json.loads((scratch / "statement.json").read_text())
    assert {entry["day"] for entry in statement["days"]} == {str(day)}
    return {entry["server"]: entry["figures"] for entry in statement["days"]}


@pytest.mark.real_clocks
def test_page_leads_from_nginx_to_a_bill() -> None:
    need("curl")
    with scratch_for_everyone() as scratch:
        output, day = run_page("quickstart.md", scratch, 1935, 5080, 8080, 18080)
        assert re.search(r"media-1 .*final", output), output
        assert str(day) in (scratch / "bill.html").read_text()
        figures = closed_figures(scratch, day)
        assert figures["media-1"]["connections_by_protocol"] == {"rtmp": 1}, output
        assert figures["media-1-hls"]["connections_by_protocol"] == {"hls": 1}, output
        web_log = (scratch / "hls_access.log").read_text()
        assert figures["media-1-hls"]["bytes_out"] == sum(map(int, re.findall(r'" 200 (\d+) "', web_log))), web_log
        plays = re.findall(r' tx=(\d+) t=\d+ "PLAY"', (scratch / "rtmp_access.log").read_text())
        sent = sum_log(scratch / "rtmp_access.log").bytes_out
        assert sum(map(int, plays)) <= figures["media-1"]["bytes_out"] <= sent


@pytest.mark.real_icecast
def test_page_leads_from_icecast_to_a_bill() -> None:
    need("libfaketime")
    with scratch_for_everyone() as scratch:
        output, day = run_page("quickstart-icecast.md", scratch, 5080, 8000)
        figures = closed_figures(scratch, day)["radio-1"]
        assert figures["connections_by_protocol"] == {"http": 1}, output
        log = (scratch / "access.log").read_text()
        (sent,) = re.findall(r'"GET /live/radio\.mp3 HTTP/1\.[01]" 200 (\d+) ', log)
        assert figures["bytes_out"] == int(sent), output + log
        assert "and-this-one" not in output + (scratch / "agent.toml").read_text()
