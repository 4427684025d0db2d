"""What `streamtop reconcile` keeps for the console, and when it keeps nothing."""

import os
from collections import Counter
from datetime import date
from pathlib import Path

import msgspec
import pytest

from streamusage import __version__
from streamusage.api.report import SlotRow
from streamusage.client.usage_client import UsageClient
from tests.streamusage.service.conftest import NOW, OwnedClock, an_estate
from tests.support.commands.run_command import run_command
from tests.support.outside_accounts import Hit, combined_line, make_traffic, service_days, write_lines
from tests.support.program import Program
from tests.support.service.parties.reporting import ReportingAgent, a_session
from tui.config.reconciled_files import ReconciledFiles
from tui.reconcile.entries import Grouping, Measure
from tui.reconcile.kept import KeptDocument

GIGABYTE = 1_000_000_000


def kept_documents(streamtop: Program) -> list[KeptDocument]:
    found = ReconciledFiles(kept_folder(streamtop)).read()
    assert not found.problems
    return list(found.documents.values())


def kept_folder(streamtop: Program) -> Path:
    return streamtop.home / ".local" / "state" / "streamtop" / "reconciled"


@pytest.fixture
def invoice(tmp_path: Path) -> tuple[str, ...]:
    """The arguments of a comparison of an invoice with a saved answer: one day agrees, and one does not."""
    days = service_days(Counter({"2026-11-16": 4 * GIGABYTE, "2026-11-17": 4 * GIGABYTE}))
    (tmp_path / "daily.json").write_bytes(msgspec.json.encode(days))
    (tmp_path / "invoice.csv").write_text("day,GB\n2026-11-16,4.00\n2026-11-17,3.00\n")
    return "reconcile", str(tmp_path / "invoice.csv"), "--against", str(tmp_path / "daily.json")


async def test_comparison_with_a_saved_answer_keeps_nothing(streamtop: Program, invoice: tuple[str, ...]) -> None:
    ended = await streamtop(*invoice)
    assert ended.code == 1
    assert "kept" not in ended.err
    assert not kept_folder(streamtop).exists()


async def test_comparison_with_a_saved_answer_is_kept_for_the_named_address(
    streamtop: Program, invoice: tuple[str, ...]
) -> None:
    ended = await streamtop(*invoice, "--server", "edge-1", "--keep-for", "http://sm.example.net:5080/")
    (path,) = kept_folder(streamtop).iterdir()
    assert f"2 rows kept for the console in {path}" in ended.err.replace("\n", "")
    (document,) = kept_documents(streamtop)
    assert document.addresses == ["http://sm.example.net:5080"]
    (comparison,) = document.comparisons
    assert (comparison.tz, comparison.figure, comparison.by) == ("UTC", Measure.BYTES_OUT, Grouping.TOTAL)
    assert (comparison.servers, comparison.tolerance_ppm, comparison.program) == (["edge-1"], 10_000, __version__)
    assert [(row.day, row.account, row.service, row.result) for row in comparison.rows] == [
        ("2026-11-16", 4 * GIGABYTE, 4 * GIGABYTE, "agrees"),
        ("2026-11-17", 3 * GIGABYTE, 4 * GIGABYTE, "unexplained"),
    ]
    (file,) = comparison.files
    assert file.name == invoice[1]
    assert f"sha256:{file.sha256}" in ended.err.replace("\n", "")
    assert ended.out == (await streamtop(*invoice, "--server", "edge-1")).out, "the output is the same"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--keep-for", "http://h"), "--keep-for needs --against"),
        (("--against", "daily.json", "--keep-for", "http://h", "--no-keep"), "give either --keep-for or --no-keep"),
        (("--against", "daily.json", "--keep-for", "h:5080"), "a url starts with http:// or https:// and a host"),
        (("--against", "daily.json", "--keep-for", "http://a:b@h"), "only scheme, host, port and path belong in a url"),
    ],
)
async def test_invalid_arguments_are_refused(
    streamtop: Program, invoice: tuple[str, ...], arguments: tuple[str, ...], message: str
) -> None:
    ended = await streamtop(*invoice[:2], *arguments)
    assert (ended.code, ended.out) == (2, "")
    assert message in " ".join(ended.err.split())
    assert not kept_folder(streamtop).exists()


async def test_damaged_file_is_named_and_the_comparison_stands(streamtop: Program, invoice: tuple[str, ...]) -> None:
    arguments = (*invoice, "--keep-for", "http://sm.example.net")
    first = await streamtop(*arguments)
    (path,) = kept_folder(streamtop).iterdir()
    path.write_text("{")
    ended = await streamtop(*arguments)
    assert (ended.code, ended.out) == (first.code, first.out)
    assert f"not kept for the console: {path} is damaged" in ended.err
    assert "Traceback" not in ended.err
    assert path.read_text() == "{"


async def test_figure_that_is_too_large_is_compared_and_not_kept(
    streamtop: Program, invoice: tuple[str, ...], tmp_path: Path
) -> None:
    (tmp_path / "invoice.csv").write_text("day,PB\n2026-11-16,99999999999\n")
    ended = await streamtop(*invoice, "--keep-for", "http://sm.example.net")
    assert (ended.code, "unexplained" in ended.out) == (1, True)
    assert "not kept for the console: the result " in ended.err
    assert "Traceback" not in ended.err
    assert not list(kept_folder(streamtop).iterdir())


async def test_file_with_a_name_of_any_bytes_is_kept(
    streamtop: Program, invoice: tuple[str, ...], tmp_path: Path
) -> None:
    odd = os.fsdecode(b"inv\xff\x1b[2J.csv")
    (tmp_path / odd).write_bytes((tmp_path / "invoice.csv").read_bytes())
    arguments = ("reconcile", str(tmp_path / odd), *invoice[2:], "--keep-for", "http://sm.example.net")
    ended = await streamtop(*arguments)
    assert "Traceback" not in ended.err
    assert "2 rows kept for the console" in ended.err
    (comparison,) = kept_documents(streamtop)[0].comparisons
    assert comparison.files[0].name == f"{tmp_path}/inv\\udcff\x1b[2J.csv"


async def test_comparison_with_a_service_is_kept_under_its_name_in_the_chain(
    streamtop: Program, tmp_path: Path
) -> None:
    slot = NOW // 60_000 * 60_000 + 60_000
    hits = [Hit(slot + second * 1000, "news", second, 30_000) for second in range(30)]
    log = tmp_path / "access.log"
    log.write_bytes(write_lines(hits, combined_line))
    async with an_estate(tmp_path, OwnedClock()) as estate:
        estate.clock.now = slot + 120_000
        counted = SlotRow(slot=slot, revision=0, connections={}, bytes_in=0, bytes_out=900_000, view_time_ms=0)
        await ReportingAgent(estate).sync_up(counted, a_session())
        arguments = ("reconcile", str(log), "--server", "edge-1")
        unkept = await run_command(estate, streamtop, *arguments, "--no-keep", token="viewer-token")
        assert (unkept.code, "kept" in unkept.err, kept_folder(streamtop).exists()) == (0, False, False)
        kept = await run_command(estate, streamtop, *arguments, token="viewer-token")
        assert (kept.code, kept.out) == (0, unkept.out)
        (before,) = kept_folder(streamtop).iterdir()
        assert before.name.startswith("127_0_0_1_")
        async with UsageClient(estate.running.url, "admin-token", clock=estate.clock) as client:
            yesterday = date.fromisoformat(kept_documents(streamtop)[0].comparisons[0].rows[0].day)
            estate.clock.now += 3 * 86_400_000
            await client.close_day(yesterday, "UTC")
            name = (await client.evidence.chain(0, 0)).service
        await run_command(estate, streamtop, *arguments, "--figure", "bytes-out", token="viewer-token")
        address = estate.running.url
    assert name
    assert [path.name for path in kept_folder(streamtop).iterdir()] == [f"{name}.json"]
    (document,) = kept_documents(streamtop)
    assert (document.service, document.addresses) == (name, [address])
    (comparison,) = document.comparisons
    assert [(row.result, row.service) for row in comparison.rows] == [("agrees", 900_000)]


async def test_traffic_of_several_files_names_each_file(streamtop: Program, tmp_path: Path) -> None:
    hits = make_traffic(hits_a_day=30)
    days = tmp_path / "daily.json"
    days.write_bytes(msgspec.json.encode(service_days(Counter({"2026-11-16": 1}))))
    for name, part in (("a.log", hits[::2]), ("b.log", hits[1::2])):
        (tmp_path / name).write_bytes(write_lines(part, combined_line))
    files = [str(tmp_path / name) for name in ("a.log", "b.log")]
    await streamtop("reconcile", *files, "--against", str(days), "--keep-for", "http://sm.example.net")
    (comparison,) = kept_documents(streamtop)[0].comparisons
    assert [(file.name, file.form, len(file.sha256)) for file in comparison.files] == [
        (name, "combined", 64) for name in files
    ]
