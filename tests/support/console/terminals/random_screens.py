"""Random screens, and the frames with which Textual would paint them."""

import random

from rich.cells import cell_len

PLAIN_TEXT = [*"abcdefgh 0123456789", *" " * 6]
WIDE_TEXT = [*"日本語公開한국ｗ"]
DOUBTFUL_TEXT = [
    "▂",
    "●",
    "–",
    "×",
    "…",
    "é",
    "e\u0301",
    "👍",
    "👍🏽",
    "👩\u200d👩\u200d👧",
    "❤\ufe0f",
    "⌚",
    "क\u094d",
    "🇩🇪",
]
STYLES = [
    "", "1", "2", "3;4", "7", "9", "53", "31", "38;5;200", "38;2;214;217;220;48;2;17;20;23", "48;2;17;20;23",
    "1;38;2;79;179;217;48;2;17;20;23", "38;2;79;179;217;48;2;40;60;90", "4;38;2;9;9;9;48;2;17;20;23", "1;2;31;44", "21",
]  # fmt: skip
LINK = "id=7;https://example.net/a;b"

Painted = tuple[str, int, str, str]
"""Text, its cells by Textual's opinion, SGR parameters, link."""
BLANK_CELL: Painted = (" ", 1, "", "")


def paint(cells: list[Painted]) -> str:
    """Return text with its styles, as Textual renders segments: each with all of its style, and a reset behind it."""
    written: list[str] = []
    at = 0
    while at < len(cells):
        _, _, style, link = cells[at]
        end = at
        while end < len(cells) and cells[end][2:] == (style, link):
            end += 1
        text = "".join(cell[0] for cell in cells[at:end])
        text = f"\x1b[{style}m{text}\x1b[0m" if style else text
        written.append(f"\x1b]8;{link}\x1b\\{text}\x1b]8;;\x1b\\" if link else text)
        at = end
    return "".join(written)


class RandomScreen:
    """A screen that changes at random, a frame at a time."""

    def __init__(self, seed: int, width: int = 40, height: int = 10) -> None:
        self.random = random.Random(seed)
        self.width, self.height = width, height
        self.rows = [self._random_row() for _ in range(height)]

    def _random_row(self) -> list[Painted]:
        return self._random_cells(self.width, calm=self.random.random() < 0.6)

    def _random_cells(self, width: int, *, calm: bool) -> list[Painted]:
        choose = self.random
        cells: list[Painted] = []
        left = width
        while left:
            style = choose.choice(STYLES[:3] if calm else STYLES)
            link = LINK if choose.random() < 0.03 else ""
            kinds = (PLAIN_TEXT,) * 8 if calm else (PLAIN_TEXT, PLAIN_TEXT, WIDE_TEXT, DOUBTFUL_TEXT)
            for _ in range(choose.randint(1, 12)):
                text = choose.choice(choose.choice(kinds))
                size = cells_of(text)
                if size > left:
                    text, size = " ", 1
                cells.append((text, size, style, link))
                left -= size
                if not left:
                    break
        return cells

    def full_frame(self) -> str:
        """Return the frame that paints everything."""
        lines = [f"\x1b[{y + 1};1H{paint(row)}" for y, row in enumerate(self.rows)]
        return "\n".join(lines) + self.cursor()

    def cursor(self) -> str:
        """Return the move at the end of a frame."""
        return "\x1b[1;1H" if self.random.random() < 0.8 else f"\x1b[{self.random.randint(1, self.height)};3H"

    def next_frame(self) -> str:
        """Change something, and return the frame that paints at least that."""
        choose = self.random.random()
        if choose < 0.55:
            parts = [self._change_cells(self.random.randrange(self.height)) for _ in range(self.random.randint(1, 4))]
            return "\n".join(parts) + self.cursor()
        if choose < 0.75:
            y = self.random.randrange(self.height)
            self.rows[y] = self._random_row()
            return f"\x1b[{y + 1};1H{paint(self.rows[y])}{self.cursor()}"
        if choose < 0.8:
            return self._shift()
        if choose < 0.9:
            self._scroll()
        elif choose < 0.95:
            self.rows = [self._random_row() for _ in range(self.height)]
        return self.full_frame()

    def _change_cells(self, y: int) -> str:
        row = self.rows[y]
        first = self.random.randrange(len(row))
        last = min(len(row), first + self.random.randint(1, 9))
        size = sum(cell[1] for cell in row[first:last])
        changed = self._random_cells(size, calm=self.random.random() < 0.7)
        row[first:last] = changed
        last = first + len(changed)
        x = sum(cell[1] for cell in row[:first])
        end = self.random.randint(first + 1, len(row))  # Textual may paint more than what changed
        return f"\x1b[{y + 1};{x + 1}H{paint(row[first : max(end, last)])}"

    def _shift(self) -> str:
        """Move part of every calm row to the left, as trends move."""
        first, last = sorted(self.random.sample(range(self.width + 1), 2))
        for row in self.rows:
            if len(row) == self.width and last > first:  # no wide characters
                row[first:last] = [*row[first + 1 : last], (self.random.choice("▁▂▃x "), 1, row[first][2], "")]
        return self.full_frame()

    def _scroll(self) -> None:
        top = self.random.randrange(self.height - 2)
        bottom = self.random.randrange(top + 2, self.height + 1)
        by = self.random.choice((-3, -1, 1, 2))
        inside = self.rows[top:bottom]
        moved = (
            inside[by:] + [self._random_row() for _ in inside[:by]]
            if by > 0
            else ([self._random_row() for _ in inside[by:]] + inside[:by])
        )
        self.rows[top:bottom] = moved[: bottom - top]

    def resize(self, width: int, height: int) -> None:
        """Become a screen of another size."""
        self.width, self.height = width, height
        self.rows = [self._random_row() for _ in range(height)]


def cells_of(text: str) -> int:
    """Return how many cells a text takes by Textual's opinion."""
    return cell_len(text)
