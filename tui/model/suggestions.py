"""Names that a mistyped name may mean. Pure."""

from collections.abc import Iterable
from difflib import get_close_matches

MOST_SUGGESTED = 3


def close_names(typed: str, names: Iterable[str]) -> list[str]:
    """Return the names that resemble a typed one, the most likely first: as a whole or by their first words."""
    wanted = " ".join(typed.casefold().split())
    if not wanted:
        return []
    by_text: dict[str, str] = {}
    for name in names:
        by_text.setdefault(name.casefold(), name)
    for name in list(by_text.values()):
        by_text.setdefault(name.casefold().split(" ")[0], name)
    found = [
        *get_close_matches(wanted, by_text, MOST_SUGGESTED),
        *get_close_matches(wanted.split(" ")[0], by_text, MOST_SUGGESTED),
    ]
    return list(dict.fromkeys(by_text[text] for text in found))[:MOST_SUGGESTED]


def did_you_mean(typed: str, names: Iterable[str]) -> str:
    """Return `; did you mean edge-1 or edge-2?` for names that resemble the typed one; empty without such names."""
    by_text: dict[str, str] = {}
    for name in names:
        by_text.setdefault(name.casefold(), name)
    close = get_close_matches(typed.casefold(), by_text, MOST_SUGGESTED)
    return f"; did you mean {' or '.join(by_text[text] for text in close)}?" if close else ""
