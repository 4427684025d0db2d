"""Figures of media servers that may be no counts: negative, fractional, or too large to be exact.

Such a figure is not used. The rest of the reading is, and the time is covered in part only, with the reason.
"""

import logging

from streamusage.agent.sources.common.payloads import MAX_COUNT, Figure
from streamusage.core.reasons import COUNTER_INVALID

LOG = logging.getLogger(__name__)


def count_of(figure: Figure) -> int | None:
    """Return a figure as a count; None for one that is negative, fractional or above `MAX_COUNT`."""
    return int(figure) if 0 <= figure <= MAX_COUNT and figure == int(figure) else None


class FigureChecker:
    """Checks the figures of one reading after the other, and warns once of each kind of figure that is no count."""

    def __init__(self, server_name: str) -> None:
        self._server_name = server_name
        self._has_invalid = False
        self._warned: set[str] = set()

    def count(self, figure: Figure, name: str) -> int | None:
        """Return a figure as `count_of`. `name` is the server's name of this kind of figure."""
        count = count_of(figure)
        if count is None:
            self._has_invalid = True
            if name not in self._warned:
                self._warned.add(name)
                LOG.warning(
                    "invalid_figure server=%s figure=%s value=%s detail='it is negative or above 2^53, so it is not "
                    "used; the other figures are'",
                    self._server_name,
                    name,
                    figure,
                )
        return count

    def take_reason(self, otherwise: str) -> str:
        """Return why the figures since the last call are incomplete: `otherwise` if all of them are counts."""
        has_invalid, self._has_invalid = self._has_invalid, False
        return COUNTER_INVALID if has_invalid else otherwise
