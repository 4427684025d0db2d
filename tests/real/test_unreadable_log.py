"""A real nginx-rtmp whose log is in a form of the operator: nothing is shown as live, and `agent check` fails."""

from pathlib import Path

import pytest

from streamusage.core.exit_codes import ExitCode
from streamusage.core.reasons import LOG_NOT_UNDERSTOOD
from tests.support.real.estate import AgentProcess, ReportedFigures, ServiceProcess
from tests.support.real.nginx import LOG_FORMAT, Nginx
from tests.support.real.processes import Programs

pytestmark = pytest.mark.real

JSON_FORMAT = '{"time":$msec,"conn":$connection,"cmd":"$command","app":"$app","name":"$name","tx":$bytes_sent}'


@pytest.mark.parametrize("log_format", [JSON_FORMAT, LOG_FORMAT], ids=["json", "recommended"])
async def test_log_in_a_form_of_the_operator_is_partial_and_fails_the_check(
    log_format: str, tmp_path: Path, programs: Programs, clip: Path
) -> None:
    directory = tmp_path / "nginx"
    directory.mkdir()
    nginx = Nginx(directory, programs, clip, log_format=log_format)
    await nginx.start()
    service = ServiceProcess(tmp_path, programs, ["edge-1"])
    await service.start()
    agent = AgentProcess(tmp_path, programs, "edge-1", service, nginx, 500)
    figures = ReportedFigures(service, "edge-1")
    agent.start()
    await figures.wait_until_synced()
    publisher = nginx.publish("s1")
    await nginx.wait_for_clients(1)
    viewers = [nginx.watch("s1"), nginx.watch("s1")]
    await nginx.wait_for_clients(3)
    await figures.wait_until_synced()
    for program in (*viewers, publisher):
        program.stop()
    await nginx.wait_for_clients(0)
    await figures.wait_until_synced()
    page = await nginx.page()
    totals, gaps = await figures.totals(), await figures.gaps()
    agent.kill()
    checked = agent.check()
    assert totals.connections == 2
    assert totals.bytes_out == int(page.partition("<bytes_out>")[2].partition("<")[0]), "the page's counters are used"
    if log_format == LOG_FORMAT:
        assert {gap["reason"] for gap in gaps if gap["state"] == "partial"} == set()
        assert checked.returncode == ExitCode.SUCCESS, checked.stdout
        return
    assert {gap["reason"] for gap in gaps if gap["state"] == "partial"} == {LOG_NOT_UNDERSTOOD}
    assert LOG_NOT_UNDERSTOOD in {gap["reason"] for gap in gaps}
    assert checked.returncode == ExitCode.FAILURE
    assert "ok      service" in checked.stdout
    assert f"FAILED  media server: figures of this server are partial: no line of the log {nginx.access_log}" in (
        checked.stdout
    )
    assert "log_format streamtop" in checked.stdout
