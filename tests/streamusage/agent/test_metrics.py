"""The endpoint `GET /metrics` of an agent."""

import asyncio
from pathlib import Path

import httpx
import pytest

from streamusage.agent.config.files import load_agent_configs
from streamusage.agent.journal.sqlite import JournalError
from streamusage.agent.metrics import format_metrics, serve_metrics
from streamusage.agent.sources import SOURCE_MODELS
from streamusage.agent.supervisor import run_agent
from streamusage.core.clock import SystemClock
from tests.support.agent.agent_command import write_config, write_status
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
        assert 'streamtop_agent_owed_connections{server="edge-1"} 29\n' in response.text
        assert 'streamtop_agent_online{server="edge-1"} 0\n' in response.text
        assert response.headers["content-type"].startswith("text/plain; version=0.0.4")
        assert (await http.get(f"http://127.0.0.1:{port}/other")).status_code == 404
    assert format_metrics([]).count("# TYPE") == format_metrics([]).count("# HELP") > 5


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
