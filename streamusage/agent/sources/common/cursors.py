"""Cursors that the journal stores as JSON. The field names are part of the stored format. Pure."""

from collections.abc import Mapping
from typing import Self

import msgspec


class JsonCursor(msgspec.Struct, frozen=True):
    """Base of a source's cursor. Each source declares its own fields, with defaults for the first reading."""

    @classmethod
    def parse(cls, text: str | None) -> Self:
        """Return the cursor that `str` encoded; a cursor with default values for any other text and for None."""
        try:
            return msgspec.json.decode(text or "{}", type=cls)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return cls()

    def __str__(self) -> str:
        return msgspec.json.encode(self).decode()


class LifeStarts(JsonCursor, frozen=True):
    """Start times of objects for which the server reports only an age.

    A start computed from each response anew would vary slightly, and would jump when a clock is set. Therefore the
    first computed start is kept and names this life of the object, for as long as its age grows.
    """

    began: dict[str, int] = msgspec.field(default_factory=dict)
    """First computed start of each object, in UTC milliseconds."""
    ages_ms: dict[str, int] = msgspec.field(default_factory=dict)
    """Age of each object at the reading."""

    def update(self, at_ms: int, ages_ms: Mapping[str, int]) -> "LifeStarts":
        """Return the starts of the present objects, from their ages by key at wall time `at_ms`."""
        began = {}
        for key, age_ms in ages_ms.items():
            is_same_life = key in self.began and age_ms >= self.ages_ms.get(key, 0)
            began[key] = self.began[key] if is_same_life else max(0, at_ms - age_ms)
        return LifeStarts(began, dict(ages_ms))
