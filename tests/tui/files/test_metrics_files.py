"""Dashboards, rules and the page about metrics, compared with what running programs export."""

import asyncio
import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from tests.support.metrics.exposition import Exported
from tests.support.metrics.programs import exported_by_programs
from tests.support.metrics.promql import ADDED_BY_FUNCTIONS, ADDED_BY_PROMETHEUS, parse_query
from tests.support.program import REPOSITORY

FILES = REPOSITORY / "tui" / "files"
DASHBOARDS = sorted((FILES / "grafana").glob("*.json"))
RULES = FILES / "prometheus" / "streamtop.rules.yml"
PAGE = REPOSITORY / "docs" / "metrics.md"
COUNTED = {"counter": {"rate", "increase", "irate", "resets"}, "histogram": {"rate", "increase"}}

Programs = tuple[dict[str, Exported], dict[str, Exported]]


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Programs:
    return asyncio.run(exported_by_programs(tmp_path_factory.mktemp("programs")))


def queries_of(dashboard: dict[str, Any]) -> Iterator[str]:
    for panel in dashboard["panels"]:
        yield from (target["expr"] for target in panel.get("targets", ()))
    yield from (annotation["expr"] for annotation in dashboard["annotations"]["list"])


def rules() -> list[dict[str, Any]]:
    return [rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]]


def queries_of_page() -> list[str]:
    blocks = re.findall(r"```promql\n(.*?)```", PAGE.read_text(), re.DOTALL)
    lines = [line for block in blocks for line in block.splitlines() if line and not line.startswith("#")]
    assert len(lines) > 10
    return lines


def all_queries() -> list[str]:
    of_boards = [query for path in DASHBOARDS for query in queries_of(json.loads(path.read_text()))]
    return [*of_boards, *(rule["expr"] for rule in rules()), *queries_of_page()]


def test_every_query_selects_exported_metrics_by_labels_that_they_have(programs: Programs) -> None:
    exported = programs[0] | programs[1]
    wrong = []
    for query in all_queries():
        for selected in parse_query(query):
            metric = exported.get(selected.name)
            if metric is None:
                wrong.append(f"{selected.name} is not exported: {query}")
                continue
            unknown = selected.labels - metric.labels - ADDED_BY_PROMETHEUS
            if metric.kind == "histogram":
                unknown -= ADDED_BY_FUNCTIONS
            if unknown:
                wrong.append(f"{selected.name} has no label {sorted(unknown)}: {query}")
            if selected.function not in COUNTED.get(metric.kind, {selected.function} - COUNTED["counter"]):
                wrong.append(f"{selected.name} is a {metric.kind}, used by {selected.function or 'itself'}: {query}")
    assert wrong == []


def test_variables_of_dashboards_are_labels_of_metrics(programs: Programs) -> None:
    exported = programs[0] | programs[1]
    for path in DASHBOARDS:
        for variable in json.loads(path.read_text())["templating"]["list"]:
            if variable["type"] == "query":
                found = re.fullmatch(r"label_values\((\w+), (\w+)\)", variable["query"]["query"])
                assert found
                assert found[2] in exported[found[1]].labels


def test_dashboards_use_only_their_own_variables() -> None:
    for path in DASHBOARDS:
        dashboard = json.loads(path.read_text())
        known = {variable["name"] for variable in dashboard["templating"]["list"]} | {"__rate_interval", "__all"}
        text = path.read_text()
        assert {one or other for one, other in re.findall(r"\$(?:\{(\w+)\}|(\w+))", text)} <= known
        legends = [target["legendFormat"] for panel in dashboard["panels"] for target in panel.get("targets", ())]
        assert all(legends)


def test_panels_have_units_and_do_not_overlap() -> None:
    for path in DASHBOARDS:
        panels = json.loads(path.read_text())["panels"]
        cells: set[tuple[int, int]] = set()
        assert len({panel["id"] for panel in panels}) == len(panels)
        for panel in panels:
            place = panel["gridPos"]
            of_panel = {
                (x, y)
                for x in range(place["x"], place["x"] + place["w"])
                for y in range(place["y"], place["y"] + place["h"])
            }
            assert not of_panel & cells, panel["title"]
            assert place["x"] + place["w"] <= 24
            cells |= of_panel
            if panel["type"] != "row":
                assert panel["fieldConfig"]["defaults"]["unit"]


def test_alerts_have_a_severity_and_a_summary_and_use_only_labels_of_their_query() -> None:
    alerts = [rule for rule in rules() if "alert" in rule]
    assert len({rule["alert"] for rule in alerts}) == len(alerts) > 10
    for rule in alerts:
        assert rule["labels"]["severity"] in {"warning", "critical"}
        text = json.dumps(rule["annotations"])
        assert rule["annotations"]["summary"]
        grouped = set(re.findall(r"\w+", "".join(re.findall(r"by \(([^)]*)\)", rule["expr"]))))
        assert set(re.findall(r"\$labels\.(\w+)", text)) <= grouped, rule["alert"]


def test_page_describes_every_metric_with_its_type_and_labels(programs: Programs) -> None:
    rows = re.findall(r"^\| `(streamtop_\w+)` \| (\w+) \| ([^|]*) \|", PAGE.read_text(), re.MULTILINE)
    described = {name: (kind, frozenset(re.findall(r"`(\w+)`", labels))) for name, kind, labels in rows}
    assert len(described) == len(rows)
    exported = {
        name.removesuffix("_bucket"): (metric.kind, metric.labels - ADDED_BY_FUNCTIONS)
        for name, metric in (programs[0] | programs[1]).items()
        if not name.endswith(("_created", "_sum", "_count"))
    }
    sometimes = {"streamtop_clock_kernel_synchronised"}
    assert described.keys() - exported.keys() <= sometimes
    assert exported.keys() - described.keys() == set()
    without_samples = {name for name, metric in exported.items() if not metric[1]}
    wrong = {
        name: (described[name], metric)
        for name, metric in exported.items()
        if described[name] != metric and not (name in without_samples and described[name][0] == metric[0])
    }
    assert wrong == {}


def test_broken_queries_are_found() -> None:
    (selected,) = parse_query('sum by (server) (rate(streamtop_x_total{scope="a"}[5m]))')
    assert (selected.name, selected.labels, selected.function) == ("streamtop_x_total", {"server", "scope"}, "rate")
    (plain,) = parse_query("max(streamtop_x_total)")
    assert plain.function == ""
    with pytest.raises(ValueError):  # noqa: PT011 – the texts are the parser's
        parse_query("sum(streamtop_x")
