"""Servers that are not seen: their names, since when, and how many watched there when they were seen last."""

from datetime import UTC
from typing import Any

from streamusage.api.extension import ServerStatus
from tui.model.unseen import UnseenServers, is_unseen, watching

NOW = 1_795_262_400_000
MINUTE = 60_000


def a_server(name: str, active: int = 0, owed_minutes: int = 0, **fields: Any) -> ServerStatus:
    known: dict[str, Any] = {
        "state": "unreachable" if owed_minutes else "live",
        "watermark": NOW - owed_minutes * MINUTE,
        "owed_ms": owed_minutes * MINUTE,
    }
    return ServerStatus(server=name, role="edge", active_subscribers=active, **known | fields)


def described(*polls: list[ServerStatus]) -> str:
    unseen = UnseenServers()
    for servers in polls:
        unseen.update(servers)
    return unseen.describe(NOW, UTC)


def test_unseen_server_is_described_with_what_it_had() -> None:
    before = [a_server("edge-1", 680), a_server("edge-3", 437)]
    late = [a_server("edge-1", 251), a_server("edge-3", 430, 1)]
    after = [a_server("edge-1", 251), a_server("edge-3", 0, 26)]
    assert described(before, late, after) == "edge-3 unseen since 11:34: had 430"
    assert described(after) == "edge-3 unseen since 11:34", "a console that started later does not know it"
    assert described([a_server("edge-3", 0)], after) == "edge-3 unseen since 11:34", "it had none"


def test_several_unseen_servers_are_named_or_counted_from_the_first_on() -> None:
    before = [a_server(f"edge-{number}", 100) for number in range(5)]
    assert described(before, [*before[2:], a_server("edge-0", 0, 4), a_server("edge-1", 0, 9)]) == (
        "edge-1, edge-0 unseen since 11:51: had 200"
    )
    assert described(before, [a_server(f"edge-{number}", 0, 5) for number in range(5)]) == (
        "edge-0 and 4 more unseen since 11:55: had 500"
    )
    unread = a_server("new", state="unreachable", watermark=None)
    assert described(before, [*before, unread]) == "new unseen"


def test_removed_server_and_a_late_report_are_no_outage() -> None:
    assert not is_unseen(a_server("a", 5))
    assert not is_unseen(a_server("a", state="live", owed_ms=30_000))
    assert is_unseen(a_server("a", state="live", owed_ms=30_001))
    assert not is_unseen(a_server("a", 0, 60, state="removed"))


def test_nobody_knows_who_watches_at_a_server_that_is_not_seen_or_was_never_read() -> None:
    assert watching(a_server("a", 5)) == 5
    assert watching(a_server("a", 0)) == 0
    assert watching(a_server("a", 5, 1)) is None
    never_read = a_server("a", 0, watermark=None, owed_ms=5_000, source_error="no page")
    assert not is_unseen(never_read)
    assert watching(never_read) is None


def test_figures_of_an_unseen_server_that_the_service_still_counts_are_outdated() -> None:
    unseen = UnseenServers()
    assert not unseen
    unseen.update([a_server("edge-1", 251), a_server("edge-3", 430, 1)])
    assert (bool(unseen), unseen.outdated) == (True, 430)
    unseen.update([a_server("edge-1", 251), a_server("edge-3", 500)])
    assert (bool(unseen), unseen.outdated) == (False, 0)


def test_names_of_servers_are_safe_to_draw() -> None:
    unseen = UnseenServers()
    unseen.update([a_server("\x1b[2J" + "x" * 90, 0, 3)])
    assert "\x1b" not in unseen.names()
    assert len(unseen.names()) == 16
