"""Notifications to the service manager, in systemd's protocol (sd_notify): state, status and watchdog.

    | variable         | meaning                                                                              |
    |------------------|--------------------------------------------------------------------------------------|
    | `NOTIFY_SOCKET`  | where datagrams are sent: a path, or with `@` a name of Linux's abstract namespace   |
    | `WATCHDOG_USEC`  | the service is killed if no `WATCHDOG=1` arrives for as many microseconds            |
    | `WATCHDOG_PID`   | the process that this applies to                                                     |

Without a manager nothing is sent. A notification that cannot be delivered changes nothing: the manager then acts as if
the service were not ready, or hung.
"""

import os
import socket
import time
from collections.abc import Mapping

from streamusage.core.text import escape_unprintable

STATE_SECONDS = 5.0
"""How long a change of state waits for a manager that is busy. Everything else is dropped then."""


class ServiceManager:
    """The manager that started this process, or none."""

    def __init__(self, address: str = "", watchdog_seconds: float | None = None) -> None:
        """`address` is that of the socket; empty without a manager."""
        self._address = f"\0{address[1:]}" if address.startswith("@") else address
        self.watchdog_seconds = watchdog_seconds
        """After how long without `ping` the manager kills this process; None if it never does."""

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> "ServiceManager":
        """Return the manager that the environment names. An unknown kind of socket is none."""
        variables = os.environ if environment is None else environment
        address = variables.get("NOTIFY_SOCKET", "")
        if address[:1] not in {"/", "@"}:
            return cls()
        microseconds, pid = variables.get("WATCHDOG_USEC", ""), variables.get("WATCHDOG_PID", str(os.getpid()))
        has_watchdog = microseconds.isdecimal() and int(microseconds) > 0 and pid == str(os.getpid())
        return cls(address, int(microseconds) / 1_000_000 if has_watchdog else None)

    @property
    def is_present(self) -> bool:
        """Whether a manager is notified."""
        return bool(self._address)

    def ready(self, status: str) -> bool:
        """Report that the service works, at its start and after a reload. Return whether it was delivered."""
        return self._send(f"READY=1\nSTATUS={escape_unprintable(status)}", STATE_SECONDS)

    def reloading(self) -> bool:
        """Report that the configuration is being read again; `ready` must follow."""
        return self._send(f"RELOADING=1\nMONOTONIC_USEC={time.monotonic_ns() // 1000}", STATE_SECONDS)

    def stopping(self) -> bool:
        """Report that the service ends."""
        return self._send("STOPPING=1\nSTATUS=stopping", STATE_SECONDS)

    def set_status(self, status: str) -> bool:
        """Show a line of text in `systemctl status`. It stays there after the end of the process."""
        return self._send(f"STATUS={escape_unprintable(status)}", 0)

    def still_starting(self, status: str, seconds: float) -> bool:
        """Show a line of text, and let the start take so much longer from now on, if its limit would end before."""
        return self._send(f"EXTEND_TIMEOUT_USEC={round(seconds * 1_000_000)}\nSTATUS={escape_unprintable(status)}", 0)

    def ping(self) -> bool:
        """Report that the service is not hung. Send it only where that was just proven."""
        return self._send("WATCHDOG=1", 0)

    def _send(self, message: str, seconds: float) -> bool:
        if not self._address:
            return False
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
                channel.settimeout(seconds)
                channel.connect(self._address)
                channel.sendall(message.encode())
        except (OSError, ValueError):  # no such socket, a full queue, a name that is none
            return False
        return True
