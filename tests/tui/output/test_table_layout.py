"""Tables fit the terminal."""

from hypothesis import given
from hypothesis import strategies as st

from tui.output.columns import ListColumn, View
from tui.output.printer import Format, Printing, lay_out
from tui.output.table_layout import SEPARATOR, fit

columns = st.lists(st.tuples(st.integers(1, 60), st.booleans(), st.booleans()), min_size=1, max_size=8)


@given(columns, st.integers(1, 200))
def test_table_fits_if_it_can_and_loses_no_more_than_it_must(found: list[tuple[int, bool, bool]], cells: int) -> None:
    widths = [width for width, _, _ in found]
    smallest = [min(width, 12) if shrinks else width for width, shrinks, _ in found]
    leave_out = [at for at, (_, _, leaves) in enumerate(found) if leaves]
    shown, chosen = fit(widths, smallest, leave_out, cells)

    def total(parts: list[int]) -> int:
        return sum(parts) + len(SEPARATOR) * (len(parts) - 1)

    assert all(smallest[at] <= width <= widths[at] for at, width in zip(shown, chosen, strict=True))
    kept = {at for at in range(len(found)) if at not in leave_out}
    assert kept <= set(shown)
    assert shown
    least = [smallest[at] for at in (sorted(kept) or shown[:1])]
    if total(least) <= cells:
        assert total(chosen) <= cells
    if total(widths) <= cells:
        assert (shown, chosen) == (list(range(len(widths))), widths)
    gone = [at for at in leave_out if at not in shown]
    if gone:
        again = sorted([*shown, gone[-1]])
        assert total([smallest[at] for at in again]) > cells, "no column is left out that has room"


VIEW: View[str] = View(
    columns=[
        ListColumn("stream", lambda row: row, shrinks=True),
        ListColumn("active", lambda _: 1_204, figure=True),
        ListColumn("noise", lambda _: "x" * 20),
    ],
    table=("stream", "active", "noise"),
    csv=("stream",),
    narrow=("noise",),
)
LONG = "live/room1/a-very-long-name-of-a-stream-of-the-main-stage-cam-2"


def test_narrow_terminal_leaves_out_columns_and_shortens_texts_in_the_middle() -> None:
    printed = lay_out([LONG], VIEW, Printing(Format.TABLE), cells=40)
    title, line = printed.lines
    assert printed.left_out == ["NOISE"]
    assert title.split() == ["STREAM", "ACTIVE"]
    assert line.rstrip("\n").endswith("main-stage-cam-2    1204")
    assert len(line) <= 41


def test_without_a_terminal_nothing_is_left_out_or_shortened() -> None:
    printed = lay_out([LONG * 3], VIEW, Printing(Format.TABLE))
    assert LONG * 3 in list(printed.lines)[1]
    assert printed.left_out == []


def test_selected_columns_are_never_left_out() -> None:
    printed = lay_out([LONG], VIEW, Printing(Format.TABLE, columns=("noise", "stream", "active")), cells=20)
    assert next(iter(printed.lines)).split() == ["NOISE", "STREAM", "ACTIVE"]


def test_no_headers_leaves_out_the_titles_of_table_and_csv() -> None:
    assert list(lay_out(["a"], VIEW, Printing(Format.CSV, headers=False)).lines) == ["a\n"]
    table = lay_out(["a"], VIEW, Printing(Format.TABLE, columns=("stream",), headers=False))
    assert list(table.lines) == ["a\n"]
