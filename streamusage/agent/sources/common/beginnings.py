"""When something began, from a server that only tells for how long it has been there. Pure.

Worked out anew with every answer the instant wavers, and jumps when a clock is set. So the first one is kept as the
name of that life, which goes on as long as the age grows.
"""

from collections.abc import Mapping

import msgspec

from streamusage.agent.sources.common.cursors import JsonCursor


class Beginnings(JsonCursor, frozen=True):
    """What the journal keeps for such a source."""

    began: dict[str, int] = msgspec.field(default_factory=dict)
    """When each began, as it was first worked out, in UTC milliseconds."""
    ages_ms: dict[str, int] = msgspec.field(default_factory=dict)
    """How old each was at the reading."""

    def now(self, at: int, ages_ms: Mapping[str, int]) -> "Beginnings":
        """The beginnings of what is there now, by key, from the ages that the server tells."""
        began = {}
        for key, age_ms in ages_ms.items():
            goes_on = key in self.began and age_ms >= self.ages_ms.get(key, 0)
            began[key] = self.began[key] if goes_on else max(0, at - age_ms)
        return Beginnings(began, dict(ages_ms))
