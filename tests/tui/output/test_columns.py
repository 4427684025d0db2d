"""Selection, order and names of columns."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tui.output.columns import ColumnError, ListColumn, View, in_order, selected

Pair = tuple[str, int | None]
VIEW: View[Pair] = View(
    columns=[
        ListColumn("aciveSubscribers", lambda row: row[1], "ACTIVE NOW", figure=True),
        ListColumn("name", lambda row: row[0]),
        ListColumn("share", lambda row: 1, "SHARE"),
        ListColumn("other_share", lambda row: 2, "SHARE"),
    ],
    table=("name",),
    csv=("name",),
)
rows = st.lists(st.tuples(st.sampled_from("abAB"), st.one_of(st.none(), st.integers(-3, 3))))


@pytest.mark.parametrize("typed", ["aciveSubscribers", "ACIVESUBSCRIBERS", "active now", "Active-Now", "active_now"])
def test_column_is_found_by_name_and_by_title(typed: str) -> None:
    assert VIEW.column(typed).name == "aciveSubscribers"


def test_each_column_has_a_name_that_finds_it() -> None:
    assert VIEW.names() == ["active_now", "name", "share", "other_share"]
    assert [VIEW.column(name).name for name in VIEW.names()] == [column.name for column in VIEW.columns]


def test_unknown_and_repeated_columns_are_refused_with_the_known_ones() -> None:
    with pytest.raises(ColumnError, match="there is no column 'nmae'; did you mean name\\? columns are: active_now, "):
        selected(VIEW, ["nmae"])
    with pytest.raises(ColumnError, match="'ACTIVE-NOW' is given twice"):
        selected(VIEW, ["active_now", "ACTIVE-NOW"])


@given(rows, st.booleans())
def test_order_is_by_value_and_keeps_equal_rows_and_puts_unknown_ones_last(found: list[Pair], falls: bool) -> None:
    ordered = in_order(found, VIEW, ["-active_now" if falls else "active_now"])
    assert sorted(ordered, key=str) == sorted(found, key=str)
    values = [value for _, value in ordered]
    known = [value for value in values if value is not None]
    assert values == known + [None] * (len(values) - len(known))
    assert known == sorted(known, reverse=falls)
    for value in {*values}:
        assert [row for row in ordered if row[1] == value] == [row for row in found if row[1] == value]


@given(rows)
def test_later_columns_order_what_the_first_one_leaves_equal(found: list[Pair]) -> None:
    ordered = in_order(found, VIEW, ["name", "-active_now"])
    keys = [(name.casefold(), value is None, -(value or 0)) for name, value in ordered]
    assert keys == sorted(keys)
