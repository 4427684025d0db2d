"""The table of lines: rows are drawn when they are visible, and a move of the cursor draws two of them.

An ink that the screen changes is drawn again.
"""

from typing import ClassVar

from textual.app import App, ComposeResult
from textual.screen import Screen

from tui.widgets.headed_table import LineTable
from tui.widgets.lines import INK_CLASSES, Part

ROWS = 500


class TableScreen(Screen[None]):
    COMPONENT_CLASSES: ClassVar[set[str]] = INK_CLASSES

    def compose(self) -> ComposeResult:
        yield LineTable()


class Host(App[None]):
    CSS = ".ink--accent { color: red; } .changed .ink--accent { color: blue; }"

    def get_default_screen(self) -> TableScreen:
        return TableScreen()


async def test_move_of_the_cursor_draws_two_rows_of_five_hundred() -> None:
    drawn: list[int] = []
    cursor = 0

    def draw_row(number: int) -> list[Part]:
        drawn.append(number)
        return [("▸" if number == cursor else " ", ""), (f"row {number}", "")]

    app = Host()
    async with app.run_test(size=(80, 24)) as pilot:
        table = app.screen.query_one(LineTable)
        table.show([("HEADING", "")], ROWS, draw_row, visible=(0,))
        await pilot.pause()
        assert set(drawn) == set(range(table.page_rows))

        drawn.clear()
        cursor = 1
        table.move_cursor(0, 1, visible=(1,))
        await pilot.pause()
        assert sorted(drawn) == [0, 1]
        assert [table.render_line(y).text.strip() for y in range(3)] == ["HEADING", "row 0", "▸row 1"]

        cursor = ROWS - 1
        table.move_cursor(1, cursor, visible=(cursor,))
        await pilot.pause()
        assert table.render_line(table.size.height - 1).text.strip() == f"▸row {ROWS - 1}"
        assert table.render_line(0).text.strip() == "HEADING"

        drawn.clear()
        table.show([("HEADING", "")], ROWS, draw_row, visible=(cursor,))
        await pilot.pause()
        assert set(drawn) == set(range(ROWS - table.page_rows, ROWS)), "only what is visible"


async def test_ink_that_is_another_one_now_is_drawn_again() -> None:
    app = Host()
    async with app.run_test(size=(80, 24)) as pilot:
        table = app.screen.query_one(LineTable)
        table.show([("HEADING", "accent")], 1, lambda _: [("row", "accent")], visible=(0,))
        await pilot.pause()

        def colours() -> set[str]:
            update = app.screen._compositor.render_update(full=True)
            segments = [segment for line in update.strips for strip in line for segment in strip]  # type: ignore[union-attr]
            return {str(segment.style.color.triplet) for segment in segments if segment.text in ("HEADING", "row")}  # type: ignore[union-attr]

        (before,) = colours()
        app.add_class("changed")
        await pilot.pause()
        (after,) = colours()
        assert before != after
