"""A service manager's end of the notifications of systemd's protocol: a datagram socket that records them."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.waiting import LONGEST_WAIT_S


class ManagerSocket:
    """The socket of a manager, and how a program finds it."""

    def __init__(self, address: str, watchdog_seconds: float | None = None) -> None:
        """An `address` with `@` is in the abstract namespace."""
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.settimeout(LONGEST_WAIT_S)
        self._socket.bind(f"\0{address[1:]}" if address.startswith("@") else address)
        self.environment = {"NOTIFY_SOCKET": address}
        if watchdog_seconds is not None:
            self.environment["WATCHDOG_USEC"] = str(int(watchdog_seconds * 1_000_000))

    def receive(self) -> dict[str, str]:
        """Return the next notification, by its variables."""
        lines = self._socket.recv(65_536).decode().removesuffix("\n").split("\n")
        return dict(line.split("=", 1) for line in lines)

    def receive_until(self, name: str) -> dict[str, str]:
        """Return the next notification that has a variable."""
        while name not in (found := self.receive()):
            pass
        return found

    def drain(self) -> list[dict[str, str]]:
        """Return the notifications that have arrived."""
        found = []
        self._socket.setblocking(False)
        try:
            while True:
                found.append(self.receive())
        except BlockingIOError:
            return found
        finally:
            self._socket.settimeout(LONGEST_WAIT_S)

    def close(self) -> None:
        self._socket.close()


@contextmanager
def manager_socket(folder: Path, watchdog_seconds: float | None = None) -> Iterator[ManagerSocket]:
    """Yield a manager's socket at a path in a folder."""
    manager = ManagerSocket(str(folder / "notify"), watchdog_seconds)
    try:
        yield manager
    finally:
        manager.close()
