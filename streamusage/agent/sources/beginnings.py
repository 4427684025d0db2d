"""When something began, from a server that only tells for how long it has been there. Pure.

Worked out anew with every answer the instant wavers. So the first one is kept as the name of that life, and goes on as
long as what is there now was there at the reading before.
"""

from collections.abc import Mapping

import msgspec


class Beginnings(msgspec.Struct, frozen=True):
    """What the journal keeps for such a source."""

    at: int = 0
    """The reading's instant."""
    began: dict[str, int] = {}
    """When each began, as it was first worked out, in UTC milliseconds."""

    @classmethod
    def parse(cls, cursor: str | None) -> "Beginnings":
        try:
            return msgspec.json.decode(cursor or "{}", type=cls)
        except msgspec.DecodeError:
            return cls()

    def __str__(self) -> str:
        return msgspec.json.encode(self).decode()

    def now(self, at: int, ages_ms: Mapping[str, int]) -> "Beginnings":
        """The beginnings of what is there now, by key, from the ages that the server tells."""
        began = {}
        for key, age_ms in ages_ms.items():
            worked_out = max(0, at - age_ms)
            known = self.began.get(key)
            began[key] = known if known is not None and worked_out <= self.at else worked_out
        return Beginnings(at, began)
