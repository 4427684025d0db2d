"""Visits of ignored clients are counted apart from viewers."""

from streamusage.agent.sources.hls.ignored_visits import IgnoredVisits
from tests.support.agent.hls_log import LOG_START_S, hls_line, parse_requests

IDLE_AFTER_MS = 30_000
START_MS = LOG_START_S * 1000


def visits_of(*lines: bytes) -> IgnoredVisits:
    visits = IgnoredVisits(IDLE_AFTER_MS)
    visits.add(parse_requests(lines, ignore=["agent:probe", "192.0.2.0/24"]))
    return visits


def test_ignored_clients_are_counted_and_viewers_are_not() -> None:
    visits = visits_of(
        hls_line(0, agent="probe/1"), hls_line(4, agent="probe/1"), hls_line(5, ip="192.0.2.9"), hls_line(6)
    )
    counted = visits.count(START_MS + 10_000)
    assert counted is not None
    assert (counted.present, counted.connections) == (2, 2)


def test_ignored_client_who_returns_after_a_pause_is_counted_again() -> None:
    visits = visits_of(hls_line(0, agent="probe/1"), hls_line(100, agent="probe/1"))
    counted = visits.count(START_MS + 200_000)
    assert counted is not None
    assert (counted.present, counted.connections) == (0, 2)


def test_nothing_is_counted_without_ignored_clients() -> None:
    assert visits_of(hls_line(0)).count(START_MS) is None
