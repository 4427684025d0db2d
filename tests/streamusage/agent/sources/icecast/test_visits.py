"""Lengths of visits to an Icecast whose clock is set."""

import pytest

from streamusage.access_logs.icecast import IcecastLogLine, parse_seconds
from streamusage.agent.sources.common.sample_time import Instant, ServerTime
from streamusage.agent.sources.icecast.visits import KnownVisits, ListedVisit, VisitLength

CONNECTED_S = 1_795_288_700


def at(elapsed_s: int) -> Instant:
    return Instant(0, elapsed_s * 1000)


def server_time(elapsed_s: int, step_s: int = 0) -> ServerTime:
    """The server's clock, which showed `CONNECTED_S` at elapsed second 100, after a step."""
    now_ms = (CONNECTED_S - 100 + elapsed_s + step_s) * 1000
    return ServerTime(now_ms, now_ms + 200)


def line(ended_elapsed_s: int, step_s: int = 0, ip: str = "1.2.3.4") -> IcecastLogLine:
    """The line of the visit that began at elapsed second 100."""
    ended_s = CONNECTED_S - 100 + ended_elapsed_s + step_s
    return IcecastLogLine("listener", ip, "/a.mp3", ended_s, ended_s - CONNECTED_S, 0)


@pytest.fixture
def visits() -> KnownVisits:
    known = KnownVisits()
    known.add_reading(at(110), [ListedVisit("7", "1.2.3.4", "/a.mp3", CONNECTED_S, 10_000)])
    return known


@pytest.mark.parametrize("step_s", [3 * 3600, -3600, -400 * 86_400])
def test_step_during_a_visit_does_not_change_its_length(visits: KnownVisits, step_s: int) -> None:
    length = visits.measure(line(160, step_s), at(161), server_time(161, step_s))
    assert 60_000 - length.granularity_ms < length.duration_ms <= 60_000


@pytest.mark.parametrize("step_s", [3 * 3600, -3600])
def test_line_before_a_step_that_is_read_after_it_ends_since_the_last_reading(visits: KnownVisits, step_s: int) -> None:
    assert visits.measure(line(111), at(112), server_time(112, step_s)).duration_ms == 11_000


def test_length_without_a_step_is_that_of_the_log(visits: KnownVisits) -> None:
    assert visits.measure(line(160), at(190), server_time(190)) == VisitLength(60_000, 1_000)


def test_visit_that_no_list_showed_has_the_length_of_the_log(visits: KnownVisits) -> None:
    assert visits.measure(line(160, ip="9.9.9.9"), at(161), server_time(161)) == VisitLength(60_000, 1_000)
    assert visits.measure(line(160, -3600, ip="9.9.9.9"), at(161), server_time(161, -3600)).duration_ms == 0


def test_listed_age_after_a_step_is_that_of_earlier_lists(visits: KnownVisits) -> None:
    stepped = ListedVisit("7", "1.2.3.4", "/a.mp3", CONNECTED_S, 0)
    visits.add_reading(at(160), [stepped])
    assert visits.age_ms(stepped, at(160), 200) == 60_000


def test_visit_is_forgotten_some_time_after_it_was_listed(visits: KnownVisits) -> None:
    visits.add_reading(at(800), [])
    assert visits.measure(line(160, 3600), at(801), server_time(801, 3600)) == VisitLength(3_660_000, 1_000)


def test_visit_on_another_mount_was_elsewhere_unless_one_like_it_stayed(visits: KnownVisits) -> None:
    assert (visits.was_listed(line(160)), visits.was_elsewhere(line(160))) == (True, False)
    visits.add_reading(at(120), [ListedVisit("7", "1.2.3.4", "/b.mp3", CONNECTED_S, 20_000)])
    assert visits.was_elsewhere(line(160))
    assert not visits.was_listed(line(160, ip="9.9.9.9"))


def test_line_of_a_listener_whose_connect_is_unknown_reaches_to_its_appearance(visits: KnownVisits) -> None:
    visits.add_reading(at(113), [ListedVisit("8", "5.5.5.5", "/a.mp3", None, 0)])
    earlier = visits.measure(line(160, ip="5.5.5.5"), at(161), server_time(161))
    assert earlier.granularity_ms == 1_000, "it began at 100, and the reading at 110 did not show it"
    began_s = CONNECTED_S + 12
    later = IcecastLogLine("listener", "5.5.5.5", "/a.mp3", CONNECTED_S + 60, CONNECTED_S + 60 - began_s, 0)
    assert visits.measure(later, at(161), server_time(161)).granularity_ms >= 1_000 + 1_000


@pytest.mark.parametrize(("digits", "seconds"), [("7", 7), ("18446744073709548028", -3588)])
def test_negative_seconds_are_written_as_64_bit_numbers(digits: str, seconds: int) -> None:
    assert parse_seconds(digits) == seconds
