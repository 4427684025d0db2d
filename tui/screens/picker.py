"""A list to pick from, narrowed by typing."""

from collections.abc import Callable, Sequence
from typing import ClassVar, NamedTuple

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.widgets import Input

from tui.model.suggestions import close_names
from tui.model.text import padded, sanitize, width
from tui.screens.dialog import Dialog
from tui.widgets.key_hints import EMPTY_PICKER_HINTS, PICKER_HINTS, hint_parts
from tui.widgets.lines import Line, Part

_MOST_LINES = 14


class Choice(NamedTuple):
    """An entry of the list. `text` is what is typed for it."""

    value: str
    text: str
    help: str = ""
    takes: str = ""
    """Name of the argument that may follow the text; empty where there is none."""


class Picked(NamedTuple):
    """The picked value and the argument typed after it."""

    value: str
    argument: str


class Picker(Dialog[Picked | None]):
    """Dismissed with what was picked, or with `None`. `current` is the value under the cursor at first.

    For a typed text that no choice matches, similar choices are listed; tab completes one, and enter picks none.
    `explain` returns why a typed text is not among the choices, if that is known.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "dismiss(None)", "close", show=False),
        Binding("down,ctrl+n", "move(1)", "down", show=False, priority=True),
        Binding("up,ctrl+p", "move(-1)", "up", show=False, priority=True),
        Binding("tab", "complete", "complete", show=False, priority=True),
    ]

    def __init__(
        self,
        title: str,
        choices: Sequence[Choice],
        typed: str = "",
        current: str = "",
        *,
        explain: Callable[[str], str] = lambda typed: "",
    ) -> None:
        super().__init__()
        self._explain = explain
        self._mistyped = False
        """Whether the shown choices are suggestions."""
        self._title, self._choices, self._typed = title, choices, typed
        self._shown: list[Choice] = list(choices)
        self._text_cells = max((width(f"{choice.text} {choice.takes}") for choice in choices), default=0) + 2
        self._help_cells = max((width(choice.help) for choice in choices), default=0)
        self._at = next((number for number, choice in enumerate(choices) if choice.value == current), 0)

    def compose(self) -> ComposeResult:
        """Return the widgets."""
        with Vertical(id="picker"):
            yield Line(id="picker-title")
            typed = Input(value=self._typed, id="typed", compact=True)
            typed.cursor_blink = False
            yield typed
            for number in range(min(_MOST_LINES, max(1, len(self._choices)))):
                yield Line(id=f"choice-{number}")
            yield Line(id="picker-keys")

    def prepare(self) -> None:
        """Prepare the widgets."""
        hints = PICKER_HINTS if self._choices else EMPTY_PICKER_HINTS
        self.query_one("#picker-keys", Line).show(hint_parts(hints, self._inner_cells))
        self.query_one(Input).focus()
        self._narrow(self._typed)

    @on(Input.Changed, "#typed")
    def _text_changed(self, event: Input.Changed) -> None:
        if event.value != self._typed:
            self._typed, self._at = event.value, 0
            self._narrow(event.value)

    def _narrow(self, typed: str) -> None:
        """List the choices that begin with the typed text or take it as argument, then those that contain it."""
        text = typed.strip().casefold()
        begun = [
            choice for choice in self._choices if choice.text.casefold().startswith(text) or _argument(choice, typed)
        ]
        listed = set(begun)  # a search through the list, choice by choice, would take seconds for thousands
        rest = [
            choice
            for choice in self._choices
            if choice not in listed and text in f"{choice.text} {choice.help}".casefold()
        ]
        self._shown = [*begun, *rest]
        self._mistyped = not self._shown
        if self._mistyped:
            by_text = {choice.text: choice for choice in self._choices}
            self._shown = [by_text[name] for name in close_names(typed, by_text)]
        self._draw()

    def _describe_mismatch(self) -> str:
        """Return why no choice matches."""
        if reason := self._explain(self._typed):
            return reason
        return f"no match for {sanitize(self._typed.strip())}" + ("; did you mean (tab)" if self._shown else "")

    def _draw(self) -> None:
        self._at = min(max(0, self._at), max(0, len(self._shown) - 1))
        self.query_one("#picker-title", Line).show([(f" {self._title}", "strong")])
        lines = min(_MOST_LINES, max(1, len(self._choices)))
        first = 1 if self._mistyped and lines > 1 else 0
        top = max(0, self._at - (lines - first) + 1)
        cells = min(self._text_cells, 40, max(20, self._inner_cells - self._help_cells))
        for line in range(lines):
            parts: list[Part] = []
            number = line - first
            if self._mistyped and not line:
                parts = [(f"  {self._describe_mismatch()}", "warn")]
            elif top + number < len(self._shown):
                choice = self._shown[top + number]
                cursor = top + number == self._at
                parts = [("▸ " if cursor else "  ", "accent")]
                parts += [(padded(f"{choice.text} {choice.takes}", cells), "strong" if cursor else "")]
                parts += [(choice.help, "quiet")]
            self.query_one(f"#choice-{line}", Line).show(parts)

    @property
    def _inner_cells(self) -> int:
        """The width of a line without the cursor's mark."""
        return min(self.app.size.width, 100) - 4

    def action_move(self, by: int) -> None:
        """Move down, or up (below zero)."""
        self._at += by
        self._draw()

    def action_complete(self) -> None:
        """Complete the typed text."""
        if self._shown:
            choice = self._shown[self._at]
            typed = self.query_one(Input)
            argument = typed.value.strip().partition(" ")[2] if self._mistyped and choice.takes else ""
            typed.value = choice.text + (f" {argument}" if choice.takes else "")
            typed.cursor_position = len(typed.value)

    @on(Input.Submitted, "#typed")
    def _picked(self, event: Input.Submitted) -> None:
        if self._shown and not self._mistyped:
            choice = self._shown[self._at]
            self.dismiss(Picked(choice.value, _argument(choice, event.value)))


def _argument(choice: Choice, typed: str) -> str:
    """Return what was typed after a choice that takes an argument; empty where there is none."""
    if not choice.takes or not typed.casefold().startswith(f"{choice.text.casefold()} "):
        return ""
    return typed[len(choice.text) + 1 :].strip()
