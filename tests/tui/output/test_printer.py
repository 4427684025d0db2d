"""Printed results: JSON, NDJSON, CSV and tables."""

import csv
import io

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tui.output.printer import (
    FORMULA_STARTS,
    ListColumn,
    csv_text,
    inert,
    json_text,
    ndjson_text,
    table_text,
    write_blocks,
)

any_text = st.text(st.characters(codec="utf-8"), min_size=1, max_size=30)


class TestPrinting:
    @given(st.lists(st.dictionaries(st.text(), st.one_of(st.text(), st.integers(-(2**53), 2**53)))))
    def test_json_and_ndjson_round_trip(self, rows: list[dict[str, object]]) -> None:
        assert msgspec.json.decode("".join(json_text(rows))) == rows
        lines = "".join(ndjson_text(rows)).split("\n")
        assert [msgspec.json.decode(line) for line in lines if line] == rows

    @given(st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\r\0"))))
    def test_csv_round_trips_without_formulas(self, rows: list[str]) -> None:
        text = "".join(
            csv_text(rows, [ListColumn("text", lambda row: row), ListColumn("length", lambda row: -len(row))])
        )
        for row, cells in zip(rows, list(csv.reader(io.StringIO(text, newline="")))[1:], strict=True):
            assert not cells[0].startswith(FORMULA_STARTS)
            assert cells[0] == inert(row)
            assert cells[1] == str(-len(row)), "the minus of a number is kept"

    @given(st.text("ab,;|\t\r\n\"' =+-@\uff1d", max_size=12))
    def test_inert_text_differs_by_apostrophes_before_formulas_only(self, text: str) -> None:
        expected = list(text)
        found = list(inert(text))
        while expected:
            if found[0] == expected[0]:
                expected.pop(0)
                found.pop(0)
            else:
                assert found.pop(0) == "'"
                assert expected[0] in FORMULA_STARTS
        assert not found
        assert inert(inert(text)) == inert(text)

    @given(st.lists(st.text("ab,;|\t\r\n\"' =+-@", min_size=1, max_size=12), min_size=1, max_size=3))
    def test_no_separator_and_no_quoting_makes_a_cell_a_formula(self, rows: list[str]) -> None:
        fields = [ListColumn("first", str), ListColumn("figure", lambda row: len(row)), ListColumn("second", str)]
        text = "".join(csv_text(rows, fields))
        for separator in ",;\t|":
            for quoting in (csv.QUOTE_MINIMAL, csv.QUOTE_NONE):
                for cells in csv.reader(io.StringIO(text, newline=""), delimiter=separator, quoting=quoting):
                    for cell in cells:
                        assert not cell.lstrip(' "\t\r\n').startswith(FORMULA_STARTS), (separator, cell)

    @pytest.mark.parametrize("name", ["a;=1+1", 'a;"=1+1', "a\t=1+1", "a\n@x", "a, ;+1", '"=1', " -1"])
    def test_formula_after_a_separator_gets_an_apostrophe(self, name: str) -> None:
        at = next(number for number, character in enumerate(name) if character in "=+-@")
        assert inert(name) == f"{name[:at]}'{name[at:]}"

    @pytest.mark.parametrize("name", ["room - 2", "a=b", "x;y", "news, live", "mail@host", "cam+1"])
    def test_ordinary_name_is_unchanged(self, name: str) -> None:
        assert inert(name) == name

    def test_times_have_iso_columns_at_the_end(self) -> None:
        times = [1_795_262_400_007, 0, None, 10**18]
        fields = [
            ListColumn[int | None]("at", lambda at: at, is_time=True),
            ListColumn("known", lambda at: at is not None),
        ]
        lines = "".join(csv_text(times, fields)).splitlines()
        assert lines == [
            "at,known,at_iso",
            "1795262400007,true,2026-11-21T12:00:00.007Z",
            "0,true,",
            ",false,",
            "1000000000000000000,true,",
        ]

    @pytest.mark.parametrize(("encoding", "name"), [("ascii", "cafe"), ("latin-1", "café"), ("utf-8", "café")])
    def test_characters_that_the_terminal_lacks_have_ascii_of_the_same_width(self, encoding: str, name: str) -> None:
        printed = io.BytesIO()
        write_blocks(["≥ 680  –  日本  café\n"], printed, encoding)
        marks = "≥ 680  –  日本" if encoding == "utf-8" else "> 680  -  ????"
        assert printed.getvalue().decode(encoding) == f"{marks}  {name}\n"

    def test_table_is_aligned_by_cells(self) -> None:
        columns = [
            ListColumn[str]("name", lambda row: row),
            ListColumn[str]("length", len, figure=True),
        ]
        lines = "".join(table_text(["日本", "abc"], columns, cells=80)).splitlines()
        assert lines == ["NAME  LENGTH", "日本       2", "abc        3"]
