"""Printed results: JSON, NDJSON, CSV and tables."""

import csv
import io

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from tui.output.printer import FORMULA_STARTS, CsvField, TableColumn, csv_text, json_text, ndjson_text, table_text

any_text = st.text(st.characters(codec="utf-8"), min_size=1, max_size=30)


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
