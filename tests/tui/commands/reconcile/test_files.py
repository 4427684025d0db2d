"""Files of an account that are odd or damaged: each is named or refused, and nothing is assumed."""

import gzip
import re
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from streamusage.access_logs.log_file import MAX_LINE_BYTES
from tests.support.outside_accounts import (
    CSV_HEADER,
    UTC_ZONE,
    Hit,
    combined_line,
    csv_line,
    make_traffic,
    write_lines,
)
from tui.commands.reconcile.files import FileNotes, FileSettings, read_account
from tui.reconcile.account import OutsideAccount
from tui.reconcile.entries import Grouping, Measure
from tui.reconcile.errors import AccountError
from tui.reconcile.readers.detect import ReaderSettings

HITS = make_traffic(hits_a_day=400, days=1)
LOG = write_lines(HITS, combined_line)
CSV = write_lines(HITS, csv_line, CSV_HEADER)


def read(tmp_path: Path, *contents: bytes, **settings: object) -> tuple[list[FileNotes], OutsideAccount]:
    account = OutsideAccount(Measure.BYTES_OUT, Grouping.TOTAL, UTC_ZONE)
    paths = [tmp_path / f"{number}.log" for number in range(len(contents))]
    for path, content in zip(paths, contents, strict=True):
        path.write_bytes(content)
    return read_account(paths, account, FileSettings(ReaderSettings(), **settings)), account  # type: ignore[arg-type]


def refused(tmp_path: Path, *contents: bytes, **settings: object) -> str:
    with pytest.raises(AccountError) as caught:
        read(tmp_path, *contents, **settings)
    return str(caught.value).replace(f"{tmp_path}/", "")


def total(account: OutsideAccount) -> int:
    return sum(found.value for found in account.by_day().values())


def test_compressed_file_is_the_same_account(tmp_path: Path) -> None:
    plain, packed = read(tmp_path, LOG), read(tmp_path, gzip.compress(LOG))
    assert plain[0][0].digest == packed[0][0].digest
    assert total(plain[1]) == total(packed[1]) == sum(hit.size for hit in HITS)


def test_notes_describe_a_file_the_same_way_each_time(tmp_path: Path) -> None:
    first, second = (read(tmp_path, LOG)[0][0].describe() for _ in range(2))
    assert first == second
    assert re.search(r"0\.log: combined, \d+ lines, 2026-11-16 00:\d\d:\d\d to .* UTC, sha256:[0-9a-f]{64}$", first)


def test_same_file_twice_is_refused(tmp_path: Path) -> None:
    assert refused(tmp_path, LOG, gzip.compress(LOG)) == "1.log has the same content as 0.log; give it once"


def test_empty_file_is_named_and_only_empty_files_are_refused(tmp_path: Path) -> None:
    notes, _ = read(tmp_path, b"", LOG)
    assert notes[0].describe().endswith("0.log: empty, no line")
    assert "there is nothing to compare" in refused(tmp_path, b"", b"")


@pytest.mark.parametrize("content", [b"\x7fELF\x02\x01\x01\0\0\0" * 100, bytes(range(256)) * 40, b"\0" * 200_000])
def test_binary_file_is_refused(tmp_path: Path, content: bytes) -> None:
    assert "0.log: it has NUL bytes, so it is binary" in refused(tmp_path, content)


def test_truncated_compressed_file_is_refused(tmp_path: Path) -> None:
    assert "0.log is damaged or incomplete" in refused(tmp_path, gzip.compress(LOG)[:-200])


def test_missing_file_is_refused(tmp_path: Path) -> None:
    account = OutsideAccount(Measure.BYTES_OUT, Grouping.TOTAL, UTC_ZONE)
    with pytest.raises(AccountError, match="cannot be read"):
        read_account([tmp_path / "none"], account, FileSettings(ReaderSettings()))


def test_last_line_that_was_cut_is_named(tmp_path: Path) -> None:
    notes, account = read(tmp_path, LOG[:-40])
    assert (notes[0].unreadable, notes[0].unreadable_lines) == (1, [len(HITS)])
    assert "it ends in the middle of a line" in notes[0].describe()
    assert total(account) == sum(hit.size for hit in HITS[:-1])


def test_very_long_line_is_one_unreadable_line(tmp_path: Path) -> None:
    lines = LOG.splitlines(keepends=True)
    notes, account = read(tmp_path, b"".join([*lines[:10], b"x" * (1 << 20) + b"\n", *lines[10:]]))
    assert (notes[0].lines, notes[0].unreadable_lines) == (len(HITS) + 1, [11])
    assert f"line 11 is longer than {MAX_LINE_BYTES:,} bytes" in notes[0].describe()
    assert total(account) == sum(hit.size for hit in HITS)


def test_unreadable_lines_are_counted_and_the_first_are_named(tmp_path: Path) -> None:
    lines = LOG.splitlines(keepends=True)
    broken = [b"garbage\n" if number % 50 == 7 else line for number, line in enumerate(lines)]
    many = len([line for line in broken if line == b"garbage\n"])
    message = refused(tmp_path, b"".join(broken))
    assert f"0.log: {many} of {len(lines)} lines cannot be read as combined (lines 8, 58, 108, 158, 208, …)" in message
    assert "--max-unreadable" in message
    notes, _ = read(tmp_path, b"".join(broken), most_unreadable=Fraction(1, 20))
    assert f"{many} unreadable (lines 8, 58, 108, 158, 208, …)" in notes[0].describe()


def test_line_of_a_far_future_cannot_be_read(tmp_path: Path) -> None:
    line = b'{"time": 9999999999999999, "remote_addr": "1.2.3.4", "request": "GET /a.ts HTTP/1.1", "status": 200, '
    log = b"".join(
        line.replace(b"9999999999999999", at) + b'"bytes_sent": 5}\n' for at in [b"1795305600"] * 2 + [b"9" * 14]
    )
    notes, account = read(tmp_path, log, most_unreadable=Fraction(1, 2))
    assert (notes[0].form, notes[0].unreadable_lines, total(account)) == ("json", [3], 10)


def test_times_without_a_zone_need_one(tmp_path: Path) -> None:
    assert "0.log: its times have no zone; give --log-zone" in refused(tmp_path, CSV)
    _, account = read(tmp_path, CSV, zone=ZoneInfo("Europe/Berlin"))
    assert min(account.lines_by_hour) == (HITS[0].at - 3_600_000) // 3_600_000 * 3_600_000


def test_zone_beside_times_with_their_own_is_refused(tmp_path: Path) -> None:
    assert "--log-zone has no effect" in refused(tmp_path, LOG, zone=ZoneInfo("Europe/Berlin"))


def test_times_that_the_zone_skips_are_named(tmp_path: Path) -> None:
    skipped = [Hit(1_774_751_400_000 + number, "news", number, 5) for number in range(3)]  # 2026-03-29T02:30
    notes, _ = read(tmp_path, write_lines(skipped, csv_line, CSV_HEADER), zone=ZoneInfo("Europe/Berlin"))
    assert "3 lines at times that do not exist on 2026-03-29 in Europe/Berlin" in notes[0].describe()


def test_columns_of_an_account_are_checked_with_its_name(tmp_path: Path) -> None:
    assert refused(tmp_path, b"day,traffic\n2026-11-20,5\n").startswith("0.log: the column 'traffic' names no unit")


@pytest.mark.parametrize("clock", [{"zone": UTC_ZONE}, {"shift_ms": 3_600_000}])
def test_clock_of_an_invoice_is_refused(tmp_path: Path, clock: dict[str, object]) -> None:
    assert "give the zone of its days as --tz" in refused(tmp_path, b"day,GB\n2026-11-20,5\n", **clock)


PIECES = st.sampled_from(
    [
        *(
            b"\n",
            b"\r\n",
            b",",
            b"\t",
            b'"',
            b"{",
            b"}",
            b":",
            b" ",
            b"#Fields: ",
            b"date",
            b"time",
            b"day",
            b"bytes",
            b"GB",
        ),
        *(b"2026-11-20", b"10:00:00", b"9" * 30, b"1e400", b"-1", b"\xff\xfe", b"GET /a.ts HTTP/1.1", b"200", b"\\"),
        *(b"x-appinst", b"x-event", b"destroy", b"stream", b"[20/Nov/2026:10:00:00 +0000]", LOG.splitlines()[0]),
        *(CSV.splitlines()[1], b'{"time": 1e999, "bytes": 5}', b"\x1b[2J", b"NaN", b"null"),
    ]
)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(PIECES | st.binary(max_size=20), max_size=30))
def test_any_file_is_read_or_refused_with_its_name(tmp_path: Path, pieces: list[bytes]) -> None:
    path = tmp_path / "0.log"
    path.write_bytes(b"".join(pieces))
    account = OutsideAccount(Measure.BYTES_OUT, Grouping.TOTAL, UTC_ZONE)
    with suppress(AccountError):
        assert read_account([path], account, FileSettings(ReaderSettings(), most_unreadable=Fraction(1)))[0].entries
