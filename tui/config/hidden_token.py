"""A token that no representation shows."""


class HiddenToken:
    """Holds a token. Its text is read by name only, so that no log, traceback or notice contains it."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def get_secret_value(self) -> str:
        """Return the token."""
        return self._text

    def __repr__(self) -> str:
        return "HiddenToken('•••')"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, HiddenToken) and other._text == self._text

    def __hash__(self) -> int:
        return hash(self._text)
