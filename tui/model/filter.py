"""The simple filter: words that a session's scope/name must hold, all of them, in any case. Pure.

`scope=live/*` and `name=cam-?` match the whole scope or name as a glob; `state=live` and `state=ended` tell live
sessions from ended ones. Anything else is a word.
"""

import re
from collections.abc import Callable
from fnmatch import translate
from typing import NamedTuple

from tui.model.sessions import Session


class Filter(NamedTuple):
    """What is shown. The empty filter shows everything."""

    text: str
    matches: Callable[[Session], bool]

    def __bool__(self) -> bool:
        return bool(self.text)


def parse(text: str) -> Filter:
    """The filter that a person typed. Every text is a filter; none is an error."""
    tests = [_test_of(word) for word in text.split()]
    if not tests:
        return Filter("", lambda session: True)
    if len(tests) == 1:
        return Filter(" ".join(text.split()), tests[0])
    return Filter(" ".join(text.split()), lambda session: all(test(session) for test in tests))


def _test_of(word: str) -> Callable[[Session], bool]:
    field, equals, value = word.partition("=")
    if equals and value:
        if field.lower() == "state" and value.lower() in ("live", "ended"):
            wanted = value.lower() == "live"
            return lambda session: session.live is wanted
        if field.lower() in ("scope", "name"):
            matches = re.compile(translate(value.casefold())).match
            if field.lower() == "scope":
                return lambda session: matches(session.scope.casefold()) is not None
            return lambda session: matches(session.name.casefold()) is not None
    needle = word.casefold()
    return lambda session: needle in session.text
