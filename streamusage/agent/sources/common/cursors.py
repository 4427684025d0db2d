"""Cursors that the journal stores as JSON. The field names are part of the stored format. Pure."""

from collections.abc import Mapping
from typing import Self

import msgspec

from streamusage.agent.sources.common.sample_time import Instant


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


LONGEST_ROUNDING_MS = 2000
"""By how much ages in whole seconds may seem to grow more than the time between two readings."""


class LifeStarts(JsonCursor, frozen=True):
    """Start times of objects for which the server reports only an age.

    A start computed from each response anew would vary slightly, and would jump when a clock is set. Therefore the
    first computed start is kept and names this life of the object. A lower age is another life, except where it is
    longer than the time since the last reading, or negative: then the server's wall clock was set back.
    """

    began: dict[str, int] = msgspec.field(default_factory=dict)
    """First computed start of each object, in UTC milliseconds."""
    ages_ms: dict[str, int] = msgspec.field(default_factory=dict)
    """Age of each object on the page of the reading."""
    run: str = ""
    """Boot id of the agent's machine at the reading; empty if it has none."""
    elapsed_ms: int = 0
    """Elapsed time at the reading, comparable within one `run`."""

    def update(self, at: Instant, ages_ms: Mapping[str, int], run: str = "") -> "LifeStarts":
        """Return the starts of the present objects, from the ages on the pages of a reading. `run` as in the field."""
        began = {}
        passed_ms = at.elapsed_ms - self.elapsed_ms if run and run == self.run else None
        for key, age_ms in ages_ms.items():
            is_same_life = key in self.began and (
                age_ms >= self.ages_ms.get(key, 0)
                or age_ms < 0
                or (passed_ms is not None and age_ms > passed_ms + LONGEST_ROUNDING_MS)
            )
            began[key] = self.began[key] if is_same_life else max(0, at.wall_ms - max(0, age_ms))
        return LifeStarts(began, dict(ages_ms), run, at.elapsed_ms)
