"""Wrong-row safety through the whole console: keys are pressed in the real app while the service keeps changing.

Sessions change, reorder, vanish and appear before every key, between an answer and the next request, and while the
dialog is open. No request may delete a session that a confirmed dialog did not name.
"""

import asyncio
from collections import Counter
from collections.abc import Callable
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
from tests.support.console.pilot import wait_for
from tests.support.console.records import recent, session
from tests.support.plain_manager import BASE, PlainManager, wire
from tests.support.waiting import wait_until
from tui.app.console_app import ConsoleApp
from tui.app.messages import SessionsPolled
from tui.app.ports import SubscriptionChanges
from tui.config.settings import ConnectionSettings
from tui.screens import confirm_delete
from tui.screens.confirm_delete import ConfirmDelete

SEEDS = 4
MOST_SEEDS = 24
"""More seeds run until each kind of delete occurred often enough: which session a key hits depends on timing."""
WANTED = {"one session": 6, "all sessions": 16, "the marked sessions": 9, "confirmed again": 16}
DELETED = 61
STEPS = 650
"""Steps of one seed: keys, and the changes between two keys."""
START = recent(600)
MOVE_KEYS = ["j", "k", "home", "end", "pagedown", "pageup", "shift+down", "shift+up", "space", "space"]
VIEW_KEYS = ["o", "O", "t", "z", "enter", "escape", "comma", "full_stop", "0", "p", "p"]
DELETE_KEYS = ["d", "D"]


class ChangingManager(PlainManager):
    """A Stream Manager whose records keep changing. It records every delete request that was not confirmed."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        self.random = Random(seed)
        self.confirmed: set[SessionKey] = set()
        self.deleted: list[SessionKey] = []
        self.wrong: list[str] = []
        self.request_poll: Callable[[], None] = lambda: None
        self.steps = 0
        self._started = START
        for _ in range(12):
            self.change()

    def change(self) -> None:
        random = self.random
        choice = random.random()
        if self.records and choice < 0.25:
            del self.records[random.randrange(len(self.records))]
        elif self.records and choice < 0.6:
            random.choice(self.records)["aciveSubscribers"] = random.randrange(1000)
        else:
            self._started += random.randrange(1, 50)
            name = random.choice(["cam", "cam-1", "stage", "a/b", "[red]x", "日本"])
            record = wire(name, random.choice(["live", "live/x"]), self._started)
            self.records.append(record | {"aciveSubscribers": random.randrange(1000)})
        random.shuffle(self.records)

    def change_records(self) -> None:
        """Change records and usually poll: this happens between two steps of the operator or the console."""
        self.steps += 1
        for _ in range(self.random.randrange(4)):
            self.change()
        if self.random.random() < 0.7:
            self.request_poll()

    def _respond(self, request: ReceivedRequest) -> bytes:
        if request.method == "DELETE":
            *scope, name = map(unquote, request.path.removeprefix(BASE + "/").split("/"))
            start = parse_qs(request.query).get("startTime")
            key = SessionKey("/".join(scope), name, int(start[0])) if start else None
            if key is None or key not in self.confirmed:
                self.wrong.append(request.target)
            else:
                self.deleted.append(key)
        answer = super()._respond(request)
        self.change_records()
        return answer


class ScriptedPolls:
    """A poll source that posts the manager's sessions whenever the manager requests it."""

    interval_seconds, times_slower, no_service_reason, knowledge = 1.0, 1, "", None

    def __init__(self, manager: ChangingManager, post: Callable[[Message], object]) -> None:
        self._manager, self._post = manager, post
        self._known: set[SessionKey] = set()
        manager.request_poll = self.refresh

    async def run(self) -> None:
        self.refresh()

    def refresh(self) -> None:
        sessions = [
            session(
                record["name"],
                record["startTime"],
                record["scope"],
                active=record["aciveSubscribers"],
                provenance=None,
                live=record["startTime"] % 2 == 0,
            )
            for record in self._manager.records
        ]
        keys = {known.key for known in sessions}
        gone = [key for key in self._known if key not in keys]
        self._known = keys
        self._post(SessionsPolled(sessions, gone, False, SystemClock().now_ms(), None, "plain"))

    def start_over(self) -> None: ...

    def subscribe(self, *, at_once: bool = True, **changes: Unpack[SubscriptionChanges]) -> None: ...


async def press(pilot: Pilot[int], key: str) -> None:
    """Press a key and wait only until the console has processed the messages queued by then."""
    character = {"space": " "}.get(key, key if len(key) == 1 else None)
    pilot.app.post_message(events.Key(key, character))
    for _ in range(3):  # a key passes from the app to the focused widget and from there to the screen
        await pilot._wait_for_screen()


def dialog_text(dialog: ConfirmDelete) -> str:
    return "\n".join(str(paragraph.render()) for paragraph in dialog.query(".paragraph"))  # type: ignore[attr-defined]


async def wait_for_dialog(pilot: Pilot[int], dialog: ConfirmDelete, changed: Callable[[], object]) -> None:
    await wait_until(
        lambda: pilot.app.screen is not dialog or changed(),
        "the dialog is closed or shows the reason",
        every_seconds=0.005,
    )


async def answer_dialog(pilot: Pilot[int], app: ConsoleApp, manager: ChangingManager, seen: Counter[str]) -> None:
    """Confirm the dialog or cancel it, while the sessions change."""
    dialog = app.screen
    assert isinstance(dialog, ConfirmDelete)
    await wait_for(pilot, lambda: any(field.has_focus for field in dialog.query("#name, #cancel")), "the dialog")
    plan = dialog._plan
    named = plan.keys
    text = dialog_text(dialog)
    manager.change_records()
    if manager.random.random() < 0.25 or not dialog.query("#go"):
        seen["given up"] += 1
        await press(pilot, "escape")
        return
    for character in plan.to_type:
        if dialog.focused is None or dialog.focused.id != "name":
            dialog.query_one("#name").focus()
        await press(pilot, character)
        manager.change_records()
    assert text == dialog_text(dialog), "the text has not changed"
    assert plan.keys == named
    go, since = dialog.query_one("#go", Button), dialog.query_one("#since")
    assert not go.disabled
    manager.confirmed |= set(named)
    for _ in range(6):
        before = str(since.render()) if since.display else ""
        manager.change_records()
        go.press()
        await wait_for_dialog(pilot, dialog, lambda before=before: since.display and str(since.render()) != before)
        if app.screen is not dialog:
            seen[plan.radius.value] += 1
            return
        seen["confirmed again"] += 1
        if go.disabled:
            break
        manager.change_records()
    await press(pilot, "escape")


@pytest.mark.usefixtures("fast_keys")
async def test_console_deletes_only_what_a_confirmed_dialog_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(confirm_delete, "READING_MS", 0)
    seen: Counter[str] = Counter()
    steps = deleted = 0
    for seed in range(MOST_SEEDS):
        enough = deleted >= DELETED and all(seen[kind] >= times for kind, times in WANTED.items())
        if seed >= SEEDS and enough:
            break
        manager = ChangingManager(seed)
        async with manager, UsageClient(manager.url, manager.token) as client:
            app = ConsoleApp(
                client,
                ConnectionSettings(poll_interval_s=1),
                clock=SystemClock(),
                journal_path=tmp_path / f"{seed}.ndjson",
                make_source=lambda post, manager=manager: ScriptedPolls(manager, post),
            )
            async with app.run_test(size=(80, 11)) as pilot:
                await pilot.pause()
                while manager.steps < STEPS:
                    manager.change_records()
                    if isinstance(app.screen, ConfirmDelete):
                        await answer_dialog(pilot, app, manager, seen)
                    elif app.screen is not app.sessions_screen:
                        await press(pilot, "escape")
                    else:
                        if app.state.is_paused and manager.random.random() < 0.5:
                            await press(pilot, "0")
                        # A second delete is refused while one is under way: an operator usually waits.
                        waits = app.deletion.is_under_way and manager.random.random() < 0.9
                        keys = manager.random.choices([MOVE_KEYS, VIEW_KEYS, DELETE_KEYS], [5, 2, 0 if waits else 4])[0]
                        await press(pilot, manager.random.choice(keys))
                        await asyncio.sleep(0.01 if waits else 0)
                    assert not manager.wrong, f"seed {seed}: {manager.wrong}"
            deleted, steps = deleted + len(manager.deleted), steps + manager.steps
    assert steps >= SEEDS * STEPS
    assert deleted >= DELETED
    assert not {kind: seen[kind] for kind, times in WANTED.items() if seen[kind] < times}
