"""Screens that do not open in the turn of the key that requests them.

One whose content is fetched first has all keys from its request on: they wait for it. One that nobody requested, such
as a result, opens when no key is on its way and nothing is being typed.
"""

from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, TypeVar

from textual.widgets import Input

from tui.keyboard.held_keys import HeldKeys

if TYPE_CHECKING:
    from textual.app import App
    from textual.worker import Worker

MOMENT_S = 0.3
"""A wait that takes longer is shown, and escape ends it."""
_LOOK_AGAIN_S = 0.1

Value = TypeVar("Value")


class Openings:
    """The screens of one app that are about to open.

    `show_wait` receives the name of what is awaited once that takes longer than a moment, and then an empty text.
    `show_given_up` receives the name if escape ended the wait.
    """

    def __init__(
        self,
        app: "App[Any]",
        held_keys: HeldKeys,
        *,
        show_wait: Callable[[str], None],
        show_given_up: Callable[[str], None],
    ) -> None:
        self._app = app
        self._held_keys = held_keys
        self._show_wait = show_wait
        self._show_given_up = show_given_up
        self._worker: Worker[None] | None = None

    def open_after(self, fetch: Coroutine[Any, Any, Value], show: Callable[[Value], None], name: str) -> None:
        """Call `show`, which opens a screen, with what `fetch` returns. Keys typed until then are held for the screen.

        `name` is that of the screen: `the journal`. Where `fetch` has failed, `show` shows that.
        """

        async def fetch_and_show() -> None:
            value = await fetch
            if self._worker is worker:
                self._end()
                show(value)

        self._give_up()
        self._held_keys.hold(give_up=lambda: self._give_up(name))
        self._worker = worker = self._app.run_worker(fetch_and_show(), group="open", exit_on_error=True)
        self._app.set_timer(MOMENT_S, lambda: self._take_long(worker, name))

    def _take_long(self, worker: "Worker[None]", name: str) -> None:
        if self._worker is worker and not self._held_keys.hold_visibly():
            self._show_wait(name)

    def _end(self) -> None:
        self._worker = None
        self._show_wait("")
        self._held_keys.release()

    def _give_up(self, name: str = "") -> None:
        if self._worker is not None:
            self._worker.cancel()
            self._end()
            self._show_given_up(name)

    def open_when_free(self, show: Callable[[], object]) -> None:
        """Call `show`, which opens a screen that no key has requested, when it interrupts nothing."""
        app = self._app
        if not app.screen_stack:  # the app is ending
            return
        if self._held_keys.is_idle and not app.screen.is_modal and not isinstance(app.focused, Input):
            show()
        else:
            app.set_timer(_LOOK_AGAIN_S, lambda: self.open_when_free(show))
