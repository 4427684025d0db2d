"""The simulated media server: idle time costs nothing, it restarts, and it continues in another process."""

import msgspec
import pytest

from streamusage.agent.sources.simulated import TICK_MS, Broadcast, SimulatedMediaServer, SimulatedState

MINUTE_MS = 60_000
PROGRAMME = [
    Broadcast("live", "evening", 10_500, 20 * MINUTE_MS, 40, 1_000_000),
    Broadcast("live", "night", 5_000_000, 6_000_000, 20, 1_000_000),
]


def media_server(seed: int = 1) -> SimulatedMediaServer:
    return SimulatedMediaServer(PROGRAMME, 0.5, seed, started_at=0)


@pytest.mark.parametrize("step_ms", [TICK_MS, 700, 10_000, 3 * MINUTE_MS])
def test_history_does_not_depend_on_when_it_is_read(step_ms: int) -> None:
    at_once, in_steps = media_server(), media_server()
    for at_ms in range(0, 5_500_000, step_ms):
        in_steps.advance(at_ms)
    for server in (at_once, in_steps):
        server.advance(5_500_000)
    assert at_once.state() == in_steps.state()
    assert at_once.log == in_steps.log
    assert at_once.on_air == [PROGRAMME[1]]
    assert at_once.log[0].ended_at < 20 * MINUTE_MS


def test_restart_begins_counters_anew_and_logs_nobody_who_was_connected() -> None:
    server = media_server()
    before = server.reading(10 * MINUTE_MS, None)
    assert before.viewers
    server.restart(12 * MINUTE_MS)
    lines = len(server.log)
    after = server.reading(12 * MINUTE_MS + 2 * TICK_MS, before.cursor)
    assert after.boot != before.boot
    assert after.started_at == 12 * MINUTE_MS
    assert after.bytes_out < before.bytes_out
    assert not {viewer.viewer_id for viewer in after.viewers} & {viewer.viewer_id for viewer in before.viewers}
    assert len(after.ended) == lines - int(before.cursor or 0)
    assert [publish.name for publish in after.publishes] == ["evening"]
    assert server.reading(30 * MINUTE_MS, after.cursor).publishes == ()


def test_server_without_its_log_states_so() -> None:
    server = media_server()
    cursor = server.reading(MINUTE_MS, None).cursor
    server.has_log = False
    reading = server.reading(15 * MINUTE_MS, cursor)
    assert (reading.ended, reading.logs_ends) == ((), False)


def test_longer_ticks_have_the_same_audience() -> None:
    coarse, fine = media_server(), media_server()
    coarse.tick_ms = 20_000
    sizes = [len(server.reading(15 * MINUTE_MS, None).viewers) for server in (coarse, fine)]
    assert sizes == [pytest.approx(20, abs=6)] * 2


def test_resumed_server_continues_with_all_that_was_counted() -> None:
    server = media_server()
    cursor = server.reading(15 * MINUTE_MS, None).cursor
    state = msgspec.json.decode(msgspec.json.encode(server.state()), type=SimulatedState)
    resumed = SimulatedMediaServer.resume(state, PROGRAMME[1:], 0.5, seed=2)
    assert resumed.reading(15 * MINUTE_MS, cursor) == server.reading(15 * MINUTE_MS, cursor)
    at_end = resumed.reading(25 * MINUTE_MS, cursor)
    ended = {line.connection_id for line in at_end.ended}
    assert {viewer.viewer_id for viewer in server.reading(15 * MINUTE_MS, None).viewers} <= ended
    assert [line.name for line in at_end.ended if line.kind == "publish"] == ["evening"]
    assert resumed.log_lines(cursor, at_end.cursor) == at_end.ended
    assert resumed.reading(5_500_000, at_end.cursor).publishes[0].name == "night"
