"""The filter language of the console, `ls` and `rm`. Pure.

    cam 4                       scope/name contains both words, in any case
    active>10k lost>=5          figures, with k and M
    age<2h duration>=90s        durations, as everywhere
    scope=live/* name!=cam-?    globs over the whole scope or name
    state=live data=backfilled  publish state and provenance
    name~^cam-[0-9]+$ ~q-and    regular expressions
    (cam or stage) and not test "a phrase"

A text that cannot be parsed raises `FilterError` with the position; no part of a filter is ever ignored.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import translate
from types import MappingProxyType
from typing import NamedTuple, cast

from streamusage.core.durations import EXAMPLES, DurationError, parse_duration_ms
from tui.model.sessions.columns import COLUMNS, FilterField, FilterType
from tui.model.sessions.session import Session
from tui.model.sessions.session_columns import ColumnReader, SessionColumns

Test = Callable[[Session, int], bool]
"""Whether a session matches at an instant, UTC milliseconds."""

TestBuilder = Callable[[str, str], Test]
"""Returns the test of an operator and a value."""

LONGEST_SEARCHED = 1_000
"""Length of a name that a regular expression examines: a publisher's name must not stall it."""


IN_ONE_SERVICE = MappingProxyType(
    {"service": "only a console of several services (--profile a,b) has it; choose the service with --profile or --url"}
)
"""Fields that sessions of one service do not have."""
IN_PLAIN_LISTS = MappingProxyType(
    dict.fromkeys(
        ("state", "data"), "the usage records of a plain Stream Manager have neither state nor data; leave it out"
    )
)
"""Fields that usage records without our extension do not have."""
IN_PLAIN_SESSIONS = MappingProxyType({"data": "a plain Stream Manager does not report how figures came; leave it out"})
"""Fields that the sessions of a plain Stream Manager do not have. Its live list has their state."""


class FilterError(ValueError):
    """A filter that cannot be parsed. `at` and `until` are the position in `text`."""

    def __init__(self, message: str, text: str, at: int, until: int | None = None) -> None:
        super().__init__(message)
        self.text = text
        self.at = at
        self.until = max(at + 1, until or 0)

    def caret(self, indent: int = 0) -> str:
        """Return a line that points at the position, to be shown below the text."""
        return " " * (indent + self.at) + "^" * (self.until - self.at)


@dataclass(frozen=True)
class Filter:
    """A parsed filter. The empty filter matches everything."""

    text: str
    test: Test
    by_time: bool = False
    """Whether matches change with time alone."""
    needles: tuple[re.Pattern[str], ...] = field(default=(), compare=False)
    """Texts to highlight in scope/name."""
    words: tuple[str, ...] = field(default=(), compare=False)
    """Texts that scope/name of every match contains, in lower case."""
    comparisons: frozenset[str] | None = field(default=frozenset(), compare=False)
    """The other terms, all of which a match meets; `None` where the filter is more than a list of terms."""

    def __bool__(self) -> bool:
        return bool(self.text)

    def matches(self, session: Session, now_ms: int = 0) -> bool:
        """Whether the session matches at an instant."""
        return self.test(session, now_ms)

    def select(self, rows: Sequence[int], reader: ColumnReader, now_ms: int) -> list[int]:
        """Return those of some rows whose sessions match. `reader` reads the columns of the rows."""
        for word in self.words:
            rows = _rows_with(word, rows, reader.columns)
        if self.comparisons is not None and not self.comparisons:
            return list(rows)
        found, session, test = [], cast("Session", reader), self.test
        for row in rows:
            reader.row = row
            if test(session, now_ms):
                found.append(row)
        return found

    def narrows(self, other: "Filter") -> bool:
        """Return whether every session that matches this filter also matches the other one, at any instant."""
        if not other or (self.text == other.text and not other.by_time):
            return True
        if self.comparisons is None or other.comparisons is None or other.by_time:
            return False
        return other.comparisons <= self.comparisons and all(
            any(known in word for word in self.words) for known in other.words
        )

    def found_in(self, drawn: str) -> list[tuple[int, int]]:
        """Return the ranges of a drawn scope/name that the filter matched, in order and without overlap."""
        stretches = sorted(
            found.span() for needle in self.needles for found in needle.finditer(drawn[:LONGEST_SEARCHED])
        )
        result: list[tuple[int, int]] = []
        for start, end in stretches:
            if start < end and (not result or start >= result[-1][1]):
                result.append((start, end))
        return result


def _rows_with(word: str, rows: Sequence[int], columns: SessionColumns) -> list[int]:
    """Return those of some rows whose scope/name contains a text in lower case."""
    if "/" in word:
        return [row for row in rows if word in columns.text(row)]
    folded, scopes = columns.folded, columns.scopes
    found = {scope for scope in set(map(scopes.__getitem__, rows)) if word in scope.casefold()}
    if not found:
        return [row for row in rows if word in folded[row]]
    return [row for row in rows if word in folded[row] or scopes[row] in found]


def parse(text: str, unknown: Mapping[str, str] = MappingProxyType({})) -> Filter:
    """Return the filter of a typed text. Raises `FilterError`.

    `unknown` has the fields that no session has there, with the reason: a filter that compares one is refused.
    """
    tokens = _tokens(text)
    if not tokens:
        return Filter("", lambda session, now_ms: True)
    reader = _Reader(text, tokens, unknown)
    test = reader.disjunction()
    if reader.here is not None:
        raise FilterError("unmatched )", text, reader.here.at)
    words, comparisons = _terms(tokens)
    return Filter(" ".join(text.split()), test, reader.by_time, tuple(reader.needles), words, comparisons)


def _terms(tokens: "list[_Token]") -> tuple[tuple[str, ...], frozenset[str] | None]:
    """Return the words and the comparisons of a filter that is a list of terms; else no words and `None`."""
    words: list[str] = []
    comparisons: list[str] = []
    for token in tokens:
        if token.parts is not None:
            comparisons.append(token.text)
        elif token.quoted or token.text.lower() not in {"and", "or", "not", "(", ")"}:
            words.append(token.text.casefold())
        elif token.text.lower() != "and":
            return (), None
    return tuple(words), frozenset(comparisons)


def any_of(names: list[str], known: str = "") -> str:
    """Return `a, b or c`."""
    return f"{', '.join(names[:-1])} or {names[-1]}{known}"


# Reading


class _Token(NamedTuple):
    at: int
    until: int
    text: str
    """As typed, without its quotes."""
    quoted: bool
    parts: tuple[str, str, str] | None
    """(field, operator, value) of a comparison."""
    value_at: int


_SPACE = re.compile(r"\s+")
_PAREN = re.compile(r"[()]")
_COMPARISON = re.compile(r"([^\s()=<>!~\"']*)(>=|<=|!=|=|>|<|~)")
_QUOTED = re.compile(r"\"([^\"]*)\"|'([^']*)'")
_BARE = re.compile(r"[^\s()]+")
_BARE_REGEX = re.compile(r"\S+")


def _tokens(text: str) -> list[_Token]:
    tokens: list[_Token] = []
    at = 0
    while at < len(text):
        if space := _SPACE.match(text, at):
            at = space.end()
        elif _PAREN.match(text, at):
            tokens.append(_Token(at, at + 1, text[at], False, None, at))
            at += 1
        else:
            tokens.append(_token(text, at))
            at = tokens[-1].until
    return tokens


def _token(text: str, at: int) -> _Token:
    compared = _COMPARISON.match(text, at)
    value_at = compared.end() if compared else at
    regex = compared is not None and compared[2] == "~"
    if text[value_at : value_at + 1] in ('"', "'"):
        quoted = _QUOTED.match(text, value_at)
        if quoted is None:
            raise FilterError("unclosed quote", text, value_at)
        value, until, in_quotes = quoted[1] or quoted[2] or "", quoted.end(), True
    else:
        bare = (_BARE_REGEX if regex else _BARE).match(text, value_at)
        value, until, in_quotes = (bare[0] if bare else ""), (bare.end() if bare else value_at), False
        if regex and value.endswith(")") and value.count(")") > value.count("("):
            value, until = value[:-1], until - 1  # closes a group of the filter, not of the expression
    parts = (compared[1].lower(), compared[2], value) if compared else None
    return _Token(at, until, value if compared is None else text[at:until], in_quotes, parts, value_at)


class _Reader:
    """Parses disjunction = conjunction [or conjunction]…, conjunction = term [[and] term]…,
    term = not term | ( disjunction ) | test.
    """

    def __init__(self, text: str, tokens: list[_Token], unknown: Mapping[str, str]) -> None:
        self._text = text
        self._unknown = unknown
        self._tokens = tokens
        self._next = 0
        self.by_time = False
        self.needles: list[re.Pattern[str]] = []

    @property
    def here(self) -> _Token | None:
        return self._tokens[self._next] if self._next < len(self._tokens) else None

    def _is(self, *words: str) -> bool:
        here = self.here
        return here is not None and not here.quoted and here.parts is None and here.text.lower() in words

    def disjunction(self) -> Test:
        tests = [self.conjunction()]
        while self._is("or"):
            self._next += 1
            tests.append(self.conjunction())
        return tests[0] if len(tests) == 1 else lambda session, now_ms: any(test(session, now_ms) for test in tests)

    def conjunction(self) -> Test:
        tests = [self.term()]
        while self.here is not None and not self._is("or", ")"):
            if self._is("and"):
                self._next += 1
            tests.append(self.term())
        return tests[0] if len(tests) == 1 else lambda session, now_ms: all(test(session, now_ms) for test in tests)

    def term(self) -> Test:
        here = self.here
        if here is None or self._is("and", "or", ")"):
            at = len(self._text) if here is None else here.at
            raise FilterError("a search term is missing here", self._text, at, here and here.until)
        self._next += 1
        if here.parts is not None:
            return self._comparison(here, *here.parts)
        if not here.quoted and here.text.lower() == "not":
            seen = len(self.needles)
            test = self.term()
            del self.needles[seen:]  # an excluded text is not highlighted
            return lambda session, now_ms: not test(session, now_ms)
        if not here.quoted and here.text == "(":
            test = self.disjunction()
            if not self._is(")"):
                raise FilterError("unclosed (", self._text, here.at)
            self._next += 1
            return test
        self.needles.append(re.compile(re.escape(here.text), re.IGNORECASE))
        needle = here.text.casefold()
        return lambda session, now_ms: needle in session.text

    def _comparison(self, token: _Token, name: str, operator: str, value: str) -> Test:
        try:
            fields = filter_fields()
            known = "stream" if name == "" and operator == "~" else _aliases().get(name, name)
            if known not in fields:
                wrong = f"unknown field {name!r}" if name else "a field is missing before this"
                raise _ExpressionError(
                    f"{wrong}; fields are {', '.join(fields)}. To search for the text itself, quote it", here=False
                )
            if known in self._unknown:
                raise _ExpressionError(f"{known} is unknown here: {self._unknown[known]}", here=False)
            if not value:
                raise _ExpressionError(f"{fields[known].wants} is missing after {operator}")
            if operator not in fields[known].operators:
                raise _ExpressionError(f"{known} knows {any_of(list(fields[known].operators))}", here=False)
            self.by_time |= fields[known].by_time
            if known in ("stream", "name", "scope") and operator in ("~", "="):
                self._highlight(known, operator, value)
            return fields[known].test(operator, value)
        except _ExpressionError as wrong:
            at = token.value_at if wrong.here else token.at
            raise FilterError(str(wrong), self._text, at, token.until) from None

    def _highlight(self, known: str, operator: str, value: str) -> None:
        if operator == "~":
            self.needles.append(_expression(value))
        elif known != "scope" and not set("*?[") & set(value):
            self.needles.append(re.compile(re.escape(value), re.IGNORECASE))


class _ExpressionError(Exception):
    def __init__(self, message: str, *, here: bool = True) -> None:
        super().__init__(message)
        self.here = here
        """Whether the value is at fault, not the field."""


# Fields


class _Field(NamedTuple):
    wants: str
    operators: tuple[str, ...]
    test: TestBuilder
    by_time: bool = False
    """Whether a match changes with time alone."""


_ORDER: dict[str, Callable[[int, int], bool]] = {
    "=": lambda one, other: one == other,
    "!=": lambda one, other: one != other,
    ">": lambda one, other: one > other,
    ">=": lambda one, other: one >= other,
    "<": lambda one, other: one < other,
    "<=": lambda one, other: one <= other,
}
_NUMBER = re.compile(r"([0-9][0-9_,]*(?:\.[0-9]+)?)(k|M|G)?", re.IGNORECASE)
_SCALE = {"": 1, "k": 1_000, "m": 1_000_000, "g": 1_000_000_000}


def _number(value: str) -> int:
    found = _NUMBER.fullmatch(value)
    if found is None:
        raise _ExpressionError("a number is expected here, such as 10, 1.5k or 2M")
    return round(float(found[1].replace(",", "").replace("_", "")) * _SCALE[(found[2] or "").lower()])


def _time_ms(value: str) -> int:
    try:
        return parse_duration_ms(value)
    except DurationError:
        raise _ExpressionError(f"a duration is expected here, such as {EXAMPLES}") from None


def _expression(value: str) -> re.Pattern[str]:
    try:
        return re.compile(value, re.IGNORECASE)
    except (re.error, RecursionError, OverflowError) as error:
        raise _ExpressionError(f"invalid regular expression: {error}") from None


def _comparison_of(value_of: Callable[[Session, int], int | None], parse_value: Callable[[str], int]) -> TestBuilder:
    def made(operator: str, value: str) -> Test:
        wanted, compare = parse_value(value), _ORDER[operator]

        def test(session: Session, now_ms: int) -> bool:
            found = value_of(session, now_ms)
            return found is not None and compare(found, wanted)

        return test

    return made


def _text(text: Callable[[Session], str]) -> TestBuilder:
    def made(operator: str, value: str) -> Test:
        if operator == "~":
            search = _expression(value).search
            return lambda session, now_ms: search(text(session)[:LONGEST_SEARCHED]) is not None
        match = re.compile(translate(value.casefold())).match
        wanted = operator == "="
        return lambda session, now_ms: (match(text(session).casefold()) is not None) is wanted

    return made


def _choice_of(value_of: Callable[[Session, int], str | None], words: tuple[str, ...]) -> TestBuilder:
    def made(operator: str, value: str) -> Test:
        word, wanted = value.lower(), operator == "="
        if word not in words:
            raise _ExpressionError(f"{any_of(list(words))} is expected here")
        return lambda session, now_ms: (value_of(session, now_ms) == word) is wanted

    return made


_COMPARED = ("=", "!=", ">", ">=", "<", "<=")
_TEXT = ("=", "!=", "~")
_STREAM_FIELDS = {
    "scope": _Field("a glob", _TEXT, _text(lambda session: session.scope)),
    "name": _Field("a glob", _TEXT, _text(lambda session: session.name)),
    "stream": _Field("a glob", _TEXT, _text(lambda session: f"{session.scope}/{session.name}")),
    "service": _Field("a glob", _TEXT, _text(lambda session: session.service)),
}


def filter_fields() -> dict[str, _Field]:
    """Return the fields by name, with the form of the value, the operators, and the test they build.

    Fields of the stream come first, then those of the columns: choices, numbers, times.
    """
    declared = [column.filter for column in COLUMNS.values() if column.filter]
    by_type = sorted(declared, key=lambda field: list(FilterType).index(field.type))
    return _STREAM_FIELDS | {field.name: _field(field) for field in by_type}


def _field(declared: FilterField) -> _Field:
    match declared.type:
        case FilterType.CHOICE:
            return _Field(declared.expects, ("=", "!="), _choice_of(declared.value, declared.words))
        case FilterType.NUMBER:
            return _Field(declared.expects, _COMPARED, _comparison_of(declared.value, _number))
        case FilterType.TIME:
            return _Field(declared.expects, _COMPARED, _comparison_of(declared.value, _time_ms), by_time=True)


def _aliases() -> dict[str, str]:
    declared = [column.filter for column in COLUMNS.values() if column.filter]
    return {alias: field.name for field in declared for alias in field.aliases}
