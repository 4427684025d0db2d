"""A plain Stream Manager in a process of its own.

`python -m bench.console.listing_service SESSIONS LIVE` prints its port.

Each poll of its list has other figures in one session of a hundred.
"""

import asyncio
import sys

NOW_MS = 1_795_000_020_000
MISSING = b"HTTP/1.1 404 Not Found\r\nContent-Type: text/html\r\nContent-Length: 6\r\n\r\n<html>"


def row(number: int, polls: int) -> bytes:
    """Return the record of a session. Every hundredth one changes at each poll."""
    moved = polls if number % 100 == polls % 100 else 0
    return (
        b'{"name":"camera-%d","scope":"live/room%d","startTime":%d,"endTime":%d,"duration":%d,"aciveSubscribers":%d,'
        b'"maxSubscribers":900,"lostSubscribers":%d,"totalSubscribers":%d,"updated":%d}'
        % (
            number, number % 97, NOW_MS - number * 1000 - 1, NOW_MS, number, number % 700 + moved, number % 31,
            number % 9000, NOW_MS + moved,
        )
    )  # fmt: skip


def listing(sessions: int, polls: int) -> bytes:
    """Return the list of a poll."""
    return b"[" + b",".join(row(number, polls) for number in range(sessions)) + b"]"


def live_list(sessions: int) -> bytes:
    """Return the live list of the first sessions."""
    rows = (
        b'{"name":"camera-%d","scope":"live/room%d","currentSubscribers":%d,"startTime":%d}'
        % (number, number % 97, number % 700, NOW_MS - number * 1000 - 1)
        for number in range(sessions)
    )
    return b"[" + b",".join(rows) + b"]"


async def serve(sessions: int, live: int) -> None:
    """Serve until standard input ends. A list is made before the request for it, so that its sending is not delayed."""
    polls = 0
    next_list = listing(sessions, polls)
    streams = live_list(live)

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal polls, next_list
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                is_list = b"/admin/event/usage" in head
                body = next_list if is_list else streams
                writer.write(MISSING if b" /api/" in head else ok(body))
                await writer.drain()
                if is_list:
                    polls += 1
                    next_list = listing(sessions, polls)
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.to_thread(sys.stdin.read)
    server.close()


def ok(body: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body) + body


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1]), int(sys.argv[2])))
