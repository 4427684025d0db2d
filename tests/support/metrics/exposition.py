"""Metrics as a scrape reads them, by the parsers of the library that Prometheus' own clients use."""

from collections.abc import Iterable
from typing import NamedTuple

import httpx
from prometheus_client.parser import text_string_to_metric_families


class Exported(NamedTuple):
    """A metric as a program exports it."""

    kind: str
    labels: frozenset[str]


class Scrape:
    """One answer of `/metrics`."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.families = list(text_string_to_metric_families(text))
        self._values: dict[tuple[str, frozenset[tuple[str, str]]], float] = {}
        for family in self.families:
            for sample in family.samples:
                key = sample.name, frozenset(sample.labels.items())
                assert key not in self._values, f"{key} occurs twice"
                self._values[key] = sample.value

    def value(self, name: str, **labels: str) -> float:
        """Return the value of a series; its labels are exactly these."""
        return self._values[name, frozenset(labels.items())]

    def sum(self, name: str, **labels: str) -> float:
        """Return the sum of all series with these labels and perhaps others."""
        return sum(value for _, value in self.matching(name, **labels))

    def matching(self, name: str, **labels: str) -> list[tuple[dict[str, str], float]]:
        """Return labels and values of all series with these labels."""
        return [
            (dict(key), value)
            for (found, key), value in self._values.items()
            if found == name and labels.items() <= dict(key).items()
        ]

    def exported(self) -> dict[str, Exported]:
        """Return each metric by the name that queries use. A histogram has three names."""
        found: dict[str, Exported] = {}
        for family in self.families:
            names = {f"{family.name}_total"} if family.type == "counter" else {family.name}
            if family.type == "histogram":
                names = {family.name + end for end in ("_bucket", "_sum", "_count")}
            for name in names:
                of_name = [sample.labels for sample in family.samples if sample.name == name]
                found[name] = Exported(family.type, frozenset(key for labels in of_name for key in labels))
        return found


def merge_exported(scrapes: Iterable[Scrape]) -> dict[str, Exported]:
    """Return what several scrapes export, with the labels that a metric has in any of them."""
    found: dict[str, Exported] = {}
    for scrape in scrapes:
        for name, exported in scrape.exported().items():
            before = found.get(name, exported)
            found[name] = Exported(exported.kind, before.labels | exported.labels)
    return found


async def scrape(http: httpx.AsyncClient, url: str, token: str = "", accept: str = "") -> Scrape:
    """Return the metrics at a URL."""
    headers = ({"Authorization": f"Bearer {token}"} if token else {}) | ({"Accept": accept} if accept else {})
    answer = await http.get(url, headers=headers)
    assert answer.status_code == 200, answer.text
    return Scrape(answer.text)
