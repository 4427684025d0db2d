"""Figures of the estate are shared and reused, and a failure of computing them leaves the other metrics."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from prometheus_client.core import GaugeMetricFamily, Metric
from sqlalchemy import Connection, update

from streamusage.service.errors import StoreError
from streamusage.service.metrics import MetricsLimits
from streamusage.service.metrics.estate_figures import EstateFigures
from streamusage.service.store.engines.sqlite import sqlite_url
from streamusage.service.store.schema import hours
from tests.support.metrics.scripted import metered_estate

UTC = ZoneInfo("UTC")


class Reads:
    """Counts reads, each of which lasts until it is allowed to end."""

    def __init__(self) -> None:
        self.count = 0
        self.began = asyncio.Event()
        self.may_end = asyncio.Event()
        self.failure: Exception | None = None

    async def read(self, _work: Callable[[Connection], list[Metric]]) -> list[Metric]:
        self.count += 1
        self.began.set()
        await self.may_end.wait()
        if self.failure is not None:
            raise self.failure
        return [GaugeMetricFamily("figure", "", value=self.count)]


async def test_requests_share_one_computation_and_reuse_its_result() -> None:
    figures, reads = EstateFigures(MetricsLimits(reuse_ms=3_600_000)), Reads()
    waiting = [asyncio.create_task(figures.families(reads.read, UTC, lambda: 0)) for _ in range(5)]
    await reads.began.wait()
    waiting.pop().cancel()
    reads.may_end.set()
    found = await asyncio.gather(*waiting)
    assert reads.count == 1
    assert all(families is found[0] for families in found)
    assert await figures.families(reads.read, UTC, lambda: 0) is found[0]
    assert reads.count == 1


async def test_a_failure_of_the_store_is_not_reused() -> None:
    figures, reads = EstateFigures(MetricsLimits(reuse_ms=3_600_000)), Reads()
    reads.may_end.set()
    reads.failure = StoreError("not reached")
    with pytest.raises(StoreError):
        await figures.families(reads.read, UTC, lambda: 0)
    reads.failure = None
    assert await figures.families(reads.read, UTC, lambda: 0)
    assert reads.count == 2


async def test_previous_figures_are_sent_while_newer_ones_take_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streamusage.service.metrics.estate_figures.WAIT_SECONDS", 0.01)
    figures, reads = EstateFigures(MetricsLimits(reuse_ms=0)), Reads()
    assert await figures.families(reads.read, UTC, lambda: 0) == []
    reads.may_end.set()
    monkeypatch.undo()
    first = await figures.families(reads.read, UTC, lambda: 0)
    assert first
    reads.may_end.clear()
    monkeypatch.setattr("streamusage.service.metrics.estate_figures.WAIT_SECONDS", 0.01)
    assert await figures.families(reads.read, UTC, lambda: 0) is first
    reads.may_end.set()


async def test_damaged_figures_are_left_out_and_the_other_metrics_stay(tmp_path: Path) -> None:
    async with metered_estate(tmp_path, sqlite_url(tmp_path / "usage.db"), UTC) as script:
        await script.play(8)
        assert (await script.scrape()).value("streamtop_figures_failed") == 0
        service = script.estate.running.service
        await service.write(lambda connection: connection.execute(update(hours).values(whole=b"?")))
        damaged = await script.scrape()
        assert damaged.value("streamtop_figures_failed") == 1
        assert not damaged.matching("streamtop_day_traffic_bytes")
        assert damaged.matching("streamtop_journal_lag_seconds")
