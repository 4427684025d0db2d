"""Notifications to a service manager, on real datagram sockets."""

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from streamusage.core.service_manager import ServiceManager
from tests.support.manager_socket import ManagerSocket


@pytest.fixture(params=["path", "abstract"])
def manager(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[ManagerSocket]:
    address = str(tmp_path / "notify") if request.param == "path" else f"@streamtop-test-{os.getpid()}"
    found = ManagerSocket(address)
    yield found
    found.close()


def test_every_notification_is_one_datagram(manager: ManagerSocket) -> None:
    program = ServiceManager.from_environment(manager.environment)
    assert program.is_present
    assert program.set_status("opening")
    assert program.still_starting("migrating", 1.5)
    assert program.ready("listening at\nhttp://x")
    assert program.reloading()
    assert program.ping()
    assert program.stopping()
    received = manager.drain()
    assert received.pop(1) == {"EXTEND_TIMEOUT_USEC": "1500000", "STATUS": "migrating"}
    assert received[:2] == [{"STATUS": "opening"}, {"READY": "1", "STATUS": "listening at\\nhttp://x"}]
    assert received[2].pop("MONOTONIC_USEC").isdecimal()
    assert received[2:] == [{"RELOADING": "1"}, {"WATCHDOG": "1"}, {"STOPPING": "1", "STATUS": "stopping"}]


@pytest.mark.parametrize(
    ("variables", "seconds"),
    [
        ({}, None),
        ({"WATCHDOG_USEC": "180000000"}, 180.0),
        ({"WATCHDOG_USEC": "500000", "WATCHDOG_PID": str(os.getpid())}, 0.5),
        ({"WATCHDOG_USEC": "500000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
    ],
)
def test_watchdog_of_this_process(variables: dict[str, str], seconds: float | None) -> None:
    assert ServiceManager.from_environment({"NOTIFY_SOCKET": "/none", **variables}).watchdog_seconds == seconds


@pytest.mark.parametrize("address", [None, "", "vsock:2:1234", "relative"])
def test_without_a_known_socket_nothing_is_sent(address: str | None) -> None:
    variables = {"WATCHDOG_USEC": "1"} | ({} if address is None else {"NOTIFY_SOCKET": address})
    program = ServiceManager.from_environment(variables)
    assert (program.is_present, program.watchdog_seconds, program.ping()) == (False, None, False)


@pytest.mark.parametrize("name", ["none", "file", "a" * 200, "nul\0"])
def test_socket_that_cannot_be_used_changes_nothing(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").touch()
    program = ServiceManager(f"{tmp_path}/{name}")
    assert not program.ready("ready")


def test_ping_does_not_wait_for_a_manager_that_is_busy(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as busy:
        busy.bind(str(tmp_path / "notify"))
        program = ServiceManager(str(tmp_path / "notify"))
        while program.ping():
            pass
        assert not program.set_status("dropped")
