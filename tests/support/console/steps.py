"""Runs calculations that the console makes in steps."""

from collections.abc import Callable, Generator
from typing import TypeVar

Value = TypeVar("Value")


def run_to_end(steps: Generator[None, None, Value], between: Callable[[], object] = lambda: None) -> Value:
    """Return the result of the steps. `between` is called after each step but the last."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value  # type: ignore[no-any-return]
        between()
