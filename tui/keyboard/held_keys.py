"""Keys in single file: each is handled when the effect of the one before it is complete.

Textual hands a key to the widget that has the focus when the key arrives. If several arrive in one write, the widget or
dialog that the first one opens has no focus yet when the next ones are handed out: `/dy` would open a filter, request a
delete and confirm it. Here they wait.
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

    @property
    def is_idle(self) -> bool:
        """Whether no key waits, and the effect of the last one is complete."""
        return self._is_complete and not self._held

    async def receive(self, event: TypedEvent) -> None:
        """Handle an event now, or later if the effect of the one before it is not complete."""
        if isinstance(event, events.Key) and event.key in AT_ONCE:
            await self._handle(event)
        elif self.is_idle:
            await self._begin(event)
        else:
            if not self._held:
                self._limit_effect()
            self._held.append(event)

    async def _begin(self, event: TypedEvent) -> None:
        self._turn += 1
        self._is_complete = False
        if self._held:
            self._limit_effect()
        await self._handle(event)
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
        if turn == self._turn and not self._is_complete:
            self._is_complete = True
            if self._held:
                await self._begin(self._held.popleft())
