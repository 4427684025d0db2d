"""The watchdog is notified by loops that work, and not while one of them hangs."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from streamusage.agent.liveness import Liveness
from streamusage.core.service_manager import ServiceManager
from tests.support.manager_socket import ManagerSocket, manager_socket

PING = {"WATCHDOG": "1"}


class Machine:
    """Two agents, with a clock and states that the test sets."""

    def __init__(self, manager: ManagerSocket) -> None:
        self.seconds = 0.0
        self.states = "edge-1 online, edge-2 starting"
        self.liveness = Liveness(
            ServiceManager.from_environment(manager.environment),
            ["edge-1", "edge-2"],
            lambda: self.states,
            lambda: self.seconds,
        )


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[ManagerSocket]:
    with manager_socket(tmp_path, watchdog_seconds=40) as found:
        yield found


@pytest.fixture
def machine(manager: ManagerSocket) -> Machine:
    return Machine(manager)


def test_ready_after_the_last_start(machine: Machine, manager: ManagerSocket) -> None:
    machine.liveness.note_start("edge-2")
    assert manager.drain() == []
    machine.liveness.note_start("edge-1")
    assert manager.drain() == [{"READY": "1", "STATUS": machine.states}]
    machine.liveness.note_start("edge-1")  # its journal was opened again
    assert manager.drain() == []


def test_pings_are_limited_and_states_shown_when_they_change(machine: Machine, manager: ManagerSocket) -> None:
    beat = machine.liveness.add_loop(60)
    beat.beat()
    assert manager.drain() == [PING]
    for server in ("edge-1", "edge-2"):
        machine.liveness.note_start(server)
    manager.drain()
    machine.seconds += 9
    beat.beat()
    assert manager.drain() == []
    machine.seconds += 1
    machine.states = "edge-1 online, edge-2 retrying"
    beat.beat()
    assert manager.drain() == [{"STATUS": machine.states}, PING]


def test_one_loop_that_hangs_stops_the_pings_of_all(machine: Machine, manager: ManagerSocket) -> None:
    poll, sync = machine.liveness.add_loop(60), machine.liveness.add_loop(600)
    poll.beat()
    manager.drain()
    for _ in range(6):
        machine.seconds += 10
        sync.beat()
    assert manager.drain() == [PING] * 6
    machine.seconds += 10
    sync.beat()
    assert manager.drain() == []
    poll.beat()
    assert manager.drain() == [PING]


def test_loop_that_has_ended_is_not_waited_for(machine: Machine, manager: ManagerSocket) -> None:
    ended, other = machine.liveness.add_loop(1), machine.liveness.add_loop(600)
    machine.seconds += 10
    other.beat()
    assert manager.drain() == []
    ended.end()
    other.beat()
    assert manager.drain() == [PING]
