"""What a delete that did not complete says: what happened, to what, what is left, and what to do."""

import json
from pathlib import Path

from textual.widgets import Input

from streamusage.client.usage_client import UsageClient
from tests.support.canned_answers import reply
from tests.support.console.pilot import console, screen_text, wait_for
from tests.support.console.records import recent
from tests.support.plain_manager import PlainManager, wire
from tui.screens.confirm_delete import ConfirmDelete
from tui.screens.delete_progress import DeleteResult

CONFLICT = reply(409, json.dumps({"errorMessage": "the session has a newer record", "timestamp": 1}))


async def test_session_that_changed_after_it_was_listed_is_named_and_what_is_left_too(tmp_path: Path) -> None:
    changed, other = recent(200), recent(100)
    async with (
        PlainManager(wire(start=changed), wire(start=other)) as manager,
        UsageClient(manager.url, manager.token) as client,
        console(client, tmp_path).run_test(size=(80, 24)) as pilot,
    ):
        app, respond = pilot.app, manager.respond
        manager.respond = lambda request: (
            CONFLICT if request.method == "DELETE" and str(changed) in request.target else respond(request)
        )
        await wait_for(pilot, lambda: len(app.state.store) == 2, "the rows")
        await pilot.press("home", "D")
        await wait_for(
            pilot, lambda: isinstance(app.screen, ConfirmDelete) and app.screen.query("#since"), "the dialog"
        )
        app.screen.query_one("#name", Input).value = "live/keynote"
        await pilot.pause()
        await pilot.press("enter", "enter")
        await wait_for(pilot, lambda: isinstance(app.screen, DeleteResult), "the result")
        await wait_for(pilot, lambda: "delete again." in screen_text(app), "all of it")
        text = " ".join(screen_text(app).replace("│", " ").split())
    assert [record["startTime"] for record in manager.records] == [changed]
    assert "1 deleted, 1 failed: HTTP 409, “the session has a newer record”" in text
    assert f"failed live/keynote {changed} HTTP 409, “the session has a newer record”" in text
    assert "1 session changed after being listed, so the service refused the delete. 1 still at the service." in text
    assert "journal of deleted records: streamtop journal Close this, look at what the table still lists, and" in text
