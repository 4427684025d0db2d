"""Alerts about open gaps: each is raised once and cleared once."""

from streamusage.api.extension import ServerStatus
from tui.model.alerts import Alert, AlertBook

MINUTE = 60_000


def server(owed_ms: int, name: str = "edge-3") -> ServerStatus:
    return ServerStatus(server=name, role="edge", state="live", owed_ms=owed_ms)


def test_gap_alert_is_raised_once_and_cleared_once() -> None:
    book = AlertBook(2 * MINUTE)
    assert book.update([server(MINUTE)]) == []
    assert book.update([server(2 * MINUTE)]) == [Alert("raised", "edge-3", 2 * MINUTE)]
    assert book.update([server(3 * MINUTE)]) == []
    assert book.update([server(0)]) == [Alert("cleared", "edge-3", 3 * MINUTE)]
    assert book.update([server(0)]) == []
    assert [alert.kind for alert in book.update([server(5 * MINUTE), server(0, "edge-4")])] == ["raised"]
    assert [alert.kind for alert in book.update([])] == ["cleared"]
