"""The ordered index: whatever is built, added, discarded and read in between, it has the order of a sorted list."""

from array import array
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tui.model.sessions.ordered_index import Order, OrderedIndex

Figures = dict[int, tuple[int, int, int]]
"""Group, figure and tie-break by row."""


def order_of(figures: Figures) -> Order:
    return Order(
        lambda row: (*figures[row], row),
        (
            lambda row: figures[row][0],
            lambda row: figures[row][1],
            lambda row: figures[row][2],
            lambda row: row,
        ),
    )


def build(figures: Figures, rows: list[int]) -> OrderedIndex:
    index = OrderedIndex(order_of(figures), chunk_rows=4)
    groups = [((group,), array("i", [row for row in rows if figures[row][0] == group])) for group in (0, 1)]
    for _ in index.build(groups, 400):
        pass
    return index


def assert_is_sorted(index: OrderedIndex, figures: Figures, rows: set[int]) -> None:
    expected = sorted(rows, key=index.order.key)
    assert list(index) == expected
    assert len(index) == len(rows)
    for first in range(0, len(rows) + 3, 7):
        assert index.slice(first, first + 9) == expected[first : first + 9]
    for place, row in enumerate(expected):
        assert index.place(row) == place
        assert row in index


figures = st.tuples(st.integers(0, 1), st.sampled_from([0, 0, 0, 1, 2, 9]) | st.integers(-99, 99), st.integers(0, 3))
tables = st.lists(figures, max_size=300).map(lambda values: dict(enumerate(values)))


@given(tables, st.data())
def test_index_equals_a_sorted_list_after_every_change(table: Figures, data: st.DataObject) -> None:
    rows = {row for row in table if row % 3}
    index = build(table, sorted(rows))
    for _ in range(data.draw(st.integers(0, 4), "rounds")):
        if data.draw(st.booleans(), "read"):
            index.slice(data.draw(st.integers(0, 300)), 300)
        changed = data.draw(st.lists(st.sampled_from([*table, 399]), unique=True, max_size=40), "changed")
        kept = [row for row in changed if data.draw(st.booleans())]
        for row in changed:
            table[row] = data.draw(figures)
        index.discard(changed)
        index.add(kept)
        rows = (rows - set(changed)) | set(kept)
        assert_is_sorted(index, table, rows)


@given(tables, st.integers(1, 5), st.lists(st.integers(0, 299), max_size=30, unique=True))
def test_rows_of_another_index_are_those_at_the_beginning(table: Figures, nth: int, changed: list[int]) -> None:
    index = build(table, list(table))
    expected = [row for row in index if row % nth == 0]
    taken = OrderedIndex(index.order, chunk_rows=4)
    steps = taken.build_from(index, lambda rows: [row for row in rows if row % nth == 0])
    next(steps, None)
    index.discard(changed)
    index.add(row for row in changed if row in table)
    for _ in steps:
        pass
    assert list(taken) == expected
    assert list(index) == sorted(table, key=index.order.key)


@pytest.mark.parametrize("value", [lambda row: 0, lambda row: row % 2, lambda row: -row], ids=["one", "two", "all"])
def test_steps_are_short_whatever_the_values(value: object) -> None:
    read = 0

    def figure(row: int) -> int:
        nonlocal read
        read += 1
        return value(row)  # type: ignore[operator]

    rows = array("i", range(20_000))
    index = OrderedIndex(Order(lambda row: (0, value(row), row), (lambda row: 0, figure, lambda row: row)))  # type: ignore[operator]
    most = total = 0
    steps: Iterator[None] = index.build([((0,), rows)], len(rows))
    for _ in steps:
        most, total, read = max(most, read), total + read, 0
    assert most <= 1_000, "figures read in one step"
    assert total <= 3 * len(rows)
    assert index.slice(0, 3) == sorted(rows, key=index.order.key)[:3]
