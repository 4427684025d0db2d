"""A cursor that is a small record: told to the journal as JSON, and empty where what comes back is no such record."""

from typing import Self

import msgspec


class JsonCursor(msgspec.Struct, frozen=True):
    """What the journal keeps for a source; each source names its own fields, with defaults for a beginning."""

    @classmethod
    def parse(cls, text: str | None) -> Self:
        """The record that `str` made; an empty one for any other text, and for none."""
        try:
            return msgspec.json.decode(text or "{}", type=cls)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return cls()

    def __str__(self) -> str:
        return msgspec.json.encode(self).decode()
