"""What the days view shows by group of streams, and what is being read for it. Pure: time is an argument.

The sums of a month by stream take up to a minute to compute. Until they arrive, what was shown before stays; a key
abandons the request.
"""

from typing import NamedTuple

from streamusage.api.daily import STREAM_GROUPS, SumGroup
from tui.model.daily.groups import GroupRequest, GroupRows

READ_EVERY_MS = 15_000
REST_FACTOR = 5
"""What took long to compute is read less often: the service rests for this multiple of the time."""
_MOST_KEPT = 6
_CYCLE: tuple[SumGroup | None, ...] = (None, *STREAM_GROUPS)
"""`None` is the view by server."""


class _Kept(NamedTuple):
    rows: GroupRows
    began_ms: int
    """When the newest request began."""
    took_ms: int


class GroupReading:
    """The group that is shown, the one that is wanted, and the newest answers. `elapsed_ms` never goes backwards."""

    def __init__(self) -> None:
        self.shown: GroupRows | None = None
        """`None` where servers are shown."""
        self.wanted: GroupRequest | None = None
        """What a key has requested and is not answered yet."""
        self.failure = ""
        """Why the last request failed; empty where it did not."""
        self._since_ms = 0
        self._kept: dict[GroupRequest, _Kept] = {}

    @property
    def group(self) -> SumGroup | None:
        """The group that is wanted, else shown; `None` for servers."""
        if self.wanted is not None:
            return self.wanted.group
        return None if self.shown is None else self.shown.request.group

    def next_group(self, steps: int) -> SumGroup | None:
        """Return the group that many steps after the present one; `None` for servers."""
        return _CYCLE[(_CYCLE.index(self.group) + steps) % len(_CYCLE)]

    def waited_ms(self, elapsed_ms: int) -> int:
        """Return how long the wanted answer is awaited."""
        return elapsed_ms - self._since_ms

    def begin(self, request: GroupRequest, elapsed_ms: int) -> bool:
        """Show what is kept of a request, else want it. Returns whether it has to be fetched."""
        self.failure = ""
        if request in self._kept:
            kept = self._kept[request]
            self._keep(request, kept)
            self.shown, self.wanted = kept.rows, None
            return False
        self.wanted, self._since_ms = request, elapsed_ms
        return True

    def show_servers(self) -> None:
        """Show servers again."""
        self.shown = self.wanted = None
        self.failure = ""

    def abandon(self) -> bool:
        """Want nothing; what is shown stays. Returns whether something was wanted."""
        was_wanted = self.wanted is not None
        self.wanted = None
        return was_wanted

    def receive(self, request: GroupRequest, answer: GroupRows | str, elapsed_ms: int) -> bool:
        """Show an answer, or why there is none. Returns whether it changes what is shown.

        Without the answer that a key has requested, servers are shown again.
        """
        is_wanted = request == self.wanted
        if not is_wanted and (self.shown is None or request != self.shown.request):
            return False
        if isinstance(answer, str):
            if is_wanted:
                self.show_servers()
            self.failure = answer
            return True
        began_ms = self._since_ms if is_wanted else self._kept[request].began_ms
        self._keep(request, _Kept(answer, began_ms, elapsed_ms - began_ms))
        self.shown, self.failure = answer, ""
        if is_wanted:
            self.wanted = None
        return True

    def due(self, elapsed_ms: int) -> GroupRequest | None:
        """Return the request to repeat, if what is shown is old; else `None`. The next one is due later."""
        if self.shown is None or self.wanted is not None:
            return None
        request = self.shown.request
        kept = self._kept[request]
        if elapsed_ms - kept.began_ms < max(READ_EVERY_MS, kept.took_ms * (1 + REST_FACTOR)):
            return None
        self._kept[request] = kept._replace(began_ms=elapsed_ms)
        return request

    def expire(self, elapsed_ms: int) -> None:
        """Forget all that is kept except what is shown, which is due now."""
        self._kept = {
            request: kept._replace(began_ms=elapsed_ms - READ_EVERY_MS, took_ms=0)
            for request, kept in self._kept.items()
            if self.shown is not None and request == self.shown.request
        }

    def _keep(self, request: GroupRequest, kept: _Kept) -> None:
        self._kept.pop(request, None)
        self._kept[request] = kept
        while len(self._kept) > _MOST_KEPT:
            del self._kept[next(iter(self._kept))]
