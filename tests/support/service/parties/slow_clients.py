"""Clients that send one byte a second: `python -m tests.support.service.parties.slow_clients HOST PORT COUNT SOURCE`.

Prints `open` once all of them are connected from that address, and at the end how many received 408.
"""

import selectors
import socket
import sys
import time
from contextlib import suppress

from tests.support.waiting import LONGEST_WAIT_S

SLOWLY = b"GET /healthz HTTP/1.1\r\nHost: a\r\nX-Slow: " + b"y" * 600
GIVEN_UP_AFTER_SECONDS = 180


def _has_answer(client: socket.socket) -> bool:
    """Return whether an answer waits to be read. A byte sent after it would discard it."""
    try:
        client.recv(1, socket.MSG_PEEK)
    except BlockingIOError:
        return False
    return True


def main(host: str, port: int, count: int, source: str) -> None:
    clients = [
        socket.create_connection((host, port), timeout=LONGEST_WAIT_S, source_address=(source, 0)) for _ in range(count)
    ]
    print("open", flush=True)
    watched = selectors.DefaultSelector()
    for client in clients:
        client.setblocking(False)
        watched.register(client, selectors.EVENT_READ)
    refused_count = 0
    began = time.monotonic()
    for number, byte in enumerate(SLOWLY):
        for key in list(watched.get_map().values()):
            with suppress(OSError):  # the service closed it: its answer is read below
                if not _has_answer(key.fileobj):  # type: ignore[arg-type]
                    key.fileobj.send(bytes([byte]))  # type: ignore[union-attr]
        # Read every answer first, however late: sending to a closed connection would discard its answer.
        while answered := watched.select(max(0.0, began + number + 1 - time.monotonic())):
            for key, _ in answered:
                client = key.fileobj
                assert isinstance(client, socket.socket)
                with suppress(ConnectionResetError):
                    refused_count += b" 408 " in client.recv(4096)
                watched.unregister(client)
                client.close()
            if not watched.get_map():
                break
        if not watched.get_map() or time.monotonic() > began + GIVEN_UP_AFTER_SECONDS:
            break
    print(refused_count, flush=True)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4])
