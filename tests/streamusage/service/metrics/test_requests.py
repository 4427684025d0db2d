"""Metrics of requests and reports, and the forms in which metrics are sent."""

import asyncio

from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics_families
from prometheus_client.parser import text_string_to_metric_families

from tests.streamusage.service.conftest import USAGE, Estate
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


async def test_openmetrics_are_sent_if_the_scraper_accepts_them(estate: Estate) -> None:
    await ReportingAgent(estate, "edge-1").sync_up(a_session())
    accept = {"accept": "application/openmetrics-text;version=1.0.0,text/plain;q=0.5"}
    answer = await estate.request("GET", "/metrics", "viewer-token", headers=accept)
    assert answer.headers["content-type"].startswith("application/openmetrics-text")
    assert answer.text.endswith("# EOF\n")
    names = {family.name for family in openmetrics_families(answer.text)}
    plain = await estate.request("GET", "/metrics", "viewer-token")
    assert plain.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert names >= {family.name for family in text_string_to_metric_families(plain.text)} - {
        "streamtop_commit_seconds_created", "streamtop_commit_writes_created", "streamtop_discarded_records_created"
    }  # fmt: skip


async def test_metrics_of_the_process_and_of_the_estate_are_sent_apart(estate: Estate) -> None:
    await ReportingAgent(estate, "edge-1").sync_up(a_session())
    names = {}
    for include in ("process", "estate"):
        answer = await estate.request("GET", f"/metrics?include={include}", "viewer-token")
        names[include] = {family.name for family in text_string_to_metric_families(answer.text)}
    assert not names["process"] & names["estate"]
    assert {"streamtop_requests", "streamtop_build_info", "streamtop_clock_doubtful"} <= names["process"]
    assert {"streamtop_servers", "streamtop_traffic_bytes", "streamtop_journal_lag_seconds"} <= names["estate"]
    wrong = await estate.request("GET", "/metrics?include=all", "viewer-token")
    assert (wrong.status_code, wrong.json()["errorMessage"]) == (
        400, "include must be process or estate; without it, all metrics are returned"
    )  # fmt: skip
