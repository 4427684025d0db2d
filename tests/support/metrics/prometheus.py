"""A real Prometheus on loopback that scrapes programs under test, and its HTTP API as Grafana uses it."""

import re
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import yaml

from tests.support.real.processes import RunningProgram, free_port
from tests.support.waiting import LONGEST_WAIT_S, wait_until

STEP = "500ms"
"""The time from one scrape to the next, which is also a scrape's time limit, and between evaluations of rules."""
RATE_INTERVAL = "1m"
"""What Grafana puts in place of `$__rate_interval` for its default scrape interval of 15 s: four of them."""


class Series(NamedTuple):
    """A series of an answer, and its values, oldest first."""

    labels: dict[str, str]
    values: list[float]


class Prometheus:
    """A running Prometheus.

    Queries are evaluated at the end of the last wait, when the newest scrape of each target had succeeded: a later one
    may exceed its time limit on a busy machine, and its series would be absent.
    """

    def __init__(self, http: httpx.AsyncClient, jobs: int) -> None:
        self._http, self._jobs = http, jobs
        self._at = 0.0

    async def query(self, expression: str) -> list[Series]:
        """Return the series of a query. A range selector returns all of their samples. Fails for a query that
        Prometheus refuses.
        """
        return _series(await self._data("query", query=expression, time=self._at))

    async def query_range(self, expression: str) -> list[Series]:
        """Return the series of a query over a minute, as a panel of time series does."""
        return _series(await self._data("query_range", query=expression, start=self._at - 60, end=self._at, step=1))

    async def value(self, expression: str) -> float:
        """Return the only value of a query."""
        ((_, values),) = await self.query(expression)
        return values[-1]

    async def label_values(self, metric: str, label: str) -> list[str]:
        """Return the values of a label, as `label_values(metric, label)` of a dashboard does."""
        answer = await self._http.get(f"/api/v1/label/{label}/values", params={"match[]": metric})
        return answer.json()["data"]  # type: ignore[no-any-return]

    async def rules(self) -> list[dict[str, Any]]:
        """Return every rule with its health and its last error."""
        data = await self._data("rules")
        return [rule for group in data["groups"] for rule in group["rules"]]

    async def wait_for_scrapes(self, count: int = 2) -> None:
        """Wait until that many scrapes of every target have succeeded from now on, the newest among them."""
        began = time.time()

        async def are_scraped() -> bool:
            self._at = time.time()
            passed_ms = max(1, round((self._at - began) * 1000))
            succeeded = await self.query(f"sum_over_time(up[{passed_ms}ms]) >= {count}")
            return len(succeeded) == len(await self.query("up == 1")) == self._jobs

        await wait_until(are_scraped, "Prometheus has scraped all targets")

    async def _data(self, path: str, **parameters: object) -> Any:
        answer = await self._http.get(f"/api/v1/{path}", params=parameters)  # type: ignore[arg-type]
        found = answer.json()
        assert found["status"] == "success", f"{parameters}: {found['error']}"
        assert not found.get("warnings"), f"{parameters}: {found['warnings']}"
        return found["data"]


def _series(data: Any) -> list[Series]:
    return [
        Series(item["metric"], [float(value) for _, value in (item.get("values") or [item["value"]])])
        for item in data["result"]
    ]


@asynccontextmanager
async def run_prometheus(
    directory: Path, page: str, targets: Mapping[str, str], token: str, rules: Path
) -> AsyncIterator[Prometheus]:
    """Run Prometheus with the configuration of a page of the documentation, which has the jobs in `targets`. Only
    addresses, paths and intervals differ from what is printed there.
    """
    (block,) = re.findall(r"```yaml\n(# prometheus\.yml\n.*?)```", page, re.DOTALL)
    config = yaml.safe_load(block)
    assert config["rule_files"] == [rules.name]
    config["rule_files"] = [str(rules)]
    config["global"] = {"scrape_interval": STEP, "evaluation_interval": STEP}
    assert {job["job_name"] for job in config["scrape_configs"]} == targets.keys()
    token_file = directory / "streamtop.token"
    token_file.write_text(f"{token}\n")
    for job in config["scrape_configs"]:
        job["static_configs"] = [{"targets": [targets[job["job_name"]]]}]
        if "authorization" in job:
            job["authorization"]["credentials_file"] = str(token_file)
    config_file = directory / "prometheus.yml"
    config_file.write_text(yaml.safe_dump(config))
    port = free_port()
    program = RunningProgram(
        [
            "prometheus", f"--config.file={config_file}", f"--storage.tsdb.path={directory / 'prometheus'}",
            f"--web.listen-address=127.0.0.1:{port}", "--log.level=warn",
        ],
        directory / "prometheus.out",
    )  # fmt: skip
    try:
        url = f"http://127.0.0.1:{port}"
        async with httpx.AsyncClient(base_url=url, trust_env=False, timeout=LONGEST_WAIT_S) as http:

            async def is_ready() -> bool:
                assert program.running, program.output()
                try:
                    return (await http.get("/-/ready")).status_code == 200
                except httpx.TransportError:
                    return False

            await wait_until(is_ready, "Prometheus is ready", last_seen=program.output)
            yield Prometheus(http, len(targets))
    finally:
        program.stop()


def fill_in(query: str, chosen: Mapping[str, list[str] | None]) -> str:
    """Return a query of a dashboard as Grafana sends it. `chosen` has the values of each variable; `None` is All, whose
    value is `.*`.
    """
    query = query.replace("$__rate_interval", RATE_INTERVAL)
    for name, values in chosen.items():
        query = query.replace(f"${name}", ".*" if values is None else _joined(values))
    return query


def _joined(values: list[str]) -> str:
    escaped = [_escape(value) for value in values]
    return escaped[0] if len(escaped) == 1 else f"({'|'.join(escaped)})"


def _escape(value: str) -> str:
    """Escape a value of a variable with several values, as Grafana's data source does: for a regular expression inside
    a quoted string.
    """
    value = value.replace("\\", "\\" * 4).replace('"', '\\\\\\"')
    return re.sub(r"[$^*{}\[\]'+?.()|]", lambda found: "\\\\" + found[0], value)
