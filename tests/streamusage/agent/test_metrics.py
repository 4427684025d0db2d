"""The endpoint `GET /metrics` of an agent."""

import asyncio
from pathlib import Path

import httpx
import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from streamusage.agent.config.files import load_agent_configs
from streamusage.agent.journal.sqlite import JournalError
from streamusage.agent.metrics import format_metrics, serve_metrics
from streamusage.agent.reading import UnreachableSourceError
from streamusage.agent.sources import SOURCE_MODELS
from streamusage.agent.sources.common.http_probe import HttpStatusError
from streamusage.agent.supervisor import run_agent
from streamusage.core.clock import SystemClock
from tests.support.agent.agent_command import write_config, write_status
from tests.support.metrics.exposition import scrape
from tests.support.real.processes import free_port
from tests.support.waiting import LONGEST_WAIT_S


async def test_metrics_are_served_in_prometheus_format(tmp_path: Path) -> None:
    file = await asyncio.to_thread(write_status, tmp_path)
    port = free_port()
    async with (
        serve_metrics([file], ("127.0.0.1", port)),
        httpx.AsyncClient(trust_env=False, timeout=LONGEST_WAIT_S) as http,
    ):
        response = await http.get(f"http://127.0.0.1:{port}/metrics")
        assert 'streamtop_agent_owed_connections{server="edge-1"} 29.0\n' in response.text
        assert 'streamtop_agent_online{server="edge-1"} 0.0\n' in response.text
        assert response.headers["content-type"].startswith("text/plain; version=0.0.4")
        assert (await http.get(f"http://127.0.0.1:{port}/other")).status_code == 404
    assert format_metrics([]).count(b"# TYPE") == format_metrics([]).count(b"# HELP") > 5


async def test_metrics_omit_a_server_whose_agent_has_ended(tmp_path: Path) -> None:
    file = write_status(tmp_path)
    (tmp_path / "journal.db").unlink()
    (tmp_path / "journal.db").mkdir()
    (unit,) = load_agent_configs(write_config(tmp_path), SOURCE_MODELS)
    port = free_port()
    async with (
        serve_metrics([file], ("127.0.0.1", port)),
        httpx.AsyncClient(trust_env=False, timeout=LONGEST_WAIT_S) as http,
    ):
        assert "edge-1" in (await http.get(f"http://127.0.0.1:{port}/metrics")).text
        with pytest.raises(JournalError):
            await run_agent(unit, SystemClock(), asyncio.Event(), file)
        assert "edge-1" not in (await http.get(f"http://127.0.0.1:{port}/metrics")).text


async def test_metrics_count_readings_errors_by_kind_and_what_is_not_acknowledged(tmp_path: Path) -> None:
    file = await asyncio.to_thread(write_status, tmp_path)
    file.activity.record_reading(log_lines=7, unreadable_lines=2)
    file.activity.record_source_error(HttpStatusError(500, "failed"))
    file.activity.record_source_error(UnreachableSourceError("no answer"))
    file.activity.record_failed_sync()
    port = free_port()
    async with serve_metrics([file], ("127.0.0.1", port)), httpx.AsyncClient(trust_env=False) as http:
        found = await scrape(http, f"http://127.0.0.1:{port}/metrics")
        assert found.value("streamtop_agent_readings_total", server="edge-1") == 1
        assert found.value("streamtop_agent_log_lines_total", server="edge-1") == 7
        assert found.value("streamtop_agent_unreadable_log_lines_total", server="edge-1") == 2
        kinds = {labels["kind"]: value for labels, value in found.matching("streamtop_agent_source_errors_total")}
        assert kinds == {"unreachable": 1, "status": 1, "answer": 0, "log": 0, "other": 0}
        assert found.value("streamtop_agent_unacknowledged_rows", server="edge-1") > 0
        assert found.value("streamtop_agent_failed_syncs_total", server="edge-1") == 1
        assert not found.matching("streamtop_agent_last_sync_timestamp_seconds")
        file.activity.record_sync(5_000)
        found = await scrape(http, f"http://127.0.0.1:{port}/metrics")
        assert found.value("streamtop_agent_last_sync_timestamp_seconds", server="edge-1") == 5
        answer = await http.get(f"http://127.0.0.1:{port}/metrics", headers={"Accept": "application/openmetrics-text"})
        assert answer.headers["content-type"].startswith("application/openmetrics-text")
        assert list(text_string_to_metric_families(answer.text))
