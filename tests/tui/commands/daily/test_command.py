"""`streamtop daily`: invalid arguments, figures of days, and verification of statements."""

import csv
import io
import json
import re
import time
from pathlib import Path

import pytest

from streamusage.api.report import SlotRow, StreamSlotRow
from streamusage.service.rules.customers import CustomerRules, DatedRule
from streamusage.service.store.engines.sqlite import sqlite_url
from streamusage.service.tokens import Identity, Tokens, digest_of
from tests.streamusage.service import conftest
from tests.streamusage.service.conftest import NOW, Estate, an_estate
from tests.support.commands.run_command import run_command
from tests.support.commands.service_process import MINUTE, ServiceProcess, report_backfill
from tests.support.commands.statements import a_day, signed_statement
from tests.support.program import Program
from tests.support.service.parties.reporting import ReportingAgent
from tests.support.service.wrong_clock import YEAR, jumped_store, serving
from tui.model.daily.unsigned_statement import digest


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("serve", "--account-zone", "Mars/Base"), "unknown time zone"),
        (("serve", "--close-grace", "soon"), "is not a duration"),
        (("serve", "--close-settle", "2"), "is not a duration"),
        (("daily", "close"), "--day"),
        (("daily", "close", "--day", "2026-11-20"), "give --yes"),
        (("daily", "export", "--from", "2026-11-20"), "--to"),
        (("daily", "export", "--from", "2026-11-20", "--to", "2026-11-19"), "is after"),
        (("daily", "--by", "week"), "--by"),
        (("daily", "--group", "server", "--customer", "Acme"), "servers are shared"),
        (("serve", "--customers", "/nowhere/customers.toml"), "cannot read the customers file"),
    ],
)
async def test_invalid_arguments_are_refused_and_nothing_is_sent(
    streamtop: Program, arguments: tuple[str, ...], message: str
) -> None:
    ended = await streamtop(*arguments)
    assert (ended.code, ended.out) == (2, "")
    assert message in ended.err


async def test_statement_of_version_1_is_consistent_at_most_and_a_changed_one_is_refused(
    streamtop: Program, tmp_path: Path
) -> None:
    path = tmp_path / "november.json"
    path.write_bytes(signed_statement(a_day()))
    ended = await streamtop("daily", "verify", str(path))
    assert (ended.code, "not checked" in ended.out, "not proven" in ended.err) == (4, True, True)
    document = json.loads(path.read_bytes())
    document["days"][0]["bytes_out"] += 1
    path.write_text(json.dumps(document))
    ended = await streamtop("daily", "verify", str(path))
    assert ended.code == 4
    assert "the digest does not match" in ended.err
    document["totals"]["bytes_out"] = 999_000_000_000
    document["days"][0]["bytes_out"] -= 1
    document["digest"] = digest(document)
    path.write_text(json.dumps(document))
    ended = await streamtop("daily", "verify", str(path))
    assert ended.code == 4
    assert "its totals do not follow from its days" in ended.err
    assert (await streamtop("daily", "verify", str(tmp_path / "none.json"))).code == 1
    assert "--with-adjustments" in (await streamtop("daily", "export", "--help")).out


async def test_days_include_backfilled_figures(service: ServiceProcess) -> None:
    now_ms = time.time_ns() // 1_000_000
    await report_backfill(service.url, (now_ms // MINUTE - 20) * MINUTE)
    days = json.loads((await service("daily", "--format", "json")).out)  # around midnight two days
    assert sum(day["connections"] for day in days) == 4
    assert sum(day["bytes_out"] for day in days) == 90_000
    assert sum(day["coverage"]["backfilled_ms"] for day in days) == MINUTE
    assert list(days[0]) == [
        *("server", "day", "tz", "state", "connections", "connections_by_protocol", "bytes_in", "bytes_out"),
        *("peak_in_bps", "peak_in_at", "peak_out_bps", "peak_out_at", "view_time_ms", "average_view_time_ms"),
        *("backfilled", "coverage", "percentile_95", "closed", "adjustment", "waiting_for", "accounted_since"),
        *("peak_in_at_iso", "peak_out_at_iso", "closed_at_iso", "adjustment_at_iso", "accounted_since_iso"),
    ]


async def test_complete_day_states_since_when_accounting_exists(estate: Estate, streamtop: Program) -> None:
    window = ("--from", "2026-11-18", "--to", "2026-11-19", "--tz", "UTC")
    table = (await run_command(estate, streamtop, "daily", *window, token="viewer-token")).out
    assert [re.findall(r"100 %[^,]*?:\d\d", line) for line in table.splitlines()[1:]] == [
        ["100 % since 2026-11-18 11:07"]
    ] * 2
    by_month = ("daily", *window, "--by", "month", "--group", "role")
    sums = json.loads((await run_command(estate, streamtop, *by_month, "--format", "json", token="viewer-token")).out)
    assert [(row["group"], row["accounted_since"]) for row in sums] == [("edge", NOW), ("origin", NOW)]
    csv_text = (await run_command(estate, streamtop, *by_month, "--format", "csv", token="viewer-token")).out
    rows = list(csv.DictReader(io.StringIO(csv_text)))
    assert [row["accounted_since_iso"] for row in rows] == ["2026-11-18T11:07:00.000Z"] * 2
    later = ("--from", "2026-11-19", "--to", "2026-11-19", "--tz", "UTC", "--format", "json")
    for row in json.loads((await run_command(estate, streamtop, "daily", *later, token="viewer-token")).out):
        assert row["accounted_since"] is None


async def test_sums_of_streams_have_the_word_of_their_traffic(estate: Estate, streamtop: Program) -> None:
    agent = ReportingAgent(estate, "edge-1", "edge", life="e.2")
    streams = [
        StreamSlotRow(slot=NOW, scope="live", name=name, revision=0, bytes_out=sent, traffic=traffic)
        for name, sent, traffic in (("a\x1b[2J", 30, "measured"), ("=b", 20, "apportioned"))
    ]
    await agent.begin()
    estate.clock.now += 10_000
    await agent.sync_up(SlotRow(slot=NOW, revision=0, bytes_out=60), *streams)
    window = ("daily", "--from", "2026-11-18", "--to", "2026-11-18", "--tz", "UTC", "--group")
    table = (await run_command(estate, streamtop, *window, "stream", token="viewer-token")).out
    assert "\x1b" not in table
    assert [re.findall("measured|apportioned|not by stream", line) for line in table.splitlines()] == [
        *([], ["apportioned"], ["measured"], ["not by stream"])
    ]
    csv_text = (await run_command(estate, streamtop, *window, "scope", "--format", "csv", token="viewer-token")).out
    rows = list(csv.DictReader(io.StringIO(csv_text)))
    assert [(row["group"], row["bytes_out"], row["traffic"]) for row in rows] == [
        ("live", "50", "apportioned"),
        ("not by stream", "10", ""),
    ]
    sums = json.loads(
        (await run_command(estate, streamtop, *window, "scope", "--format", "json", token="viewer-token")).out
    )
    assert [row.get("traffic") for row in sums] == ["apportioned", None]
    assert [row["accounted_since"] for row in sums] == [None, None]


async def test_token_of_a_customer_lists_its_own_figures(
    streamtop: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    identities = {
        digest_of("acme-token"): Identity("acme", "viewer", None, "Acme"),
        digest_of("edge-1-token"): Identity("edge-1", "agent", "edge-1"),
    }
    monkeypatch.setattr(conftest, "TOKENS", Tokens(identities))
    rules = CustomerRules([DatedRule(name="Acme", streams=("live/a*",))])
    async with an_estate(tmp_path, customers=rules) as estate:
        agent = ReportingAgent(estate, "edge-1", "edge", life="e.2")
        streams = [
            StreamSlotRow(slot=NOW, scope="live", name=name, revision=0, bytes_out=sent)
            for name, sent in (("a1", 30), ("a2", 20), ("b", 5))
        ]
        await agent.begin()
        estate.clock.now += 10_000
        await agent.sync_up(SlotRow(slot=NOW, revision=0, bytes_out=60), *streams)
        window = ("--from", "2026-11-18", "--to", "2026-11-18", "--tz", "UTC", "--format", "csv")
        for arguments, expected in (
            (("--group", "customer"), [("Acme", "50")]),
            (("--customer", "Acme"), [("Acme", "50")]),
            (("--group", "stream"), [("live/a1", "30"), ("live/a2", "20")]),
        ):
            ended = await run_command(estate, streamtop, "daily", *window, *arguments, token="acme-token")
            assert ended.code == 0, ended.err
            rows = list(csv.DictReader(io.StringIO(ended.out)))
            assert [(row["group"], row["bytes_out"]) for row in rows] == expected
        refused = await run_command(estate, streamtop, "daily", *window, token="acme-token")
        assert refused.code == 4
        assert "reads the figures of the customer Acme only" in refused.err
        ended = await run_command(estate, streamtop, "daily", "--customer", "Acme", token="acme-token")
        assert ended.code == 0, ended.err
        assert "Acme" in ended.out or "0 sums" in ended.err, "the week up to today by this machine's clock"


async def test_days_of_a_zone_are_listed(service: ServiceProcess) -> None:
    now_ms = time.time_ns() // 1_000_000
    await report_backfill(service.url, (now_ms // MINUTE - 20) * MINUTE)
    assert "edge-1" in (await service("daily", "--tz", "Europe/Berlin")).out


async def test_help_lists_the_subcommands(streamtop: Program) -> None:
    listed = (await streamtop("daily", "--help")).out.partition("\nCommands:\n")[2].partition("\n\n")[0]
    assert [line.split()[0] for line in listed.splitlines()] == [
        *("close", "adjustments", "voids", "corrections", "correct", "approve", "reverse", "export", "verify")
    ]


async def test_void_closings_are_listed_and_make_an_earlier_statement_invalid(
    tmp_path: Path, streamtop: Program
) -> None:
    counted = jumped_store(tmp_path, sqlite_url(tmp_path / "usage.db"))
    path = tmp_path / "november.json"
    export = ("daily", "export", "--from", "2026-11-18", "--to", "2026-11-18", "-o", str(path))
    async with serving(counted, tmp_path, YEAR) as estate:
        signed = await run_command(estate, streamtop, *export)
        assert signed.code == 0, "the day was closed before its end"
        assert (await run_command(estate, streamtop, "daily", "verify", str(path), "--online")).code == 0
    async with serving(counted, tmp_path) as estate:
        none = await run_command(estate, streamtop, "daily", "voids", "--from", "2026-11-18", "--to", "2026-12-31")
        assert (none.code, "0 void closings" in none.err) == (0, True)
        assert (await run_command(estate, streamtop, "servers", "repair", "edge-1", "--yes")).code == 0

        assert (await streamtop("daily", "verify", str(path))).code == 4, "it is not signed"
        void = await run_command(estate, streamtop, "daily", "verify", str(path), "--online")
        assert void.code == 4
        assert "void by now" in void.out
        listed = await run_command(
            estate, streamtop, "daily", "voids", "--from", "2026-11-18", "--to", "2026-12-31", "--format", "json"
        )
        entries = json.loads(listed.out)
        assert len(entries) >= 31
        assert {(entry["server"], entry["by"], entry["tz"]) for entry in entries} == {("edge-1", "boss", "UTC")}
        table = await run_command(estate, streamtop, "daily", "voids", "--from", "2026-11-18", "--to", "2026-11-18")
        assert "the clock was wrong" in table.out
        today = await run_command(estate, streamtop, "daily", "--from", "2026-11-18", "--to", "2026-11-18")
        assert "VOID CLOSINGS" in today.out
        assert "1 day with a void closing" in today.err
        refused = await run_command(estate, streamtop, *export[:-2])
        assert (refused.code, "the day is not over yet" in refused.err) == (4, True)
        changes = await run_command(estate, streamtop, "daily", "adjustments", "--from", "2026-11-18")
        assert "void, see streamtop daily voids" in changes.err
