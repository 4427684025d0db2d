"""Figures of the estate in `/metrics`, compared with daily statistics and with what the agents reported."""

from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from streamusage.api.daily import CoveredTime
from streamusage.core.coverage import Provenance
from streamusage.service.metrics import MetricsLimits
from streamusage.service.metrics.labels import label_value
from streamusage.service.store.engines.sqlite import sqlite_url
from tests.streamusage.service.conftest import an_estate
from tests.support.metrics.exposition import Scrape
from tests.support.metrics.scripted import FIRST, SCOPES, MeteredEstate, metered_estate

DAYS = {"yesterday": FIRST.isoformat(), "today": FIRST.replace(day=FIRST.day + 1).isoformat()}
SUMS = ("connections", "bytes_in", "bytes_out", "view_time_ms")


async def test_scraped_figures_equal_daily_statistics_through_an_outage_and_its_backfill(
    tmp_path: Path, store_url: str
) -> None:
    async with metered_estate(tmp_path, store_url, ZoneInfo("Asia/Kathmandu")) as script:  # midnight at 18:15 UTC
        await script.play(3)
        before = await script.scrape()
        await check_counters(before, script)
        assert before.sum("streamtop_backfilled_traffic_bytes_total") == 0

        await script.play(1, state="partial", reason="log unreadable")
        await script.play(1, lost="origin-1", without="edge-2")
        await script.play(10, without="edge-2")
        missing = await script.scrape()
        await check_days(missing, script)
        await check_counters(missing, script)
        for day in DAYS:
            assert missing.value("streamtop_day_covered_seconds", day=day, server="edge-2", state="missing") > 0
        yesterday = {"day": "yesterday", "server": "origin-1"}
        assert missing.value("streamtop_day_covered_seconds", **yesterday, state="lost") == 600
        assert missing.value("streamtop_day_covered_seconds", **yesterday, state="partial") == 600
        assert missing.value("streamtop_scope_day_covered_seconds", day="yesterday", scope="live", state="missing") > 0

        await script.sync(script.agents["edge-2"])
        await script.settle()
        filled = await script.scrape()
        await check_days(filled, script)
        await check_counters(filled, script)
        late = filled.sum("streamtop_backfilled_traffic_bytes_total", server="edge-2")
        gained = filled.sum("streamtop_traffic_bytes_total") - missing.sum("streamtop_traffic_bytes_total")
        assert 0 < late <= gained
        for day in DAYS:
            assert filled.value("streamtop_day_covered_seconds", day=day, server="edge-2", state="missing") == 0
            assert filled.value("streamtop_day_covered_seconds", day=day, server="edge-2", state="backfilled") > 0

        await script.play(2)
        await check_days(await script.scrape(), script)
        await check_counters(await script.scrape(), script)
        if store_url.startswith("postgresql"):
            await check_other_process(tmp_path, store_url, script)


async def check_other_process(directory: Path, store_url: str, script: MeteredEstate) -> None:
    """Compare the estate's metrics with those of another service on the same store."""
    options = {"account_zones": [script.tz], "metrics_limits": MetricsLimits(reuse_ms=0)}
    async with an_estate(directory, script.estate.clock, store_url, **options) as other:
        texts = []
        for estate in (script.estate, other):
            text = (await estate.request("GET", "/metrics?include=estate", "viewer-token")).text
            texts.append({line for line in text.splitlines() if "streamtop_figures_compute_seconds" not in line})
        assert texts[0] == texts[1]
        assert len(texts[0]) > 200


async def check_days(scrape: Scrape, script: MeteredEstate) -> None:
    """Compare both days with the daily statistics by server and by scope."""
    for day, name in DAYS.items():
        query = f"?from={name}&to={name}&tz={script.tz.key}"
        rows = (await script.estate.request("GET", f"/api/v1/daily{query}")).json()["days"]
        assert {row["server"] for row in rows} == set(script.agents)
        for row in rows:
            labels = {"day": day, "server": row["server"]}
            assert sums_of(scrape, "streamtop_day", **labels) == with_adjustment(row)
            if not row.get("adjustment"):  # else these are as they were when the day was closed
                assert peaks_of(scrape, "streamtop_day", **labels) == [row["peak_in_bps"], row["peak_out_bps"]]
                for protocol, count in row["connections_by_protocol"].items():
                    assert scrape.value("streamtop_day_connections", **labels, protocol=protocol) == count
            assert covered_by(scrape, "streamtop_day", **labels) == row["coverage"]
        answer = await script.estate.request("GET", f"/api/v1/daily/sums{query}&by=day&group=all")
        (of_all,) = answer.json()["sums"]
        if not of_all.get("adjustment"):
            assert peaks_of(scrape, "streamtop_estate_day", day=day) == [of_all["peak_in_bps"], of_all["peak_out_bps"]]
        assert scrape.value("streamtop_estate_day_peak_bytes_per_second", day=day, direction="out") > 0
        answer = await script.estate.request("GET", f"/api/v1/daily/sums{query}&by=day&group=scope")
        of_scopes = answer.json()["sums"]
        assert len(of_scopes) == len(SCOPES) + 1
        for row in of_scopes:
            scope = row["group"] if row["group"] == "not by stream" else label_value(row["group"])
            labels = {"day": day, "scope": scope}
            assert sums_of(scrape, "streamtop_scope_day", **labels) == with_adjustment(row)
            if scope != "not by stream":
                if not row.get("adjustment"):
                    peaks = [row["peak_in_bps"], row["peak_out_bps"]]
                    assert peaks_of(scrape, "streamtop_scope_day", **labels) == peaks
                assert covered_by(scrape, "streamtop_scope_day", **labels) == row["coverage"]


def with_adjustment(row: dict[str, Any]) -> dict[str, int]:
    adjustment = row.get("adjustment") or dict.fromkeys(SUMS, 0)
    return {figure: row[figure] + adjustment[figure] for figure in SUMS}


async def check_counters(scrape: Scrape, script: MeteredEstate) -> None:
    for name, agent in script.agents.items():
        for direction, count in (("in", agent.bytes_in), ("out", agent.bytes_out)):
            assert scrape.value("streamtop_traffic_bytes_total", server=name, direction=direction) == count
        assert scrape.value("streamtop_view_seconds_total", server=name) == agent.view_time_ms / 1000
        for protocol, count in agent.connections.items():
            assert scrape.value("streamtop_connections_total", server=name, protocol=protocol) == count


def sums_of(scrape: Scrape, prefix: str, **labels: str) -> dict[str, float]:
    return {
        "connections": scrape.sum(f"{prefix}_connections", **labels),
        "bytes_in": scrape.value(f"{prefix}_traffic_bytes", **labels, direction="in"),
        "bytes_out": scrape.value(f"{prefix}_traffic_bytes", **labels, direction="out"),
        "view_time_ms": scrape.value(f"{prefix}_view_seconds", **labels) * 1000,
    }


def peaks_of(scrape: Scrape, prefix: str, **labels: str) -> list[float]:
    return [
        scrape.value(f"{prefix}_peak_bytes_per_second", **labels, direction=direction) * 8
        for direction in ("in", "out")
    ]


def covered_by(scrape: Scrape, prefix: str, **labels: str) -> dict[str, float]:
    covered = {
        f"{state.value}_ms": scrape.value(f"{prefix}_covered_seconds", **labels, state=state.value) * 1000
        for state in Provenance
    }
    assert set(covered) == set(CoveredTime.__struct_fields__)
    return covered


async def test_what_arrives_for_a_closed_day_is_in_the_metrics_of_that_day(tmp_path: Path) -> None:
    async with metered_estate(tmp_path, sqlite_url(tmp_path / "usage.db"), ZoneInfo("UTC")) as script:
        await script.play(11)
        (closed, *_) = (await daily(script, "yesterday"))["days"]
        assert closed["state"] == "final"
        agent = script.agents["edge-1"]
        late = agent.slots(agent.watermark - 60 * 60_000, agent.watermark - 59 * 60_000)
        # The rows of a new journal add to those of the one before.
        agent.life, agent.epoch, agent.revision, agent.acknowledged = "edge-1.2", 0, 0, 0
        script.estate.clock.now += 60_000
        await agent.sync_up(*late)
        await script.settle()
        (adjusted, *_) = (await daily(script, "yesterday"))["days"]
        assert adjusted["state"] == "adjusted"
        await check_days(await script.scrape(), script)
        await check_counters(await script.scrape(), script)


async def test_names_beyond_the_limits_are_folded_and_nothing_is_lost(tmp_path: Path) -> None:
    limits = MetricsLimits(scopes=1, servers=1, reuse_ms=0)
    async with metered_estate(tmp_path, sqlite_url(tmp_path / "usage.db"), ZoneInfo("UTC"), limits) as script:
        await script.play(11)
        found = await script.scrape()
        agents = script.agents.values()
        assert found.value("streamtop_metrics_folded_names", kind="server") == 2
        assert found.value("streamtop_metrics_folded_names", kind="scope") == len(SCOPES) - 1
        assert found.value("streamtop_metrics_limit", kind="scope") == 1
        assert {labels["server"] for labels, _ in found.matching("streamtop_traffic_bytes_total")} == {"edge-1"}
        for name in ("streamtop_day_traffic_bytes", "streamtop_active_subscribers"):
            assert {labels["server"] for labels, _ in found.matching(name)} == {"edge-1", "other"}
        sent = sum(agent.bytes_out for agent in agents)
        assert found.value("streamtop_estate_traffic_bytes_total", direction="out") == sent
        assert found.sum("streamtop_day_traffic_bytes", direction="in") == sum(agent.bytes_in for agent in agents)
        for day in DAYS:
            scopes = found.matching("streamtop_scope_day_traffic_bytes", day=day, direction="out")
            assert len({labels["scope"] for labels, _ in scopes} - {"other", "not by stream"}) == 1
            of_servers = found.sum("streamtop_day_traffic_bytes", day=day, direction="out")
            assert sum(value for _, value in scopes) == of_servers
        assert not found.matching("streamtop_day_peak_bytes_per_second", server="other")
        assert found.matching("streamtop_scope_day_peak_bytes_per_second", scope="other")


async def test_counters_do_not_fall_when_a_server_is_removed_and_another_takes_its_series(tmp_path: Path) -> None:
    limits = MetricsLimits(servers=2, reuse_ms=0)
    async with metered_estate(tmp_path, sqlite_url(tmp_path / "usage.db"), ZoneInfo("UTC"), limits) as script:
        await script.play(2)
        before = await script.scrape()
        assert (await script.estate.request("DELETE", "/api/v1/servers/edge-1?force=true")).status_code == 200
        after = await script.scrape()
    for family in before.families:
        if family.type == "counter":
            for sample in family.samples:
                if sample.labels.get("server") != "edge-1" and sample.name.endswith("_total"):
                    assert after.value(sample.name, **sample.labels) >= sample.value, sample
    assert after.value("streamtop_traffic_bytes_total", server="origin-1", direction="out") > 0
    sent = {"direction": "out"}
    assert after.value("streamtop_estate_traffic_bytes_total", **sent) == sum(
        agent.bytes_out for agent in script.agents.values()
    )


async def daily(script: MeteredEstate, day: str) -> dict[str, list[dict[str, object]]]:
    answer = await script.estate.request("GET", f"/api/v1/daily?from={DAYS[day]}&to={DAYS[day]}&tz={script.tz.key}")
    return answer.json()  # type: ignore[no-any-return]
