"""Dashboards, rules and metrics in a real Prometheus, which scrapes a service with a scripted estate and an agent."""

import asyncio
import json
import re
import subprocess
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import pytest

from streamusage.service.store.engines.sqlite import sqlite_url
from tests.support.metrics.programs import run_agent
from tests.support.metrics.prometheus import Prometheus, Series, fill_in, run_prometheus
from tests.support.metrics.scripted import MeteredEstate, metered_estate, restarted
from tests.support.program import REPOSITORY
from tests.support.real.processes import free_port
from tests.support.waiting import wait_until

pytestmark = pytest.mark.prometheus

FILES = REPOSITORY / "tui" / "files"
DASHBOARDS = sorted((FILES / "grafana").glob("*.json"))
RULES = FILES / "prometheus" / "streamtop.rules.yml"
PAGE = (REPOSITORY / "docs" / "metrics.md").read_text()
LABEL_VALUES = re.compile(r"label_values\((\w+), (\w+)\)")
CONDITIONS = {
    "max by (server) (streamtop_journal_lag_seconds) > 90",
    "time() - max by (server) (streamtop_agent_last_sync_timestamp_seconds) > 300",
}
"""Queries of the page that have no data while nothing is wrong."""

Chosen = dict[str, list[str] | None]


class Panel(NamedTuple):
    """A query of a dashboard: of a panel, or of an annotation."""

    dashboard: str
    title: str
    expression: str
    legend: str
    is_instant: bool


class Answer(NamedTuple):
    """What Prometheus answered to a query of a dashboard."""

    panel: Panel
    chosen: Chosen
    series: list[Series]


class Counters(NamedTuple):
    """Counters over a restart of the service."""

    samples: list[Series]
    """All samples of the counters in the store."""
    sent: dict[str, list[float]]
    """By server: all samples of the bytes that it sent."""
    reported: dict[str, int]
    """By server: the bytes that its agent reported as sent, in the end."""
    increase: dict[str, float]
    """By server: `increase()` of the bytes that it sent."""
    resets: float
    """How often counters of the process began again."""
    reports: list[list[float]]
    """All samples of reports by outcome, which the process counts."""


class Observed(NamedTuple):
    """What was observed before and after a restart of the service."""

    lint: dict[str, str]
    """What `promtool` finds in the metrics, by program."""
    answers: list[Answer]
    of_page: dict[str, list[Series]]
    rules: list[dict[str, Any]]
    recorded: dict[str, list[Series]]
    days: dict[tuple[str, str], tuple[list[float], list[float]]]
    """By day and server: figures as Prometheus has them, and as daily statistics do."""
    counters: Counters


@pytest.fixture(scope="module")
def observed(tmp_path_factory: pytest.TempPathFactory) -> Observed:
    return asyncio.run(observe(tmp_path_factory.mktemp("prometheus")))


async def observe(directory: Path) -> Observed:
    store_url = sqlite_url(directory / "scripted.db")
    port, agent_port = free_port(), free_port()
    targets = {"streamtop": f"127.0.0.1:{port}", "streamtop-agents": f"127.0.0.1:{agent_port}"}
    async with (
        run_prometheus(directory, PAGE, targets, "viewer-token", RULES) as prometheus,
        run_agent(directory, targets["streamtop-agents"]) as of_agent,
    ):
        async with metered_estate(directory, store_url, ZoneInfo("UTC"), port=port) as script:
            await script.play(10)
            await script.play(4, without="edge-2")
            await script.estate.request("GET", "/api/v1/unknown")
            await prometheus.wait_for_scrapes()
            await script.play(1)
            await script.estate.request("GET", "/api/v1/unknown")
            await prometheus.wait_for_scrapes()
            texts = {"agent": of_agent.text, "service": (await script.scrape()).text}
            lint = {program: check_metrics(text) for program, text in texts.items()}
            answers = await ask_dashboards(prometheus)
            of_page = {query: await prometheus.query(query) for query in queries_of_page()}
            rules = await evaluated_rules(prometheus)
            names = [rule["name"] for rule in rules if rule["type"] == "recording"]
            recorded = {name: await prometheus.query(f"last_over_time({name}[1m])") for name in names}
            days = await compare_days(prometheus, script)
        async with restarted(script, directory, store_url, port):
            await prometheus.wait_for_scrapes()
            await script.play(1)
            await prometheus.wait_for_scrapes()
            after = await observe_counters(prometheus, script)
    return Observed(lint, answers, of_page, rules, recorded, days, after)


async def evaluated_rules(prometheus: Prometheus) -> list[dict[str, Any]]:
    rules: list[dict[str, Any]] = []

    async def are_evaluated() -> bool:
        rules[:] = await prometheus.rules()
        return all(rule["health"] != "unknown" for rule in rules) and any(rule.get("alerts") for rule in rules)

    await wait_until(are_evaluated, "the rules are evaluated, and one raises an alert", last_seen=lambda: rules)
    return rules


def check_metrics(text: str) -> str:
    """Return what Prometheus' own check of metrics finds."""
    found = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, text=True, check=False)
    return found.stdout + found.stderr + (f"exit code {found.returncode}" if found.returncode else "")


async def ask_dashboards(prometheus: Prometheus) -> list[Answer]:
    """Return the answers to each query for All, for every name chosen, and for the first one."""
    asked = []
    for path in DASHBOARDS:
        dashboard = json.loads(path.read_text())
        values: dict[str, list[str]] = {}
        for variable in dashboard["templating"]["list"]:
            if found := LABEL_VALUES.fullmatch(variable.get("definition", "")):
                values[variable["name"]] = await prometheus.label_values(found[1], found[2])
        assert all(values.values())
        choices: list[Chosen] = [{}, {}, {}]
        for name, names in values.items():
            for choice, chosen in zip(choices, (None, names, names[:1]), strict=True):
                choice[name] = chosen
        for panel in panels_of(dashboard):
            has_variables = any(f"${name}" in panel.expression for name in values)
            asked += [run_query(prometheus, panel, choice) for choice in (choices if has_variables else choices[:1])]
    return await asyncio.gather(*asked)


async def run_query(prometheus: Prometheus, panel: Panel, chosen: Chosen) -> Answer:
    query = fill_in(panel.expression, chosen)
    return Answer(panel, chosen, await (prometheus.query if panel.is_instant else prometheus.query_range)(query))


def panels_of(dashboard: dict[str, Any]) -> Iterator[Panel]:
    for panel in dashboard["panels"]:
        for target in panel.get("targets", ()):
            yield Panel(
                dashboard["title"], panel["title"], target["expr"], target["legendFormat"], target.get("instant", False)
            )
    for annotation in dashboard["annotations"]["list"]:
        legend = annotation["titleFormat"]
        yield Panel(dashboard["title"], annotation["name"], annotation["expr"], legend, is_instant=False)


def queries_of_page() -> list[str]:
    blocks = re.findall(r"```promql\n(.*?)```", PAGE, re.DOTALL)
    return [line for block in blocks for line in block.splitlines() if line and not line.startswith("#")]


async def compare_days(prometheus: Prometheus, script: MeteredEstate) -> dict[tuple[str, str], tuple[Any, Any]]:
    """Return by day and server the figures that Prometheus has, and those of daily statistics."""
    found = {}
    for day in ("yesterday", "today"):
        ((labels, _),) = await prometheus.query(f'streamtop_day_info{{day="{day}"}}')
        query = f"?from={labels['date']}&to={labels['date']}&tz={labels['tz']}"
        for row in (await script.estate.request("GET", f"/api/v1/daily{query}")).json()["days"]:
            chosen = f'day="{day}",server="{row["server"]}"'
            in_prometheus = [
                await prometheus.value(expression)
                for expression in (
                    f"sum(streamtop_day_connections{{{chosen}}})",
                    f'streamtop_day_traffic_bytes{{{chosen},direction="in"}}',
                    f'streamtop_day_traffic_bytes{{{chosen},direction="out"}}',
                    f"streamtop_day_view_seconds{{{chosen}}} * 1000",
                    f'streamtop_day_peak_bytes_per_second{{{chosen},direction="out"}} * 8',
                    f'streamtop_day_covered_seconds{{{chosen},state="backfilled"}} * 1000',
                )
            ]
            names = ("connections", "bytes_in", "bytes_out", "view_time_ms", "peak_out_bps")
            daily = [row[name] for name in names] + [row["coverage"]["backfilled_ms"]]
            found[day, row["server"]] = in_prometheus, daily
    return found


async def observe_counters(prometheus: Prometheus, script: MeteredEstate) -> Counters:
    stored = '{__name__=~"streamtop_(backfilled_)?(connections|traffic_bytes|view_seconds)_total"}'
    sent = 'streamtop_traffic_bytes_total{direction="out"}'
    increase = await prometheus.query(f"increase({sent}[5m])")
    return Counters(
        samples=await prometheus.query(f"{stored}[5m]"),
        sent={series.labels["server"]: series.values for series in await prometheus.query(f"{sent}[5m]")},
        reported={agent.server: agent.bytes_out for agent in script.agents.values()},
        increase={series.labels["server"]: series.values[0] for series in increase},
        resets=await prometheus.value("max(resets(streamtop_requests_total[5m]))"),
        reports=[series.values for series in await prometheus.query("streamtop_reports_total[5m]")],
    )


def test_prometheus_finds_no_fault_in_the_metrics_of_service_and_agent(observed: Observed) -> None:
    assert observed.lint == {"agent": "", "service": ""}


def test_prometheus_accepts_the_rules() -> None:
    found = subprocess.run(["promtool", "check", "rules", str(RULES)], capture_output=True, text=True, check=False)
    assert (found.returncode, "FAILED" in found.stdout) == (0, False), found.stdout + found.stderr


def test_every_panel_has_data_with_the_labels_of_its_legend(observed: Observed) -> None:
    of_all = [answer for answer in observed.answers if None in answer.chosen.values()]
    assert len(of_all) > 60
    assert [answer.panel for answer in of_all if not answer.series] == []
    for answer in observed.answers:
        legend = set(re.findall(r"{{(\w+)}}", answer.panel.legend))
        assert all(legend <= series.labels.keys() for series in answer.series), answer.panel


def test_chosen_names_select_their_series_whatever_their_characters(observed: Observed) -> None:
    by_panel: dict[Panel, list[Answer]] = {}
    for answer in observed.answers:
        by_panel.setdefault(answer.panel, []).append(answer)
    assert len(by_panel) > 60
    for panel, (of_all, *of_chosen) in by_panel.items():
        if not of_chosen:
            continue
        of_each, of_one = of_chosen
        found = [sorted(sorted(series.labels.items()) for series in answer.series) for answer in (of_all, of_each)]
        assert found[0] == found[1], panel
        for series in of_one.series:
            for variable, values in of_one.chosen.items():
                assert values
                if f"${variable}" in panel.expression and variable in series.labels:
                    assert series.labels[variable] in values, panel


def test_every_query_of_the_page_is_answered(observed: Observed) -> None:
    assert {query for query, series in observed.of_page.items() if not series} == CONDITIONS


def test_rules_are_evaluated(observed: Observed) -> None:
    assert {rule["name"]: rule.get("lastError", "") for rule in observed.rules if rule["health"] != "ok"} == {}
    assert len(observed.rules) > 15
    assert [name for name, series in observed.recorded.items() if not series] == []
    alerts = {rule["name"]: rule["alerts"] for rule in observed.rules if rule.get("alerts")}
    assert set(alerts) == {"StreamtopFiguresOld"}  # the clock of the scripted service is days in the past
    (alert,) = alerts["StreamtopFiguresOld"]
    assert alert["annotations"]["summary"] == "Figures in the metrics are older than ten minutes"


def test_days_in_prometheus_equal_daily_statistics(observed: Observed) -> None:
    assert len(observed.days) == 6
    for key, (in_prometheus, daily) in observed.days.items():
        assert in_prometheus == daily, key
        assert daily[2] > 0


def test_counters_in_the_store_neither_fall_nor_jump_over_a_restart(observed: Observed) -> None:
    counters = observed.counters
    assert len(counters.samples) > 20
    for series in counters.samples:
        assert series.values == sorted(series.values), series.labels
    assert {server: values[-1] for server, values in counters.sent.items()} == counters.reported
    for server, values in counters.sent.items():
        gained = values[-1] - values[0]
        assert gained > 0
        assert gained <= counters.increase[server] < 1.5 * gained  # it extrapolates to the ends of its range


def test_counters_of_the_process_begin_again_and_count_each_report_once(observed: Observed) -> None:
    assert observed.counters.resets >= 1
    counted = 0.0
    for values in observed.counters.reports:
        for before, after in pairwise([0.0, *values]):
            counted += after - before if after >= before else after
    assert counted == 10 * 3 + 4 * 2 + 3 + 3
