"""Customers by dated rules, in plain terms: nothing of the product is used."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from urllib.parse import unquote

Stream = tuple[str, str]
"""Scope and name."""


@dataclass(frozen=True)
class PlainRule:
    """An entry of the customers file, with the days for which it holds."""

    name: str
    scopes: tuple[str, ...] = ()
    streams: tuple[str, ...] = ()
    first_day: date = date.min
    last_day: date = date.max


def customer_of(stream: Stream, day: date, rules: Sequence[PlainRule]) -> str | None:
    """Return the customer of a stream on a day."""
    for rule in rules:
        if rule.first_day <= day <= rule.last_day and _names(rule, stream):
            return rule.name
    return None


def _names(rule: PlainRule, stream: Stream) -> bool:
    scope, name = stream
    for text in rule.scopes:
        if scope == text or (text.endswith("*") and scope.startswith(text[:-1])):
            return True
    for text in rule.streams:
        cut = text.rindex("/")
        of_scope, pattern = text[:cut], text[cut + 1 :]
        if scope != of_scope:
            continue
        if name == unquote(pattern) or (pattern.endswith("*") and name.startswith(unquote(pattern[:-1]))):
            return True
    return False


def text_of(stream: Stream) -> str:
    """Return the text of a stream in lists."""
    return stream[0] + "/" + stream[1].replace("%", "%25").replace("/", "%2F")
