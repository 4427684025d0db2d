"""`streamtop reconcile --by stream|scope|customer`, against a running service and its saved answers."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from streamusage.api.report import SlotRow, StreamSlotRow
from streamusage.service.rules.customers import CustomerRules, DatedRule
from streamusage.service.tokens import Identity, Tokens, digest_of
from tests.streamusage.service import conftest
from tests.streamusage.service.conftest import NOW, Estate, OwnedClock, an_estate
from tests.support.commands.run_command import run_command
from tests.support.outside_accounts import Hit, combined_line, write_lines
from tests.support.program import Ended, Program
from tests.support.service.parties.reporting import ReportingAgent

MINUTE = 60_000
SLOT = NOW // MINUTE * MINUTE + MINUTE
DAY = "2026-11-18"
RULES = CustomerRules([DatedRule(name="Acme", streams=("hls/news",)), DatedRule(name="Beta", scopes=("live",))])
STREAMS = {("hls", "news"): 600_000, ("hls", "a/b%"): 210_000, ("live", "sport"): 90_000}
REST = 10_000


@pytest.fixture
async def estate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Estate]:
    """A service with one open day of two servers, by stream, of which some bytes are not by stream."""
    known = {digest_of("acme-token"): Identity("acme", "viewer", None, "Acme")}
    known |= {digest_of(f"{name}-token"): Identity(name, "agent", name) for name in ("edge-1", "edge-2")}
    known |= {digest_of("viewer-token"): Identity("screen", "viewer")}
    monkeypatch.setattr(conftest, "TOKENS", Tokens(known))
    async with an_estate(tmp_path, OwnedClock(), customers=RULES) as running:
        running.clock.now = SLOT + 2 * MINUTE
        for server, shares in (("edge-1", (2, 3)), ("edge-2", (1, 3))):
            rows: list[SlotRow | StreamSlotRow] = [
                StreamSlotRow(slot=SLOT, scope=scope, name=name, revision=0, bytes_out=size * shares[0] // shares[1])
                for (scope, name), size in STREAMS.items()
            ]
            rest = REST if server == "edge-2" else 0
            whole = rest + sum(row.bytes_out for row in rows)
            agent = ReportingAgent(running, server, life=f"{server}.1")
            await agent.sync_up(SlotRow(slot=SLOT, revision=0, bytes_out=whole), *rows)
        yield running


def invoice(tmp_path: Path, *rows: str, by: str = "stream") -> str:
    path = tmp_path / f"invoice-{by}.csv"
    path.write_text(f"day,{by},bytes\n" + "".join(f"{DAY},{row}\n" for row in rows))
    return str(path)


async def reconcile(estate: Estate, streamtop: Program, *arguments: str, token: str = "viewer-token") -> Ended:
    return await run_command(estate, streamtop, "reconcile", *arguments, "--format", "json", token=token)


def compared(ended: Ended) -> list[tuple[str, int | None, int | None, bool]]:
    return [(row["group"], row["account"], row["service"], row["within_tolerance"]) for row in json.loads(ended.out)]


async def test_invoice_by_stream_is_compared_by_the_names_that_daily_prints(
    estate: Estate, streamtop: Program, tmp_path: Path
) -> None:
    file = invoice(tmp_path, "hls/news,605000", "hls/a%2Fb%25,210000", "live/other,5")
    ended = await reconcile(estate, streamtop, file, "--by", "stream")
    assert compared(ended) == [
        ("hls/a%2Fb%25", 210_000, 210_000, True),
        ("hls/news", 605_000, 600_000, True),
        ("live/other", 5, None, False),
        ("live/sport", None, 90_000, False),
        ("not by stream", None, 10_000, True),
    ]
    assert ended.code == 1
    assert "2 with more than 1 % unexplained, 2 of them with figures on one side only" in ended.err
    rows: list[dict[str, Any]] = json.loads(ended.out)
    assert [row["service_traffic"] for row in rows] == ["measured", "measured", None, "measured", None]
    assert (
        rows[1]["causes"]
        == [
            {
                "cause": "not by stream",
                "amount": 4_500,
                "low": 0,
                "high": 10_000,
                "note": "10,000 bytes are not by stream",
            }
        ]
        or rows[1]["causes"][-1]["note"] == "10,000 bytes are not by stream"
    )


async def test_log_is_compared_by_stream_scope_and_saved_answer_alike(
    estate: Estate, streamtop: Program, tmp_path: Path
) -> None:
    hits = [Hit(SLOT + second * 1000, "news", second, 20_000) for second in range(30)]
    hits += [Hit(SLOT + second * 1000, "music", second, 20_000) for second in range(10)]
    log = tmp_path / "access.log"
    log.write_bytes(write_lines(hits, combined_line))
    by_stream = await reconcile(estate, streamtop, str(log), "--by", "stream")
    assert compared(by_stream) == [
        ("hls/a%2Fb%25", None, 210_000, False),
        ("hls/music", 200_000, None, False),
        ("hls/news", 600_000, 600_000, True),
        ("live/sport", None, 90_000, False),
        ("not by stream", None, 10_000, False),
    ]
    by_scope = await reconcile(estate, streamtop, str(log), "--by", "scope")
    assert compared(by_scope)[:2] == [("hls", 800_000, 810_000, True), ("live", None, 90_000, False)]
    for by in ("stream", "scope"):
        days = ("daily", "--from", DAY, "--to", DAY, "--group", by, "--format", "json")
        saved = tmp_path / f"{by}.json"
        saved.write_text((await run_command(estate, streamtop, *days, token="viewer-token")).out)
        again = await streamtop("reconcile", str(log), "--by", by, "--against", str(saved), "--format", "json")
        live = {"stream": by_stream, "scope": by_scope}[by]
        assert (again.code, compared(again)) == (live.code, compared(live))


async def test_invoice_by_customer_counts_what_has_none(estate: Estate, streamtop: Program, tmp_path: Path) -> None:
    file = invoice(tmp_path, "Acme,700000", "Beta,90000", by="customer")
    ended = await reconcile(estate, streamtop, file, "--by", "customer")
    assert compared(ended) == [
        ("Acme", 700_000, 600_000, True),
        ("Beta", 90_000, 90_000, True),
        ("no customer", None, 210_000, False),
        ("not by stream", None, 10_000, False),
    ]
    acme, _, nobody, _ = json.loads(ended.out)
    assert [(found["cause"], found["note"]) for found in acme["causes"] if found["amount"] > 1] == [
        ("no customer", "210,000 bytes are of no customer")
    ]
    assert nobody["explained"] == -acme["explained"] + sum(
        found["amount"] for found in acme["causes"] if found["cause"] != "no customer"
    )


async def test_token_of_a_customer_compares_its_own_invoice(estate: Estate, streamtop: Program, tmp_path: Path) -> None:
    file = invoice(tmp_path, "Acme,600000", by="customer")
    ended = await reconcile(estate, streamtop, file, "--by", "customer", "--no-keep", token="acme-token")
    assert (ended.code, compared(ended)) == (0, [("Acme", 600_000, 600_000, True)]), ended.err
    more = invoice(tmp_path, "Acme,900000", by="customer")
    ended = await reconcile(estate, streamtop, more, "--by", "customer", "--no-keep", token="acme-token")
    assert (ended.code, compared(ended)) == (1, [("Acme", 900_000, 600_000, False)]), ended.err


async def test_servers_are_selected_and_added(estate: Estate, streamtop: Program, tmp_path: Path) -> None:
    file = invoice(tmp_path, "hls/news,400000", "hls/a%2Fb%25,140000", "live/sport,60000")
    one = await reconcile(estate, streamtop, file, "--by", "stream", "--server", "edge-1")
    assert (one.code, [row[2] for row in compared(one)]) == (0, [140_000, 400_000, 60_000])
    both = await reconcile(
        estate, streamtop, file, "--by", "stream", "--server", "edge-1", "--server", "edge-2", "--tolerance", "40%"
    )
    assert [row[2] for row in compared(both)] == [210_000, 600_000, 90_000, 10_000]
    other = await reconcile(estate, streamtop, file, "--by", "stream", "--server", "edge-9")
    assert other.code == 5
    assert "no figures of the server 'edge-9'" in other.err
    assert "it has 'edge-1', 'edge-2'" in other.err


async def test_unsuitable_saved_answers_and_accounts_are_refused(
    estate: Estate, streamtop: Program, tmp_path: Path
) -> None:
    file = invoice(tmp_path, "hls/news,1")
    days = ("daily", "--from", DAY, "--to", DAY, "--format", "json")

    async def refusal(more: tuple[str, ...], *options: str, by: str = "stream", twice: bool = False) -> str:
        saved = tmp_path / "saved.json"
        rows = json.loads((await run_command(estate, streamtop, *days, *more, token="viewer-token")).out)
        saved.write_bytes(msgspec.json.encode(rows * 2 if twice else rows))
        ended = await streamtop("reconcile", file, "--by", by, "--against", str(saved), *options)
        assert (ended.code, ended.out) == (2, ""), ended.err
        return ended.err

    of_streams = ("--group", "stream")
    assert "sums of 2026-11, not of days; save it with --by day" in await refusal((*of_streams, "--by", "month"))
    assert "has a row that is of no stream" in await refusal(("--group", "server"))
    assert "has a row that is of no stream" in await refusal(("--group", "scope"))
    assert "has a row that is of no scope" in await refusal(("--group", "customer"), by="scope")
    assert "several rows of one day and stream" in await refusal(of_streams, twice=True)
    assert "save it with --server, and leave it out here" in await refusal(of_streams, "--server", "edge-1")
    assert "has days of UTC, not of Asia/Kolkata; give --tz" in await refusal(of_streams, "--tz", "Asia/Kolkata")
    assert "is not what `streamtop daily --format json` prints" in await refusal(of_streams, by="total")
    assert "no line names a customer; give --column customer=NAME" in await refusal(of_streams, by="customer")
