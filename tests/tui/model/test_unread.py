"""Texts about media servers that cannot be read."""

from typing import Any

from streamusage.api.extension import ServerStatus
from tui.model.unread import reason_line, reason_lines, state_word, unread_servers

NOW = 1_795_000_000_000


def a_server(name: str = "edge-1", **fields: Any) -> ServerStatus:
    failing = {"source_error": "connection refused", "source_error_since": NOW - 300_000, "source_error_at": NOW}
    return ServerStatus(server=name, role="edge", state="unreachable", **{**failing, **fields})


def test_unread_server_has_its_own_state_while_its_agent_reports() -> None:
    assert state_word(a_server(), NOW) == "no reading"
    assert state_word(a_server(source_error_at=NOW - 31_000), NOW) == "unreachable"
    assert state_word(ServerStatus(server="x", role="edge", state="live"), NOW) == "live"


def test_reason_has_its_age_and_the_agents_words() -> None:
    assert reason_line(a_server(), NOW) == "no reading for 5m: connection refused"
    silent = a_server(source_error_at=NOW - 60_000)
    assert reason_line(silent, NOW) == "no reading for 5m, and no word of its agent for 1m: connection refused"
    assert reason_line(a_server(source_error="\x1b[2J\u202e"), NOW) == "no reading for 5m: ␛[2J�"


def test_reason_is_wrapped_and_its_lines_are_limited() -> None:
    lines = reason_lines(a_server(source_error="word " * 100), NOW, 40)
    assert (len(lines), max(map(len, lines))) == (6, 40)
    assert lines[-1].endswith("…")
    assert reason_lines(a_server(), NOW, 80) == ["no reading for 5m: connection refused"]


def test_longest_failing_server_is_first() -> None:
    servers = [
        a_server("a"),
        a_server("b", source_error_since=NOW - 900_000),
        ServerStatus(server="c", role="edge", state="live"),
        ServerStatus(server="d", role="edge", state="removed", source_error="gone", source_error_since=1),
    ]
    assert [server.server for server in unread_servers(servers)] == ["b", "a"]
