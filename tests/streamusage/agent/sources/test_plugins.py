"""Sources of other packages: the agent's command runs them against the service, and reports broken packages."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.agent.agent_command import SECRET
from tests.support.agent.plugin import SitePackages
from tests.support.real.estate import ReportedFigures, ServiceProcess
from tests.support.real.processes import Programs, RunningProgram, until
from tests.support.waiting import LONGEST_WAIT_S

KIND = """
from streamusage.agent.config.sources import SourceSection
from streamusage.agent.sources.common.kind import SourceKind
"""


@pytest.fixture
def site(tmp_path: Path) -> SitePackages:
    return SitePackages(tmp_path)


@pytest.fixture
def programs(tmp_path: Path) -> Iterator[Programs]:
    with Programs(tmp_path) as running:
        yield running


def write_counters(directory: Path, bytes_out: int) -> Path:
    path = directory / "counters.json"
    temporary = path.with_suffix(".new")
    started_at = time.time_ns() // 1_000_000 - 60_000
    counters = {"boot": "b1", "started_at": started_at, "stream": "cam", "bytes_in": 0, "bytes_out": bytes_out}
    temporary.write_text(json.dumps(counters))
    temporary.rename(path)
    return path


def write_config(directory: Path, source: str, service_url: str = "http://127.0.0.1:1") -> Path:
    path = directory / "agent.toml"
    path.write_text(
        f'server = "edge-1"\n[service]\nurl = "{service_url}"\ntoken_env = "AGENT_TOKEN"\nsync_interval = "500ms"\n'
        f'[source]\npoll_interval = "200ms"\n{source}\n[journal]\npath = "{directory / "journal.db"}"\n'
    )
    return path


def run_agent(site: SitePackages, config: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command of the agent that ends by itself."""
    return subprocess.run(
        [sys.executable, "-m", "streamusage.agent", *arguments, "--config", str(config)],
        capture_output=True,
        text=True,
        timeout=LONGEST_WAIT_S,
        env={"PATH": "/usr/bin:/bin", "AGENT_TOKEN": SECRET, "HOME": str(config.parent)} | site.environment,
        cwd=config.parent,
        check=False,
    )


def start_agent(site: SitePackages, programs: Programs, config: Path, token: str) -> RunningProgram:
    command = [sys.executable, "-m", "streamusage.agent", "--config", str(config)]
    return programs.start("agent", command, {"AGENT_TOKEN": token} | site.environment)


async def test_source_of_another_package_reports_to_the_service(
    tmp_path: Path, site: SitePackages, programs: Programs
) -> None:
    site.install_counter_file_source()
    path = write_counters(tmp_path, 1_000)
    service = ServiceProcess(tmp_path, programs, ["edge-1"])
    await service.start()
    figures = ReportedFigures(service, "edge-1")
    config = write_config(tmp_path, f'kind = "counter-file"\npath = "{path}"', service.url)
    agent = start_agent(site, programs, config, service.agent_tokens["edge-1"])
    await until(figures.watermark, f"the agent reports: {agent.output()}")
    before = (await figures.totals()).bytes_out
    write_counters(tmp_path, 6_000)

    async def has_difference() -> bool:
        return (await figures.totals()).bytes_out == before + 5_000

    await until(has_difference, "the difference of the counters is reported")
    assert agent.stop() == 0


async def test_agent_continues_after_a_reading_of_a_package_fails(
    tmp_path: Path, site: SitePackages, programs: Programs
) -> None:
    site.install_counter_file_source()
    path = tmp_path / "counters.json"
    path.mkdir()
    config = write_config(tmp_path, f'kind = "counter-file"\npath = "{path}"')
    agent = start_agent(site, programs, config, SECRET)
    package = "package counter-file-source 1.0, entry point counter-file = counter_file_source:SOURCE"
    problem = f"cannot read edge-1: {package}: read failed with IsADirectoryError"
    await until(lambda: problem in agent.output(), "the error is logged")
    path.rmdir()
    write_counters(tmp_path, 1_000)
    await until(lambda: "edge-1 can be read again" in agent.output(), "the source is read again")
    assert agent.stop() == 0
    assert "Traceback" not in agent.output()


@pytest.mark.parametrize(
    ("source", "problem"),
    [
        ("import absent_library", "loading it failed with ModuleNotFoundError: No module named 'absent_library'"),
        ("raise SystemExit(7)", "loading it failed with SystemExit: 7"),
        ("OTHER = 1", "loading it failed with AttributeError"),
        ("SOURCE = 1", "it is of type int, not a SourceKind"),
        (f"{KIND}SOURCE = SourceKind('b', '', '', '', SourceSection, print)", "it is the kind 'b', not 'acme'"),
        (f"{KIND}SOURCE = SourceKind('acme', '', '', '', int, print)", "its configuration is not a subclass of Source"),
    ],
)
def test_broken_package_is_refused_with_its_name_and_the_reason(
    tmp_path: Path, site: SitePackages, source: str, problem: str
) -> None:
    site.install("acme_source", "acme = acme_source:SOURCE", source, "2.3")
    result = run_agent(site, config := write_config(tmp_path, 'kind = "acme"'))
    assert result.returncode == 2
    expected = f"{config}:8: source.kind: package acme-source 2.3, entry point acme = acme_source:SOURCE: {problem}"
    assert expected in result.stderr
    assert "Traceback" not in result.stderr


def test_package_whose_factory_fails_is_refused_with_the_reason(tmp_path: Path, site: SitePackages) -> None:
    source = f"{KIND}SOURCE = SourceKind('acme', '', '', '', SourceSection, lambda config: None)"
    site.install("acme_source", "acme = acme_source:SOURCE", source)
    for command in ((), ("check",)):
        result = run_agent(site, write_config(tmp_path, 'kind = "acme"'), *command)
        assert result.returncode == 2
        assert "acme = acme_source:SOURCE: its factory failed with TypeError: " in result.stderr
        assert "Traceback" not in result.stderr


def test_broken_package_of_another_kind_is_not_loaded(tmp_path: Path, site: SitePackages) -> None:
    site.install("acme_source", "acme = acme_source:SOURCE", "raise SystemExit(7)")
    site.install("false_source", "hls = false_source:SOURCE", "raise SystemExit(7)")
    log = tmp_path / "access.log"
    log.touch()
    result = run_agent(site, write_config(tmp_path, f'kind = "hls"\naccess_log = "{log}"'), "check")
    assert "ok      media server: " in result.stdout


def test_kinds_of_packages_are_listed_with_the_built_in_ones(tmp_path: Path, site: SitePackages) -> None:
    site.install_counter_file_source()
    result = run_agent(site, write_config(tmp_path, 'kind = "flash"'))
    assert "source.kind: unknown kind; allowed: nginx-rtmp, icecast, " in result.stderr
    assert result.stderr.rstrip().endswith(", counter-file")


def test_two_packages_of_one_kind_are_refused(tmp_path: Path, site: SitePackages) -> None:
    site.install("one_source", "acme = one_source:SOURCE", "")
    site.install("two_source", "acme = two_source:SOURCE", "")
    result = run_agent(site, write_config(tmp_path, 'kind = "acme"'))
    assert result.returncode == 2
    assert "several packages provide the kind 'acme': package one-source 1.0" in result.stderr
    assert "package two-source 1.0" in result.stderr


def test_unknown_key_of_a_package_is_refused_with_the_allowed_keys(tmp_path: Path, site: SitePackages) -> None:
    site.install_counter_file_source()
    result = run_agent(site, write_config(tmp_path, 'kind = "counter-file"\npath = "x"\npaht = "x"'))
    assert (
        "agent.toml:10: source.paht: unknown key; allowed: kind, poll_interval, timeout, ca_file, path" in result.stderr
    )
