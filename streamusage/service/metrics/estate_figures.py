"""Figures of the estate, computed off the event loop and reused for a while, so that scrapes cost little."""

import asyncio
import logging
import time
import zlib
from collections.abc import Awaitable, Callable
from zoneinfo import ZoneInfo

import msgspec
from prometheus_client.core import GaugeMetricFamily, Metric
from sqlalchemy import Connection

from streamusage.service.metrics.estate import MetricsLimits, estate_families
from streamusage.service.queries.estate.scope_days import ScopeDays
from streamusage.service.queries.estate.snapshot import load_snapshot

log = logging.getLogger(__name__)

REUSE_FACTOR = 20
"""Figures are reused for at least this many times the time that they took: computing them takes a twentieth of a core
at most.
"""
WAIT_SECONDS = 5.0
"""How long a request waits for figures that are being computed, before it is answered with the previous ones, or
without. The first computation of a process reads two days.
"""
UNREADABLE = (ValueError, KeyError, IndexError, zlib.error, msgspec.MsgspecError)
"""What decoding a damaged row raises."""

Read = Callable[[Callable[[Connection], list[Metric]]], Awaitable[list[Metric]]]


class EstateFigures:
    """The newest metrics of the estate."""

    def __init__(self, limits: MetricsLimits) -> None:
        self._limits = limits
        self._scope_days = ScopeDays()
        self._newest: list[Metric] = []
        self._computing: asyncio.Task[list[Metric]] | None = None
        self._valid_until = 0.0

    async def families(self, read: Read, tz: ZoneInfo, now_ms: Callable[[], int]) -> list[Metric]:
        """Return the metrics of the estate, not older than the limits permit, or the previous ones while newer ones
        take longer than a request may wait. Requests share one computation, which continues if they are cancelled.
        Raises `StoreError`.
        """
        if self._computing is None or (self._computing.done() and time.monotonic() >= self._valid_until):
            self._computing = asyncio.create_task(self._compute(read, tz, now_ms))
        task = self._computing
        await asyncio.wait({task}, timeout=WAIT_SECONDS)
        if not task.done():
            return self._newest
        try:
            self._newest = await task
        except BaseException:
            if self._computing is task:
                self._computing = None  # a failure is not reused
            raise
        return self._newest

    async def _compute(self, read: Read, tz: ZoneInfo, now_ms: Callable[[], int]) -> list[Metric]:
        began = time.monotonic()
        families: list[Metric] = []
        failed = False
        try:
            families = await read(
                lambda connection: estate_families(
                    load_snapshot(connection, tz, now_ms(), self._scope_days), self._limits
                )
            )
        except UNREADABLE:
            log.exception(
                "the figures of the estate cannot be read; metrics leave them out; run streamtop store verify"
            )
            self._scope_days = ScopeDays()
            failed = True
        ended = time.monotonic()
        took = ended - began
        reuse_s = max(self._limits.reuse_ms / 1000, REUSE_FACTOR * took) if self._limits.reuse_ms else 0.0
        self._valid_until = ended + reuse_s
        return [
            *families,
            GaugeMetricFamily(
                "streamtop_figures_failed",
                "1 while the figures of the estate cannot be computed, which are left out then",
                value=int(failed),
            ),
            GaugeMetricFamily("streamtop_figures_compute_seconds", "How long computing them took", value=took),
        ]
