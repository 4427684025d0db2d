"""Cross-checks find what is planted, and nothing in an estate that counts honestly."""

from collections.abc import Callable
from random import Random

import pytest

from streamusage.core.coverage import SLOT_MS
from streamusage.core.reasons import NGINX_NO_LOG, are_bytes_complete, counter_disagrees, parse_counter_disagreement
from streamusage.core.usage import StreamId
from streamusage.service.rules.cross_checks import (
    NO_EDGE,
    NO_ORIGIN,
    NOT_COUNTED,
    NOT_MEASURED,
    OWN_VIEWERS,
    SEVERAL_ORIGINS,
    STANDALONE,
    CarriedStream,
    MinutesOfStream,
    RelayComparison,
    ServerHour,
    Threshold,
    boundary_bytes,
    compare_log,
    compare_relays,
    compare_view_time,
)
from tests.support.service.honest_estate import HonestServer, honest_estate

HOUR = 60 * SLOT_MS
STREAM = StreamId("live", "a")
GIB = 2**30
ORIGIN, EDGE, OTHER = (
    ServerHour(name, role, True) for name, role in (("origin-1", "origin"), ("edge-1", "edge"), ("edge-2", "edge"))
)


def steady(viewers: int, *, factor: float = 1, connections: int = 0) -> MinutesOfStream:
    """Return an hour of as many viewers, whose view time is multiplied."""
    slots = range(0, HOUR, SLOT_MS)
    return MinutesOfStream(
        dict.fromkeys(slots, connections),
        dict.fromkeys(slots, int(SLOT_MS * viewers * factor)),
        dict.fromkeys(slots, viewers),
    )


def carried(server: ServerHour, bytes_in: int = 0, bytes_out: int = 0, viewers: int = 0) -> CarriedStream:
    return CarriedStream(server.server, viewers, viewers * 1000, bytes_in, bytes_out, True)


def relays(
    *carriers: CarriedStream, estate: tuple[ServerHour, ...] = (ORIGIN, EDGE, OTHER), uncertain: int = 0
) -> RelayComparison:
    return compare_relays(STREAM, carriers, {server.server: server for server in estate}, Threshold(), uncertain)


def both(compared: RelayComparison) -> tuple[int, int] | None:
    return None if compared.finding is None else (compared.finding.first, compared.finding.second)


def test_doubled_view_time_is_found_with_both_figures() -> None:
    found = compare_view_time("edge-1", [steady(20, factor=2)], Threshold())
    assert found is not None
    assert (found.kind, found.server, found.figure) == ("sessions-slots", "edge-1", "view_time_ms")
    assert (found.first, found.second) == (58 * 20 * SLOT_MS, 58 * 40 * SLOT_MS)


@pytest.mark.parametrize(("factor", "is_found"), [(0.9, True), (0.97, True), (0.99, False), (1.0, False), (1.1, True)])
def test_view_time_is_bound_by_the_samples(factor: float, is_found: bool) -> None:
    assert (compare_view_time("edge-1", [steady(100, factor=factor)], Threshold()) is not None) == is_found


def test_units_that_waited_while_a_clock_was_set_back_are_tolerated() -> None:
    hour = steady(100)
    late = {**hour.view_time_ms, 30 * SLOT_MS: 100 * 3 * SLOT_MS}
    assert compare_view_time("edge-1", [hour._replace(view_time_ms=late)], Threshold()) is None
    later = {**hour.view_time_ms, 30 * SLOT_MS: 100 * 6 * SLOT_MS}
    assert compare_view_time("edge-1", [hour._replace(view_time_ms=later)], Threshold()) is not None


def test_view_time_that_is_not_by_stream_may_be_what_is_missing() -> None:
    missing = 60 * 20 * SLOT_MS // 2
    assert compare_view_time("edge-1", [steady(20, factor=0.5)], Threshold(), missing) is None
    assert compare_view_time("edge-1", [steady(20, factor=0.5)], Threshold(), missing // 2) is not None
    assert compare_view_time("edge-1", [steady(20, factor=2)], Threshold(), missing) is not None


def test_viewers_who_come_and_go_between_samples_are_tolerated() -> None:
    assert compare_view_time("edge-1", [steady(10, factor=2, connections=5)], Threshold()) is None
    assert compare_view_time("edge-1", [steady(10, factor=0.2, connections=5)], Threshold()) is None


def test_minutes_next_to_one_without_a_sample_are_not_compared() -> None:
    hour = steady(20, factor=2)
    every_third = {slot: viewers for slot, viewers in hour.active.items() if slot // SLOT_MS % 3}
    assert compare_view_time("edge-1", [hour._replace(active=every_third)], Threshold()) is None


def test_a_minute_is_compared_with_the_samples_around_it() -> None:
    """Viewers who left in a minute, or came in it, are not taken for viewers of the whole minute."""
    slots = list(range(0, HOUR, SLOT_MS))
    came_and_went = {slot: 100 * (slot // SLOT_MS % 4 < 2) for slot in slots}
    joined = {slot: 100 * (slot // SLOT_MS % 4 == 0) for slot in slots}
    least = dict.fromkeys(slots, 0)
    assert compare_view_time("edge-1", [MinutesOfStream(joined, least, came_and_went)], Threshold()) is None
    most = {slot: 100 * SLOT_MS * (slot // SLOT_MS % 4 < 3) for slot in slots}
    assert compare_view_time("edge-1", [MinutesOfStream(joined, most, came_and_went)], Threshold()) is None


def test_viewers_who_left_after_the_sample_of_a_minute_are_not_taken_for_viewers_of_all_of_it() -> None:
    slots = range(0, HOUR, SLOT_MS)
    present = {slot: 100 * (slot // SLOT_MS % 5 < 3) for slot in slots}
    joined = {slot: 100 * (slot // SLOT_MS % 5 == 0) for slot in slots}
    nothing = dict.fromkeys(slots, 0)
    assert compare_view_time("edge-1", [MinutesOfStream(joined, nothing, present)], Threshold()) is None


def test_small_differences_are_not_found() -> None:
    assert compare_view_time("edge-1", [steady(1, factor=1.15)], Threshold()) is None
    assert both(relays(carried(ORIGIN, bytes_out=10_000_000), carried(EDGE, bytes_in=5_000_000))) is None
    assert both(relays(carried(ORIGIN, bytes_out=GIB), carried(EDGE, bytes_in=GIB - GIB // 60))) is None


def test_what_an_edge_did_not_receive_is_found() -> None:
    sent, received = GIB, GIB * 9 // 10
    assert both(relays(carried(ORIGIN, GIB, sent), carried(EDGE, received, GIB))) == (sent, received)
    found = relays(carried(ORIGIN, GIB, 2 * GIB), carried(OTHER, GIB // 2), carried(EDGE, GIB)).finding
    assert found is not None
    assert (found.first, found.second, found.edges) == (2 * GIB, GIB * 3 // 2, ("edge-1", "edge-2"))
    assert (found.server, found.stream) == ("origin-1", STREAM)


def test_doubled_counter_of_an_only_edge_is_found() -> None:
    assert both(relays(carried(ORIGIN, GIB, GIB), carried(EDGE, 2 * GIB, GIB))) == (GIB, 2 * GIB)
    own_viewers = carried(ORIGIN, GIB, GIB + GIB // 4, viewers=5)
    assert both(relays(own_viewers, carried(EDGE, 2 * GIB))) == (GIB + GIB // 4, 2 * GIB)


def test_edges_that_pull_from_each_other_are_no_disagreement() -> None:
    assert relays(carried(ORIGIN, GIB, GIB), carried(EDGE, GIB, 3 * GIB), carried(OTHER, GIB, GIB)) == RelayComparison()
    more_than_all_sent = relays(carried(ORIGIN, GIB, GIB), carried(EDGE, GIB, GIB // 2), carried(OTHER, 2 * GIB))
    assert both(more_than_all_sent) == (GIB, 3 * GIB)


NO_BYTES = ServerHour("edge-2", "edge", False)
UNMEASURED = carried(EDGE, GIB // 2)._replace(is_measured=False)


@pytest.mark.parametrize(
    ("compared", "reason"),
    [
        (relays(carried(EDGE, GIB)), NO_ORIGIN),
        (relays(carried(ORIGIN, GIB, GIB)), NO_EDGE),
        (relays(carried(ORIGIN, GIB, GIB), UNMEASURED), NOT_MEASURED),
        (relays(CarriedStream("origin-1", 1, 0, GIB, 2 * GIB, True), carried(EDGE, GIB)), OWN_VIEWERS),
        (relays(CarriedStream("origin-1", 0, 1, GIB, 2 * GIB, True), carried(EDGE, GIB)), OWN_VIEWERS),
        (relays(carried(ORIGIN, GIB, 2 * GIB), carried(EDGE, GIB), estate=(ORIGIN, EDGE, NO_BYTES)), NOT_COUNTED),
        (relays(carried(ORIGIN, 0, GIB), carried(EDGE, 0), carried(OTHER, 0), estate=(ORIGIN, EDGE)), STANDALONE),
        (
            relays(
                carried(ORIGIN, GIB, 2 * GIB), carried(OTHER, GIB, 0), carried(EDGE, GIB),
                estate=(ORIGIN, EDGE, OTHER._replace(role="origin")),
            ),
            SEVERAL_ORIGINS,
        ),
    ],
)  # fmt: skip
def test_no_comparison_is_made_where_nothing_follows(compared: RelayComparison, reason: str) -> None:
    assert compared == RelayComparison(impossible=reason)


def test_bytes_that_may_be_of_the_stream_are_tolerated() -> None:
    sent, received = carried(ORIGIN, GIB, GIB), carried(EDGE, GIB // 2)
    for estate in ((ORIGIN, EDGE._replace(rest_in=GIB // 2)), (ORIGIN, EDGE, OTHER._replace(rest_in=GIB // 2))):
        assert relays(sent, received, estate=estate) == RelayComparison()
    assert relays(sent, received, uncertain=GIB // 2) == RelayComparison()
    assert both(relays(sent, received, estate=(ORIGIN._replace(rest_out=GIB), EDGE))) == (GIB, GIB // 2)
    doubled = carried(EDGE, 2 * GIB)
    assert relays(sent, doubled, uncertain=GIB) == RelayComparison()
    assert relays(sent, doubled, estate=(ORIGIN._replace(rest_out=GIB), EDGE)) == RelayComparison()


def test_bytes_at_the_ends_of_an_hour_are_uncertain() -> None:
    assert boundary_bytes([400, *[9] * 58, 0], [100, *[9] * 58, 500]) == 150


def test_a_log_without_the_viewers_who_left_is_found_with_the_last_numbers() -> None:
    found = compare_log("edge-1", [counter_disagrees(3, 0), NGINX_NO_LOG, counter_disagrees(1_200, 4)], Threshold())
    assert found is not None
    assert (found.kind, found.figure, found.first, found.second) == ("counters-log", "viewers", 1_200, 4)
    assert compare_log("edge-1", [NGINX_NO_LOG, "counter disagrees with log: by the server's"], Threshold()) is None


def test_numbers_of_a_reason_are_read_back() -> None:
    assert parse_counter_disagreement(counter_disagrees(1_234_567, 89)) == (1_234_567, 89)
    assert parse_counter_disagreement(counter_disagrees(5, 2) + "!") is None
    assert parse_counter_disagreement(counter_disagrees(5, 2).replace("5", ",")) is None
    assert are_bytes_complete(counter_disagrees(5, 2))
    assert are_bytes_complete(NGINX_NO_LOG)
    assert not are_bytes_complete("the media server restarted")


def check_hour(servers: list[HonestServer], hour: int) -> list[object]:
    """Return the disagreements of an hour, by every comparison."""
    estate = {server.name: ServerHour(server.name, server.role, True) for server in servers}
    found: list[object] = []
    carriers: dict[str, list[CarriedStream]] = {}
    ends: dict[str, int] = {}
    for server in servers:
        streams = {name for name, slot in server.minutes if hour <= slot < hour + HOUR}
        of_streams = []
        for name in sorted(streams):
            minutes = {
                slot: figures
                for (stream, slot), figures in server.minutes.items()
                if stream == name and hour <= slot < hour + HOUR
            }

            def of(field: str, minutes: dict = minutes) -> dict[int, int]:  # type: ignore[type-arg]
                return {slot: getattr(figures, field) for slot, figures in minutes.items()}

            of_streams.append(MinutesOfStream(of("connections"), of("view_time_ms"), of("active")))
            sums = [sum(of(field).values()) for field in ("connections", "view_time_ms", "bytes_in", "bytes_out")]
            carriers.setdefault(name, []).append(CarriedStream(server.name, *sums, True))
            moved = of("bytes_out" if server.role == "origin" else "bytes_in")
            at_ends = boundary_bytes([moved.get(hour, 0), moved.get(hour + HOUR - SLOT_MS, 0)], [0])
            ends[name] = ends.get(name, 0) + at_ends * (server.role == "origin")
        found.append(compare_view_time(server.name, of_streams, Threshold()))
    found += [
        compare_relays(StreamId("live", name), some, estate, Threshold(), ends[name]).finding
        for name, some in carriers.items()
    ]
    return [finding for finding in found if finding is not None]


def test_an_honest_estate_has_no_disagreement() -> None:
    compared = 0
    for seed in range(60):
        servers = honest_estate(Random(seed), 0, 3, edges=1 + seed % 4, streams=3)
        for hour in range(0, 3 * HOUR, HOUR):
            assert check_hour(servers, hour) == [], f"seed {seed}, hour {hour // HOUR}"
            compared += 1
    assert compared == 180


def double_view_time(server: HonestServer) -> None:
    for figures in server.minutes.values():
        figures.view_time_ms *= 2


def lose_bytes_in(server: HonestServer) -> None:
    for figures in server.minutes.values():
        figures.bytes_in = figures.bytes_in * 4 // 5


@pytest.mark.parametrize(("fault", "kind"), [(double_view_time, "sessions-slots"), (lose_bytes_in, "origin-edges")])
def test_most_planted_faults_of_random_estates_are_found(fault: Callable[[HonestServer], None], kind: str) -> None:
    found = 0
    for seed in range(30):
        servers = honest_estate(Random(seed), 0, 1, edges=1, streams=3)
        fault(servers[1])
        found += any(finding.kind == kind for finding in check_hour(servers, 0))  # type: ignore[attr-defined]
    assert found >= 15
