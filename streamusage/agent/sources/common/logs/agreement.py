"""Whether a log explains the viewers that the media server itself counts; else it is not the log of that server.

The server shows that viewers have left, and each of them must have a line. Lines may be late, so only viewers who left
some time ago are compared; a few of them may lack a line for good, so only a share of them is a disagreement. Pure.
"""

from collections import deque
from typing import NamedTuple

from streamusage.core.reasons import counter_disagrees

REMEDY = "check that `access_log` is the whole log of this server, and that it is not written through a buffer"

SETTLED_MS = 90_000
"""How late a line may be: a log may be buffered for a minute."""

SKEWED_MS = 10_000
"""The first figures may be too low: viewers who join between two pages of one reading are on the second one only."""

LEAST_MISSING = 3
LEAST_MISSING_WITHOUT_LINES = 2
"""Viewers without a line from which on there is a disagreement; the second one where the log has no line at all."""

AGREEING = 10
"""After so many explained viewers the comparison begins anew, so that a log is recognized that breaks later."""

RECOVERED = 3
"""A disagreement ends with so many explained viewers in a row."""


class _Figures(NamedTuple):
    at_ms: int
    """Elapsed time."""
    left: int
    explained: int


class LogAgreement:
    """The comparison for one log, over one boot of the media server."""

    def __init__(self, share: float) -> None:
        """`share` of the viewers who left must lack a line, so that there is a disagreement."""
        self._share = share
        self._boot = ""
        self._history: deque[_Figures] = deque()
        """Figures from the last ones that are settled on."""
        self._base = _Figures(0, 0, 0)
        self._recovery: _Figures | None = None
        """Since when the log would agree again; None without a disagreement."""
        self._stated: tuple[int, int] | None = None

    def observe(self, boot: str, now_ms: int, left: int, explained: int, has_lines: bool) -> str:
        """Return the reason of a disagreement, with both figures; empty if there is none.

        `left` and `explained` are sums over the boot: viewers who left by the server's count, and by the lines of the
        log. `has_lines` is whether the log had any line. `now_ms` is elapsed time.
        """
        now = _Figures(now_ms, left, explained)
        if boot != self._boot:
            self._restart(boot, now)
        if now_ms - self._base.at_ms < SKEWED_MS:
            self._base = self._base._replace(left=max(self._base.left, left))
        self._history.append(now)
        while len(self._history) > 1 and now_ms - self._history[1].at_ms >= SETTLED_MS:
            self._history.popleft()
        if now_ms - self._history[0].at_ms < SETTLED_MS:
            return ""
        # A count never falls: where it did, the higher one was read between two pages of one reading.
        settled = self._history[0]._replace(left=min(figures.left for figures in self._history))
        if self._recovery is not None:
            return self._continue(settled, now)
        gone, seen = settled.left - self._base.left, explained - self._base.explained
        least = LEAST_MISSING if has_lines else LEAST_MISSING_WITHOUT_LINES
        if gone - seen >= least and gone - seen > self._share * gone:
            self._recovery = now
            return self._state(gone, seen)
        if seen >= AGREEING and self._agrees(left - self._base.left, seen):
            self._base = now._replace(left=max(figures.left for figures in self._history))
            self._history = deque([now])
        return ""

    def forget(self) -> None:
        """Begin anew, because the log is not read."""
        self._boot = ""

    def _restart(self, boot: str, now: _Figures) -> None:
        self._boot, self._base, self._recovery, self._stated = boot, now, None, None
        self._history.clear()

    @staticmethod
    def _agrees(left: int, explained: int) -> bool:
        return left - explained <= explained // 20

    def _continue(self, settled: _Figures, now: _Figures) -> str:
        """Return the reason while a disagreement lasts."""
        assert self._recovery is not None
        explained = now.explained - self._recovery.explained
        if explained >= RECOVERED and self._agrees(now.left - self._recovery.left, explained):
            self._restart(self._boot, now)
            self._history.append(now)
            return ""
        if settled.left - self._recovery.left > explained:
            self._recovery = now
        return self._state(settled.left - self._base.left, now.explained - self._base.explained)

    def _state(self, gone: int, seen: int) -> str:
        """Return the reason. Its figures change only when the first one has doubled: each text is a span of its own."""
        if self._stated is None or gone >= 2 * self._stated[0]:
            self._stated = gone, max(0, seen)
        return counter_disagrees(*self._stated)
