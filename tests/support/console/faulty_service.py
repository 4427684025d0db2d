"""A proxy in front of a real service that spoils its answers at random, and keeps the deletes that it received."""

import asyncio
from random import Random
from typing import NamedTuple
from urllib.parse import parse_qs, unquote, urlsplit

from tests.support.canned_answers import RESET, CannedServer, ReceivedRequest, reply
from tests.support.console.odd_answers import ODD_ANSWERS
from tests.support.plain_manager import BASE


class Weather(NamedTuple):
    """How answers are spoilt: shares of those that are odd, reset or cut, the longest delay, and our extension."""

    odd: float = 0.0
    reset: float = 0.0
    cut: float = 0.0
    longest_delay_s: float = 0.0
    has_extension: bool = True


WEATHERS = (
    Weather(),
    Weather(),
    Weather(longest_delay_s=0.4),
    Weather(odd=0.1, reset=0.1, cut=0.1, longest_delay_s=0.1),
    Weather(odd=1.0),
    Weather(reset=1.0),
    Weather(cut=0.5),
    Weather(odd=0.3, longest_delay_s=0.2, has_extension=False),
)


class FaultyService(CannedServer):
    """Forwards requests to `upstream`, and spoils answers as the `weather` is."""

    def __init__(self, upstream: str, random: Random) -> None:
        super().__init__(self._respond)
        self._upstream = urlsplit(upstream)
        self._random = random
        self.weather = Weather()
        self.deletes: list[tuple[str, str, int]] = []
        """The sessions of the deletes that were received, in their order."""
        self.strange_deletes: list[str] = []
        """Deletes of something else than one session."""

    async def _respond(self, request: ReceivedRequest) -> bytes:
        self.requests.clear()
        if request.method == "DELETE":
            self._note_delete(request)
        weather, chance = self.weather, self._random.random
        if weather.longest_delay_s:
            await asyncio.sleep(chance() * weather.longest_delay_s)
        if chance() < weather.reset:
            return RESET
        if chance() < weather.odd:
            return self._random.choice(list(ODD_ANSWERS.values()))
        if not weather.has_extension and request.path.startswith("/api/"):
            return reply(404, "<html>", kind="text/html")
        answer = await self._forward(request)
        return answer[: self._random.randrange(len(answer))] if chance() < weather.cut else answer

    def _note_delete(self, request: ReceivedRequest) -> None:
        start = parse_qs(request.query).get("startTime")
        *scope, name = request.path.removeprefix(BASE).removeprefix("/").split("/")
        if request.path.startswith(BASE) and start and name:
            self.deletes.append(("/".join(map(unquote, scope)), unquote(name), int(start[0])))
        else:
            self.strange_deletes.append(request.target)

    async def _forward(self, request: ReceivedRequest) -> bytes:
        reader, writer = await asyncio.open_connection(self._upstream.hostname, self._upstream.port)
        try:
            headers = request.headers | {"connection": "close"}
            head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
            writer.write(f"{request.method} {request.target} HTTP/1.1\r\n{head}\r\n".encode("latin-1") + request.body)
            return await reader.read(-1)
        finally:
            writer.close()
