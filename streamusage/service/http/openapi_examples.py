"""An example of every answer and body of our extension, built from the types that encode and decode them."""

from typing import Any

import msgspec

from streamusage.api.alerts import AlertList, AlertStatus, ReceiverStatus, Silence
from streamusage.api.daily import (
    Adjustments,
    BackfilledPart,
    Closed,
    CloseResult,
    CoveredTime,
    Daily,
    DailyFigures,
    DailyStatistics,
    DailySums,
    DayDifference,
    GapDelta,
    LedgerEntry,
    Percentile,
    SummedStatistics,
)
from streamusage.api.disagreements import Disagreement, Disagreements
from streamusage.api.evidence import Chain, ChainRow, Correction, CorrectionResult, Corrections, SignedStatement
from streamusage.api.extension import (
    Audience,
    Audit,
    AuditEntry,
    Coverage,
    CoverageSpan,
    History,
    HistoryPoint,
    LiveStream,
    Orphan,
    Orphans,
    Outage,
    Placement,
    Placements,
    RepairedServer,
    ServerCoverage,
    Servers,
    ServerShare,
    ServerStatus,
    Trend,
    Trends,
)
from streamusage.api.report import (
    Based,
    Baseline,
    EpochIssued,
    OpenPublish,
    PeakWindow,
    PhaseChange,
    Report,
    SessionRow,
    SlotRow,
    SpanRow,
)
from streamusage.core.coverage import Provenance

NOW = 1_795_000_020_000
RECORD = {
    "name": "stream1",
    "scope": "live",
    "startTime": 1525079735737,
    "endTime": 1525079744557,
    "duration": 8820,
    "aciveSubscribers": 2,
    "maxSubscribers": 2,
    "lostSubscribers": 2,
    "totalSubscribers": 4,
    "updated": 1525079744558,
}
"""The record of the API's documentation."""
CHANGES = {
    "now": 1525079744558,
    "cursor": "8d0c3f9a5b7e1c24.2a.0",
    "reset": False,
    "more": False,
    "records": [RECORD | {"live": True, "provenance": "live"}],
    "deleted": [{"scope": "live", "name": "stream2", "startTime": 1525079735737}],
}
_MINUTE = 60_000
_DAY = 86_400_000
_MIDNIGHT = NOW - NOW % _DAY

_COVERED = CoveredTime(live_ms=_DAY - 16 * _MINUTE, backfilled_ms=16 * _MINUTE)
_LATE = BackfilledPart(connections=312, bytes_in=91_000_000, bytes_out=4_210_000_000, view_time_ms=9_400_000)
_SAMPLED = Percentile(in_bps=4_100_000, out_bps=81_300_000, samples=288, expected_samples=288)
_FIGURES: dict[str, Any] = {
    "connections": 1_204,
    "connections_by_protocol": {"hls": 120, "rtmp": 1_084},
    "bytes_in": 44_000_000_000,
    "bytes_out": 812_000_000_000,
    "peak_in_bps": 6_200_000,
    "peak_in_at": _MIDNIGHT - 12 * 3_600_000,
    "peak_out_bps": 88_100_000,
    "peak_out_at": _MIDNIGHT - 12 * 3_600_000,
    "view_time_ms": 360_000_000,
    "average_view_time_ms": 299_003,
    "coverage": _COVERED,
    "backfilled": _LATE,
    "percentile_95": _SAMPLED,
}
_OF_DAY: dict[str, Any] = {"server": "edge-3", "day": "2026-11-17", "tz": "UTC"}
_BASELINE = Baseline(
    at=NOW,
    boot="1794990000-4711",
    started_at=NOW - _DAY,
    since=NOW - _DAY,
    bytes_in=812_000,
    bytes_out=1_940_000,
    window=PeakWindow(NOW - 10_000, 800_000, 1_900_000),
    publishes=(OpenPublish(publish_id="p1", scope="live", name="keynote", start_time=NOW - 5 * _MINUTE, highest=3),),
)

LIVE = msgspec.to_builtins(
    [
        LiveStream(
            name="keynote", scope="live", type="edge", server_address="edge-3", current_subscribers=2, start_time=NOW
        )
    ]
)
SERVERS = msgspec.to_builtins(
    Servers(
        now=NOW,
        servers=[
            ServerStatus(
                server="edge-3", role="edge", state="live", since=NOW - _DAY, last_sync_at=NOW, watermark=NOW, epoch=1,
                revision=7, active_subscribers=12, clock_offset_ms=0,
            )
        ],
    )
)  # fmt: skip
COVERAGE = msgspec.to_builtins(
    Coverage(
        now=NOW,
        from_ms=NOW - 30 * _MINUTE,
        to_ms=NOW,
        servers=[
            ServerCoverage(
                server="edge-3",
                since=NOW - _DAY,
                watermark=NOW,
                spans=[
                    CoverageSpan(
                        from_ms=NOW - 30 * _MINUTE,
                        to_ms=NOW - 14 * _MINUTE,
                        state=Provenance.BACKFILLED,
                        detected_at=NOW - 29 * _MINUTE,
                        filled_at=NOW - 14 * _MINUTE,
                        delta=GapDelta(
                            connections=312, connections_by_protocol={"hls": 22, "rtmp": 290}, bytes_out=4_210_000_000,
                            peak_out_bps=88_100_000, peak_out_at=NOW - 19 * _MINUTE, view_time_ms=9_400_000,
                        ),
                    ),
                    CoverageSpan(from_ms=NOW - 14 * _MINUTE, to_ms=NOW, state=Provenance.LIVE),
                ],
                outages=[
                    Outage(
                        from_ms=NOW - 30 * _MINUTE,
                        to_ms=NOW - 14 * _MINUTE,
                        phases=[
                            PhaseChange("retrying", NOW - 30 * _MINUTE),
                            PhaseChange("accumulating", NOW - 29 * _MINUTE),
                            PhaseChange("recovering", NOW - 14 * _MINUTE),
                        ],
                        failed_attempts=9,
                        error="nothing answers there",
                    )
                ],
            )
        ],
    )
)  # fmt: skip
PLACEMENTS = msgspec.to_builtins(
    Placements(now=NOW, carriers=[Placement(scope="live", name="keynote", server="edge-3", from_ms=NOW - 5 * _MINUTE)])
)
DAILY = msgspec.to_builtins(
    Daily(
        now=NOW,
        account_zones=["UTC"],
        closed_to=_MIDNIGHT,
        days=[
            DailyStatistics(
                **_OF_DAY,
                state="final",
                **_FIGURES,
                closed=Closed(
                    at=_MIDNIGHT + 2 * _MINUTE, rule="watermark", revision=1, watermark=_MIDNIGHT + 2 * _MINUTE
                ),
            )
        ],
    )
)
DAILY_SUMS = msgspec.to_builtins(
    DailySums(
        now=NOW,
        account_zones=["UTC"],
        sums=[
            SummedStatistics(
                group="all", period="2026-11", first_day="2026-11-01", last_day="2026-11-17", tz="UTC", state="final",
                days=17, servers=3, **_FIGURES,
            )
        ],
    )
)  # fmt: skip
ADJUSTMENTS = msgspec.to_builtins(
    Adjustments(
        now=NOW,
        adjustments=[
            LedgerEntry(
                **_OF_DAY, entry=1, at=NOW, connections=2, connections_by_protocol={"hls": 2}, bytes_out=20,
                figures=DailyFigures(**_FIGURES),
            )
        ],
    )
)  # fmt: skip
_CORRECTION = Correction(
    **_OF_DAY, id=7, revision=1, state="approved", difference=DayDifference(connections=2, bytes_out=20),
    reason="arrived after the day was closed (entry 1 of its ledger)", proposed_at=NOW, proposed_by="service",
    approved_at=NOW + _MINUTE, approved_by="ops",
)  # fmt: skip
CORRECTION = msgspec.to_builtins(CorrectionResult(now=NOW, correction=_CORRECTION))
CORRECTIONS = msgspec.to_builtins(Corrections(now=NOW, corrections=[_CORRECTION]))
CHAIN = msgspec.to_builtins(
    Chain(
        now=NOW,
        service="5b1f2f0a2b0c4d7e9a61c3d5e7f90812",
        entries=[
            ChainRow(
                number=12,
                hash="0b" * 32,
                content={"kind": "void", "number": 12, "previous": "9a" * 32, **_OF_DAY, "revision": 1},
            )
        ],
    )
)
STATEMENT = msgspec.to_builtins(
    SignedStatement(
        now=NOW, statement='{"account_zone":"UTC","kind":"streamtop-statement-v1"}', signature="c2lnbmF0dXJl"
    )
)
CLOSED = msgspec.to_builtins(CloseResult(now=NOW, day="2026-11-17", tz="UTC", closed=["edge-3"], owing=["edge-3"]))
DISAGREEMENTS = msgspec.to_builtins(
    Disagreements(
        now=NOW,
        threshold_percent=2.0,
        waiting_from=None,
        disagreements=[
            Disagreement(
                hour=NOW - NOW % 3_600_000, kind="origin-edges", server="origin-1", figure="bytes",
                first=720_000_000, second=612_000_000, found_at=NOW, scope="live", name="keynote",
                edges=("edge-1", "edge-3"),
            )
        ],
    )
)  # fmt: skip
HISTORY = msgspec.to_builtins(
    History(
        now=NOW,
        step_ms=_MINUTE,
        points=[
            HistoryPoint(at=NOW - 2 * _MINUTE, active=12, highest=14, state=Provenance.LIVE),
            HistoryPoint(at=NOW - _MINUTE, state=Provenance.MISSING),
        ],
        servers=[ServerShare(server="edge-3", active=12, state="missing")],
    )
)
TRENDS = msgspec.to_builtins(
    Trends(
        now=NOW,
        from_ms=NOW - 2 * _MINUTE,
        step_ms=_MINUTE,
        streams=[
            Trend(scope="live", name="keynote", active=[12, None], state=[Provenance.LIVE, Provenance.MISSING]),
        ],
        audience=Audience(active=[40, 25], state=[Provenance.LIVE, Provenance.MISSING]),
    )
)
ORPHANS = msgspec.to_builtins(
    Orphans(
        now=NOW,
        orphans=[
            Orphan(
                scope="live", name="keynote", start_time=NOW - _DAY, server="edge-3", end_time=NOW - 5 * _MINUTE,
                highest=3, total=5, first_at=NOW - _MINUTE, last_at=NOW,
            )
        ],
    )
)  # fmt: skip
REPAIRED = msgspec.to_builtins(
    RepairedServer(
        now=NOW,
        server="edge-3",
        dry=True,
        needed=True,
        slots=1,
        connections=2,
        bytes_out=20,
        watermark_before=NOW + 365 * _DAY,
        watermark=NOW,
        partial_from=NOW - _MINUTE,
        partial_to=NOW,
    )
)
AUDIT = msgspec.to_builtins(
    Audit(
        now=NOW,
        entries=[AuditEntry(at=NOW, who="boss", operation="delete stream", scope="live", name="keynote", records=3)],
    )
)
ALERTS = msgspec.to_builtins(
    AlertList(
        now=NOW,
        is_configured=True,
        sender="usage-1:4711",
        checked_at=NOW - 4_000,
        rules=3,
        alerts=[
            AlertStatus(
                id="93256c8ef2e38f321e52",
                episode=NOW - 6 * _MINUTE,
                rule="server missing",
                kind="server-missing",
                severity="critical",
                phase="firing",
                labels={"server": "edge-3"},
                summary="edge-3 is missing since 2018-04-30 09:09 UTC",
                since=NOW - 6 * _MINUTE,
                fired_at=NOW - _MINUTE,
                notified_at=NOW - _MINUTE,
            )
        ],
        receivers=[ReceiverStatus(name="ops", format="json", host="https://alerts.example.net", delivered=12)],
    )
)
SILENCE = msgspec.to_builtins(
    Silence(
        id="5f0c2a91",
        matchers={"server": "edge-*"},
        created_at=NOW,
        ends_at=NOW + 120 * _MINUTE,
        by="boss",
        reason="new disks",
    )
)
EPOCH = msgspec.to_builtins(EpochIssued(epoch=1, based_on=Based(0, 0), now=NOW))
REPORT = msgspec.to_builtins(
    Report(
        server="edge-3",
        role="edge",
        life="0f6a2d.1",
        epoch=1,
        since=0,
        upto=3,
        sent_at=NOW,
        sync_interval_ms=10_000,
        baseline=_BASELINE,
        based_on=Based(0, 0),
        slots=(SlotRow(slot=NOW, revision=1, connections={"rtmp": 1}, bytes_in=12_000, bytes_out=40_000),),
        spans=(SpanRow(from_ms=NOW - 10_000, to_ms=NOW, revision=2, state="counted"),),
        sessions=(
            SessionRow(
                publish_id="p1", revision=3, scope="live", name="keynote", start_time=NOW - 5 * _MINUTE, end_time=NOW,
                live=True, active=2, highest=3, total=5,
            ),
        ),
    )
)  # fmt: skip
