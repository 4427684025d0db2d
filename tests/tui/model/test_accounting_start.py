"""Since when accounting exists: of the first of several servers, if that is within the window."""

from datetime import UTC

from streamusage.api.extension import ServerStatus
from tui.model.accounting_start import accounting_start, describe_start

NOON = 1_795_262_400_000
HOUR = 3_600_000


def since(*at_ms: int | None) -> list[ServerStatus]:
    return [ServerStatus(server=f"edge-{at}", role="edge", state="live", since=at) for at in at_ms]


def test_start_is_that_of_the_first_server_within_the_window() -> None:
    window = (NOON - 12 * HOUR, NOON + 12 * HOUR)
    assert accounting_start(since(NOON + HOUR, NOON, None), *window) == NOON
    assert accounting_start(since(NOON, window[0] - 1), *window) is None, "one was accounted for all the time"
    assert accounting_start(since(window[0]), *window) is None
    assert accounting_start(since(window[1]), *window) is None
    assert accounting_start(since(None), *window) is None
    assert accounting_start([], *window) is None


def test_start_follows_a_share_in_percent() -> None:
    assert describe_start(NOON, NOON + HOUR, UTC) == " since 12:00"
    assert describe_start(NOON, NOON + 48 * HOUR, UTC) == " since Sat 12:00"
    assert describe_start(None, NOON, UTC) == ""
