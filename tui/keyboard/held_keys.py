"""Keys in single file: each is handled when the effect of the one before it is complete.

Textual hands a key to the widget that has the focus when the key arrives. If several arrive in one write, the widget or
dialog that the first one opens has no focus yet when the next ones are handed out: `/dy` would open a filter, request a
delete and confirm it. Here they wait; also for a screen that opened by itself, and for one that is still to be opened.
"""

from collections import deque
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from textual import events

if TYPE_CHECKING:
    from textual.app import App
    from textual.message_pump import MessagePump

LONGEST_EFFECT_S = 10
"""After this time the next key is handled whatever the one before is doing."""
AT_ONCE = ("ctrl+c",)
"""Keys that never wait."""
GIVE_UP = "escape"
"""The key that ends a wait for a screen."""

TypedEvent = events.Key | events.Paste
Place = tuple[object, object]
"""A screen and its widget that has the focus."""


class HeldKeys:
    """The keys and pasted texts of one app that wait. `handle` handles one of them.

    A key goes from the widget with the focus up to the app, which runs the action that is bound to it; the action may
    send messages that go the same way. The effect is complete when a key and then such messages have had the time for
    the whole way, and neither focus nor screen has changed meanwhile.
    """

    def __init__(self, app: "App[Any]", handle: Callable[[TypedEvent], Awaitable[None]]) -> None:
        self._app = app
        self._handle = handle
        self._held: deque[TypedEvent] = deque()
        self._turn = 0
        """Number of the key whose effect is awaited."""
        self._is_complete = True
        self._settled: Place | None = None
        """The place at the end of the last effect: what leads to another one since is not complete."""
        self._typed_at: tuple[TypedEvent, object] | None = None
        """The event that was handled last, and the screen that it was handed to."""
        self._give_up: Callable[[], None] | None = None
        """Ends the wait for a screen that is to be opened."""
        self._is_visible = False
        """Whether that wait is visible."""

    @property
    def is_idle(self) -> bool:
        """Whether no key waits, and the effect of the last one is complete."""
        return self._is_complete and not self._held and self._give_up is None

    def hold(self, give_up: Callable[[], None]) -> None:
        """Hold all keys from now on for a screen that is to be opened, until `release`; `give_up` ends the wait."""
        self._give_up, self._is_visible = give_up, False

    def release(self) -> None:
        """Handle the keys that are held: first what has just been done is completed."""
        self._give_up = None
        self._await_effect()

    def hold_visibly(self) -> bool:
        """Let escape end the wait from now on. Returns whether it has: an escape was typed before."""
        self._is_visible = True
        is_over = any(_gives_up(event) for event in self._held)
        if is_over:
            self._end_wait()
        return is_over

    def _end_wait(self) -> None:
        """Give up the wait, and with it the keys up to the escape: they were meant for what does not open."""
        while not _gives_up(event := self._held.popleft()):
            self.drop(event)
        self.drop(event)
        if self._give_up is not None:
            self._give_up()

    def drop(self, event: TypedEvent) -> None:
        """Called for each key that is given up."""

    async def receive(self, event: TypedEvent) -> None:
        """Handle an event now, or later if the effect of the one before it is not complete."""
        if isinstance(event, events.Key) and event.key in AT_ONCE:
            await self._handle(event)
        elif self.is_idle and self._place() == self._settled:
            await self._begin(event)
        elif self.is_idle:
            self._held.append(event)
            self._await_effect()
        else:
            if not self._held:
                self._limit_effect()
            self._held.append(event)
            if self._is_visible and self._give_up is not None and _gives_up(event):
                self._end_wait()

    async def _begin(self, event: TypedEvent) -> None:
        self._turn += 1
        self._is_complete = False
        if self._held:
            self._limit_effect()
        self._typed_at = (event, self._app.screen if self._app.screen_stack else None)
        if isinstance(event, events.Paste):
            self._app.app_focus = True  # as Textual does at a key: without the terminal's focus no widget has one
        await self._handle(event)
        self._look(self._turn, before=None)

    def has_lost_its_screen(self, event: TypedEvent) -> bool:
        """Return whether another screen is on top than the one that a key was handed to, which is still on its way.

        Textual would search the bindings of that other screen: `q`, typed at a dialog that an answer closes at that
        instant, would end the console.
        """
        if self._typed_at is None or self._typed_at[0] is not event:
            return False
        return not self._app.screen_stack or self._app.screen is not self._typed_at[1]

    def _await_effect(self) -> None:
        """Await what something else than a key has begun."""
        self._turn += 1
        self._is_complete = False
        if self._held:
            self._limit_effect()
        self._look(self._turn, before=None)

    def _limit_effect(self) -> None:
        self._app.set_timer(LONGEST_EFFECT_S, partial(self._complete, self._turn))

    def _place(self) -> Place:
        """Return where the next key would go."""
        app = self._app
        return (app.screen, app.focused) if app.screen_stack else (None, None)

    def _look(self, turn: int, before: Place | None) -> None:
        app = self._app
        if not app.screen_stack:  # the app is ending
            self._held.clear()
            return
        # Twice: a message that a widget sends itself is handled after the first call.
        route: list[MessagePump] = [pump for pump in (app.focused or app.screen).ancestors_with_self for _ in range(2)]
        self._pass_on(route, turn, before)

    def _pass_on(self, route: "list[MessagePump]", turn: int, before: Place | None) -> None:
        """Call this again in the next widget's turn; at the end of the route, look what has changed."""
        while route:
            if route.pop(0).call_later(self._pass_on, route, turn, before):
                return  # else the widget is being removed
        self._app.call_later(self._arrive, turn, before)

    async def _arrive(self, turn: int, before: Place | None) -> None:
        if turn != self._turn:
            return
        if (now := self._place()) != before:
            self._look(turn, now)
        else:
            await self._complete(turn)

    async def _complete(self, turn: int) -> None:
        if turn == self._turn and not self._is_complete and self._give_up is None:
            self._is_complete = True
            self._settled = self._place()
            if self._held:
                await self._begin(self._held.popleft())


def _gives_up(event: TypedEvent) -> bool:
    return isinstance(event, events.Key) and event.key == GIVE_UP
