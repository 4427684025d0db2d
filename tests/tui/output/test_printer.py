"""Printed results: JSON, NDJSON, CSV and tables."""

import csv
import io
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamusage.api.daily import Percentile
from streamusage.api.extension import (
    BackfilledPart,
    CoverageSpan,
    CoveredTime,
    DailyStatistics,
    GapDelta,
    ServerCoverage,
)
from streamusage.core.coverage import Provenance
from streamusage.core.usage import EmptyNameError, StreamId, UsageRecord, stream_path
from tui.commands.daily.tables import daily_view
from tui.commands.instants import instant
from tui.commands.streams import format_stream_name, parse_stream_name
from tui.commands.tables import gap_view, gaps_of
from tui.deletion.journal import append_records
from tui.output.printer import FORMULA_STARTS, CsvField, TableColumn, csv_text, json_text, ndjson_text, table_text

BERLIN = ZoneInfo("Europe/Berlin")
NOON = 1_795_262_400_000

any_text = st.text(st.characters(codec="utf-8"), min_size=1, max_size=30)


class TestStreams:
    @given(any_text, any_text)
    def test_formatted_stream_name_parses_to_the_same_stream(self, scope: str, name: str) -> None:
        stream = StreamId(scope.strip("/"), name)
        try:
            stream_path(stream)
        except EmptyNameError:
            return
        assert parse_stream_name(format_stream_name(stream)) == stream

    @pytest.mark.parametrize(
        ("text", "stream"),
        [
            ("live/keynote", ("live", "keynote")),
            ("/live/keynote", ("live", "keynote")),
            ("live/room1/keynote", ("live/room1", "keynote")),
            ("live/a%2Fb", ("live", "a/b")),
            ("live/a%2fb", ("live", "a/b")),
            ("live/a%252Fb", ("live", "a%2Fb")),
            ("live/50%20off", ("live", "50%20off")),
            ("live/100%", ("live", "100%")),
        ],
    )
    def test_typed_stream_name_is_parsed(self, text: str, stream: tuple[str, str]) -> None:
        assert parse_stream_name(text) == stream

    def test_invalid_utf8_is_refused(self) -> None:
        with pytest.raises(EmptyNameError):
            parse_stream_name("live/\udcff")


class TestPrinting:
    @given(st.lists(st.dictionaries(st.text(), st.one_of(st.text(), st.integers(-(2**53), 2**53)))))
    def test_json_and_ndjson_round_trip(self, rows: list[dict[str, object]]) -> None:
        assert msgspec.json.decode("".join(json_text(rows))) == rows
        lines = "".join(ndjson_text(rows)).split("\n")
        assert [msgspec.json.decode(line) for line in lines if line] == rows

    @given(st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\r\0"))))
    def test_csv_round_trips_without_formulas(self, rows: list[str]) -> None:
        text = "".join(csv_text(rows, [CsvField("text", lambda row: row), CsvField("length", lambda row: -len(row))]))
        for row, cells in zip(rows, list(csv.reader(io.StringIO(text, newline="")))[1:], strict=True):
            assert not cells[0].startswith(FORMULA_STARTS)
            assert cells[0].removeprefix("'" if row.startswith(FORMULA_STARTS) else "") == row
            assert cells[1] == str(-len(row)), "the minus of a number is kept"

    def test_table_is_aligned_by_cells(self) -> None:
        columns = [
            TableColumn[str]("NAME", lambda row: row),
            TableColumn[str]("LENGTH", lambda row: str(len(row)), figure=True),
        ]
        lines = "".join(table_text(["日本", "abc"], columns, cut=True)).splitlines()
        assert lines == ["NAME  LENGTH", "日本       2", "abc        3"]


class TestViews:
    def test_gaps_exclude_live_spans_and_keep_unknown_figures_empty(self) -> None:
        delta = GapDelta(connections=3, connections_by_protocol={"hls": 1, "rtmp": 2}, bytes_out=4_210_000_000)
        spans = [
            CoverageSpan(from_ms=0, to_ms=60_000, state=Provenance.LIVE),
            CoverageSpan(from_ms=60_000, to_ms=120_000, state=Provenance.BACKFILLED, filled_at=180_000, delta=delta),
            CoverageSpan(from_ms=120_000, to_ms=180_000, state=Provenance.MISSING, detected_at=150_000),
        ]
        servers = [ServerCoverage(server="edge-1", spans=spans)]
        found = gaps_of(servers, with_live=False)
        assert [gap.state for gap in found] == ["backfilled", "missing"]
        assert len(gaps_of(servers, with_live=True)) == 3

        document = msgspec.json.decode("".join(json_text(found)))
        assert list(document[0]) == [
            *("server", "from", "to", "state", "detected_at", "filled_at", "reason", "delta", "outages")
        ]
        assert document[0]["delta"]["connections_by_protocol"] == {"hls": 1, "rtmp": 2}
        assert document[1]["delta"] is None

        view = gap_view(found, ZoneInfo("UTC"))
        rows = list(csv.DictReader(io.StringIO("".join(csv_text(found, view.fields)))))
        assert rows[0]["delta_connections_by_protocol_hls"] == "1"
        assert rows[1]["delta_connections"] == "", "unknown is not zero"
        table = "".join(table_text(found, view.columns, cut=True))
        assert "4.21 GB" in table
        assert "1m" in table

    def test_incomplete_day_is_never_rounded_up_to_100_percent(self) -> None:
        day = DailyStatistics(
            server="edge-1",
            day="2026-11-21",
            tz="UTC",
            state="provisional",
            connections=1,
            connections_by_protocol={"rtmp": 1},
            bytes_in=0,
            bytes_out=0,
            peak_in_bps=0,
            peak_in_at=None,
            peak_out_bps=0,
            peak_out_at=None,
            view_time_ms=0,
            average_view_time_ms=None,
            coverage=CoveredTime(live_ms=86_399_999, missing_ms=1),
            backfilled=BackfilledPart(),
        )
        assert "99.9 %" in "".join(table_text([day], daily_view([day]).columns, cut=True))
        row = next(csv.DictReader(io.StringIO("".join(csv_text([day], daily_view([day]).fields)))))
        assert row["coverage_missing_ms"] == "1"
        assert row["connections_by_protocol_rtmp"] == "1"

    def test_day_without_reports_shows_no_zeros_and_its_waiting_servers(self) -> None:
        day = DailyStatistics(
            server="edge-1", day="2026-11-20", tz="UTC", state="provisional", connections=0, connections_by_protocol={},
            bytes_in=0, bytes_out=0, peak_in_bps=0, peak_in_at=None, peak_out_bps=0, peak_out_at=None, view_time_ms=0,
            average_view_time_ms=None, coverage=CoveredTime(missing_ms=86_400_000), backfilled=BackfilledPart(),
            percentile_95=Percentile(expected_samples=288), waiting_for=["edge-1", "edge-2"],
        )  # fmt: skip
        table = "".join(table_text([day], daily_view([day]).columns, cut=False))
        assert "0 B" not in table
        assert "0/288" in table
        assert "edge-1 and edge-2" in table.splitlines()[1]


class TestInstants:
    @pytest.mark.parametrize(
        ("text", "at"),
        [
            ("24h", NOON - 86_400_000),
            ("0s", NOON),
            ("1795262400000", NOON),
            ("2026-11-21T12:00:00Z", int(datetime(2026, 11, 21, 12, tzinfo=UTC).timestamp() * 1000)),
            ("2026-11-21T13:00", int(datetime(2026, 11, 21, 12, tzinfo=UTC).timestamp() * 1000)),
            ("2026-11-21", int(datetime(2026, 11, 20, 23, tzinfo=UTC).timestamp() * 1000)),
        ],
    )
    def test_instant_is_parsed(self, text: str, at: int) -> None:
        assert instant(text)(NOON, BERLIN) == at


class TestJournalOfDeletedRecords:
    record = UsageRecord(
        name="a",
        scope="live",
        start_time=1,
        end_time=2,
        duration=1,
        active_subscribers=0,
        max_subscribers=0,
        lost_subscribers=0,
        total_subscribers=0,
        updated=2,
    )

    def test_records_are_appended_one_per_line(self, tmp_path: Path) -> None:
        path = tmp_path / "new" / "deleted.ndjson"
        for _ in range(2):
            assert append_records([self.record], path, service="sm:5080", deleted_at=7) == path
        lines = path.read_bytes().splitlines()
        assert [msgspec.json.decode(line, type=UsageRecord) for line in lines] == [self.record] * 2
        assert msgspec.json.decode(lines[0])["deletedAt"] == 7

    def test_truncated_line_does_not_damage_the_next_record(self, tmp_path: Path) -> None:
        path = tmp_path / "deleted.ndjson"
        path.write_bytes(b'{"name": "br')
        append_records([self.record], path, service="sm:5080")
        assert msgspec.json.decode(path.read_bytes().splitlines()[1], type=UsageRecord) == self.record
