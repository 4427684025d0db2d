"""CSV, TSV, JSON lines and invoices by the names of their columns."""

from datetime import date

import pytest

from tui.reconcile.entries import Entry, Measure
from tui.reconcile.errors import AccountError
from tui.reconcile.readers.detect import ReaderSettings, find_reader


def read(text: str, **settings: object) -> list[Entry]:
    lines = text.encode().splitlines()
    reader = find_reader(lines, ReaderSettings(**settings))  # type: ignore[arg-type]
    return [entry for line in lines if (entry := reader.read(line)) is not None]


@pytest.mark.parametrize(
    "text",
    [
        "Day,Customer,Traffic (GB)\n2026-11-20,tv,1.25\n",
        "day;customer;traffic_gb\n2026-11-20;tv;1.25\n",
        "day\tcustomer\tGB\n2026-11-20\ttv\t1.25\n",
        '"day","customer","traffic GB"\n"2026-11-20","tv","1.25"\n',
        "\ufeffday,customer,GB\n2026-11-20,tv,1.25\n",
        '{"day": "2026-11-20", "customer": "tv", "traffic_gb": 1.25}\n',
    ],
)
def test_invoice_is_read_in_every_delimiter(text: str) -> None:
    (entry,) = read(text)
    assert entry == Entry(
        0, "total", customer="tv", bytes_out=1_250_000_000, day=date(2026, 11, 20), rounded_to=10_000_000
    )


def test_hours_are_view_time() -> None:
    (entry,) = read("day,stream,hours\n2026-11-20,live/news,2.5\n", measure=Measure.VIEW_TIME)
    assert (entry.view_time_ms, entry.stream, entry.rounded_to) == (9_000_000, "live/news", 360_000)


def test_unit_is_given_by_the_option_or_refused() -> None:
    text = "day,traffic\n2026-11-20,5\n"
    assert read(text, unit="GiB", columns={"bytes": "traffic"})[0].bytes_out == 5 * 2**30
    with pytest.raises(AccountError, match=r"'traffic' names no unit; give --unit GB .*--unit GiB"):
        read(text)
    with pytest.raises(AccountError, match="'Gb' is no unit"):
        read(text, unit="Gb")


def test_several_columns_that_could_be_meant_are_refused() -> None:
    with pytest.raises(AccountError, match=r"several columns could .*'edge GB', 'origin GB'.* --column bytes=NAME"):
        read("day,edge GB,origin GB\n2026-11-20,5,6\n")
    assert read("day,edge GB,origin GB\n2026-11-20,5,6\n", columns={"bytes": "origin GB"})[0].bytes_out == 6 * 10**9


def test_incoming_and_outgoing_bytes_are_distinguished() -> None:
    text = "day,bytes_in,bytes_out\n2026-11-20,5,6\n"
    assert read(text)[0].bytes_out == 6
    assert read(text, measure=Measure.BYTES_IN)[0].bytes_in == 5


@pytest.mark.parametrize(
    ("text", "columns", "message"),
    [
        ("day,GB\n2026-11-20,1\n", {"bytes": "TB"}, "there is no column 'TB' for bytes; the columns are 'day', 'GB'"),
        ("when,GB\n2026-11-20,1\n", {}, "give --column day=NAME or --column time=NAME"),
        ("day,amount\n2026-11-20,1\n", {}, "give --column bytes=NAME"),
    ],
)
def test_missing_column_names_the_option(text: str, columns: dict[str, str], message: str) -> None:
    with pytest.raises(AccountError, match=message):
        read(text, columns=columns)


@pytest.mark.parametrize(
    "row", ["20.11.2026,1", "2026-11-31,1", "2026-11-20,1,5", "2026-11-20", "2026-11-20,-1", "2026-11-20,x"]
)
def test_row_that_is_not_clear_is_not_read(row: str) -> None:
    assert [entry.bytes_out for entry in read(f"day,GB\n2026-11-19,2\n{row}\n")] == [2 * 10**9]


def test_columns_of_a_log_have_method_status_and_path() -> None:
    text = (
        "time,path,bytes,method,status\n"
        "2026-11-20T10:00:00Z,/hls/news-1.ts,5,GET,200\n"
        "2026-11-20T10:00:00Z,/hls/news-1.ts,6,HEAD,200\n"
        "2026-11-20T10:00:00Z,/hls/news-1.ts,7,GET,503\n"
    )
    assert [(entry.kind, entry.stream, entry.bytes_out) for entry in read(text)] == [
        ("request", "hls/news", 5),
        ("HEAD", "hls/news", 6),
        ("error", "hls/news", 7),
    ]
