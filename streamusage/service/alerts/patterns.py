"""Patterns of names, in which `*` stands for any text. Pure."""

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache

WILDCARD = "*"


def matches_any(patterns: Iterable[str], text: str) -> bool:
    """Return whether one of the patterns matches the whole text; no pattern matches nothing."""
    return any(_compile(pattern).fullmatch(text) for pattern in patterns)


def matches_labels(matchers: Mapping[str, str], labels: Mapping[str, str]) -> bool:
    """Return whether each matcher matches the label of its name. A label that is missing is an empty text."""
    return all(_compile(pattern).fullmatch(labels.get(name, "")) for name, pattern in matchers.items())


@lru_cache(maxsize=4_096)
def _compile(pattern: str) -> re.Pattern[str]:
    return re.compile(".*".join(re.escape(part) for part in pattern.split(WILDCARD)), re.DOTALL)
