"""Wrong-row safety through the whole console: keys are pressed in the real app while the service keeps changing.

Before every key, between the answer and the next request, and while the dialog is open, sessions change, reorder,
vanish and appear. Whatever is pressed, no request deletes a session that a confirmed dialog did not name.
"""

import asyncio
from collections import Counter
from collections.abc import Callable
from datetime import UTC
from pathlib import Path
from random import Random
from typing import Unpack
from urllib.parse import parse_qs, unquote

import pytest
from textual import events
from textual.message import Message
from textual.pilot import Pilot
from textual.widgets import Button

from streamusage.client.usage_client import UsageClient
from streamusage.core.clock import SystemClock
from streamusage.core.usage import SessionKey
from tests.support.canned_answers import ReceivedRequest
from tests.support.console.pilot import until
from tests.support.console.records import recent, session
from tests.support.plain_manager import BASE, PlainManager, wire
from tests.support.waiting import wait_until
from tui.app.console_app import ConsoleApp
from tui.app.messages import SessionsPolled
from tui.app.ports import SubscriptionChanges
from tui.screens.confirm_delete import ConfirmDelete

SEEDS = 4
MOST_SEEDS = 24
"""As many are tried until each kind of delete was seen often enough: what a key meets depends on the machine's pace."""
WANTED = {"one session": 6, "all sessions": 16, "the marked sessions": 9, "asked again": 16}
DELETED = 61
STEPS = 650
"""Of one seed: keys, and everything that may happen between two of them."""
START = recent(600)
MOVES = ["j", "k", "home", "end", "pagedown", "pageup", "shift+down", "shift+up", "space", "space"]
LOOKS = ["o", "O", "t", "z", "enter", "escape", "comma", "full_stop", "0", "p", "p"]
DELETES = ["d", "D"]


class World(PlainManager):
    """A Stream Manager whose records never rest. It notes what a delete asks for that nobody confirmed."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        self.random = Random(seed)
        self.confirmed: set[SessionKey] = set()
        self.deleted: list[SessionKey] = []
        self.wrong: list[str] = []
        self.polled: Callable[[], None] = lambda: None
        self.steps = 0
        self._started = START
        for _ in range(12):
            self.change()

    def change(self) -> None:
        random = self.random
        what = random.random()
        if self.records and what < 0.25:
            del self.records[random.randrange(len(self.records))]
        elif self.records and what < 0.6:
            random.choice(self.records)["aciveSubscribers"] = random.randrange(1000)
        else:
            self._started += random.randrange(1, 50)
            name = random.choice(["cam", "cam-1", "stage", "a/b", "[red]x", "日本"])
            record = wire(name, random.choice(["live", "live/x"]), self._started)
            self.records.append(record | {"aciveSubscribers": random.randrange(1000)})
        random.shuffle(self.records)

    def turmoil(self) -> None:
        """What happens between two steps of the operator or of the console."""
        self.steps += 1
        for _ in range(self.random.randrange(4)):
            self.change()
        if self.random.random() < 0.7:
            self.polled()

    def _respond(self, asked: ReceivedRequest) -> bytes:
        if asked.method == "DELETE":
            *scope, name = map(unquote, asked.path.removeprefix(BASE + "/").split("/"))
            start = parse_qs(asked.query).get("startTime")
            key = SessionKey("/".join(scope), name, int(start[0])) if start else None
            if key is None or key not in self.confirmed:
                self.wrong.append(asked.target)
            else:
                self.deleted.append(key)
        answer = super()._respond(asked)
        self.turmoil()
        return answer


class FakeSource:
    """A poll source that posts the world's sessions whenever the world requests it."""

    interval_seconds, times_slower, no_service_reason = 1.0, 1, ""

    def __init__(self, world: World, post: Callable[[Message], object]) -> None:
        self._world, self._post = world, post
        self._known: set[SessionKey] = set()
        world.polled = self.refresh

    async def run(self) -> None:
        self.refresh()

    def refresh(self) -> None:
        sessions = [
            session(one["name"], one["startTime"], one["scope"], active=one["aciveSubscribers"], provenance=None,
                    live=one["startTime"] % 2 == 0)
            for one in self._world.records
        ]  # fmt: skip
        keys = {one.key for one in sessions}
        gone = [key for key in self._known if key not in keys]
        self._known = keys
        self._post(SessionsPolled(sessions, gone, False, SystemClock().now_ms(), None, "plain"))

    def look_for_extension(self) -> None: ...

    def subscribe(self, *, at_once: bool = True, **changes: Unpack[SubscriptionChanges]) -> None: ...


async def press(pilot: Pilot[int], key: str) -> None:
    """A key, and until the console has done what was queued by then; nothing waits for it to come to rest."""
    character = {"space": " "}.get(key, key if len(key) == 1 else None)
    pilot.app.post_message(events.Key(key, character))
    for _ in range(3):  # from the app to what has the focus, from there to the screen, and what that does
        await pilot._wait_for_screen()


async def until_gone(pilot: Pilot[int], dialog: ConfirmDelete, changed: Callable[[], object]) -> None:
    await wait_until(
        lambda: pilot.app.screen is not dialog or changed(),
        "the dialog is closed or shows why not",
        every_seconds=0.005,
    )


async def answer(pilot: Pilot[int], app: ConsoleApp, world: World, seen: Counter[str]) -> None:
    """Read the dialog and confirm it, or cancel. Meanwhile the sessions change."""
    dialog = app.screen
    assert isinstance(dialog, ConfirmDelete)
    await until(pilot, lambda: any(one.has_focus for one in dialog.query("#cancel")), "the dialog")
    plan = dialog._plan
    named = plan.keys
    read = "\n".join(str(one.render()) for one in dialog.query(".paragraph"))  # type: ignore[attr-defined]
    world.turmoil()
    if world.random.random() < 0.25 or not dialog.query("#go"):
        seen["given up"] += 1
        await press(pilot, "escape")
        return
    for character in plan.to_type:
        if dialog.focused is None or dialog.focused.id != "name":
            dialog.query_one("#name").focus()
        await press(pilot, character)
        world.turmoil()
    assert read == "\n".join(str(one.render()) for one in dialog.query(".paragraph")), "the text has not changed"  # type: ignore[attr-defined]
    assert plan.keys == named
    go, since = dialog.query_one("#go", Button), dialog.query_one("#since")
    assert not go.disabled
    world.confirmed |= set(named)
    for _ in range(6):
        before = str(since.render()) if since.display else ""
        world.turmoil()
        go.press()
        await until_gone(pilot, dialog, lambda before=before: since.display and str(since.render()) != before)
        if app.screen is not dialog:
            seen[plan.radius.value] += 1
            return
        seen["asked again"] += 1
        if go.disabled:
            break
        world.turmoil()
    await press(pilot, "escape")


@pytest.mark.usefixtures("quick_keys")
async def test_console_deletes_only_what_a_confirmed_dialog_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: Counter[str] = Counter()
    steps = deleted = 0
    for seed in range(MOST_SEEDS):
        enough = deleted >= DELETED and all(seen[what] >= times for what, times in WANTED.items())
        if seed >= SEEDS and enough:
            break
        world = World(seed)
        async with world, UsageClient(world.url, world.token) as client:
            app = ConsoleApp(
                client, profile_name="", clock=SystemClock(), poll_interval_seconds=1, tz=UTC,
                journal_path=tmp_path / f"{seed}.ndjson", make_source=lambda post, world=world: FakeSource(world, post),
            )  # fmt: skip
            async with app.run_test(size=(80, 11)) as pilot:
                await pilot.pause()
                while world.steps < STEPS:
                    world.turmoil()
                    if isinstance(app.screen, ConfirmDelete):
                        await answer(pilot, app, world, seen)
                    elif app.screen is not app.sessions_screen:
                        await press(pilot, "escape")
                    else:
                        if app.state.is_paused and world.random.random() < 0.5:
                            await press(pilot, "0")
                        # While a delete is under way another is refused: an operator waits a little.
                        waits = app.deletion.is_under_way and world.random.random() < 0.9
                        keys = world.random.choices([MOVES, LOOKS, DELETES], [5, 2, 0 if waits else 4])[0]
                        await press(pilot, world.random.choice(keys))
                        await asyncio.sleep(0.01 if waits else 0)
                    assert not world.wrong, f"seed {seed}: {world.wrong}"
            deleted, steps = deleted + len(world.deleted), steps + world.steps
    assert steps >= SEEDS * STEPS
    assert deleted >= DELETED
    assert not {what: seen[what] for what, times in WANTED.items() if seen[what] < times}
