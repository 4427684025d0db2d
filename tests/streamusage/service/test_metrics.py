"""Metrics of the service, and the dashboard that queries them."""

import asyncio
import json
import re

from tests.streamusage.service.conftest import USAGE, Estate
from tests.support.program import REPOSITORY
from tests.support.service.parties.reporting import ReportingAgent, a_session
from tests.support.waiting import LONGEST_WAIT_S


async def test_metrics_include_rate_errors_duration_and_open_requests(estate: Estate) -> None:
    agent = ReportingAgent(estate, "edge-1")
    estate.clock.now += 10_000
    await agent.sync_up(a_session())
    await agent.request("reports", b"{}")
    await estate.usage("GET", "/live/secret-name")
    estate.clock.now += 100_000
    assert (await estate.request("GET", "/metrics", None)).status_code == 401
    text = (await estate.request("GET", "/metrics", "viewer-token")).text
    assert 'streamtop_reports_total{outcome="acknowledged"} 1.0' in text
    assert 'streamtop_reports_total{outcome="held"} 1.0' in text
    assert "streamtop_reports_held 1.0" in text
    assert 'streamtop_journal_lag_seconds{server="edge-1"} 100.0' in text
    assert (
        f'streamtop_requests_total{{method="GET",route="{USAGE}/{{scope_and_name:anything}}",status="404"}} 1.0' in text
    )
    assert "secret-name" not in text
    assert "token" not in text
    assert "streamtop_request_seconds_bucket" in text
    async with asyncio.timeout(LONGEST_WAIT_S):
        while (  # noqa: ASYNC110
            'streamtop_gaps_open{state="missing"} 1.0'
            not in (await estate.request("GET", "/metrics", "viewer-token")).text
        ):
            await asyncio.sleep(0.05)


async def test_dashboard_queries_existing_metrics(estate: Estate) -> None:
    dashboard = json.loads((REPOSITORY / "docs" / "grafana.json").read_text())
    await ReportingAgent(estate, "edge-1").sync_up(a_session())
    text = (await estate.request("GET", "/metrics", "viewer-token")).text
    exported = set(re.findall(r"^(streamtop_\w+)", text, re.MULTILINE))
    queried = {name for panel in dashboard["panels"] for target in panel["targets"]
               for name in re.findall(r"streamtop_\w+", target["expr"])}  # fmt: skip
    assert queried <= exported
