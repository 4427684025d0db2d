"""Customers by rules: which streams of an accounting day belong to which customer. Pure.

A rule names scopes and streams of a customer, and may be limited to some days. No stream has two customers on one day:
rules that overlap are refused, because nothing could decide between them.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from functools import cached_property
from itertools import chain
from typing import NamedTuple
from urllib.parse import unquote

import msgspec

from streamusage.core.usage import StreamId
from streamusage.evidence.signed_customers import CustomerRule, RulesOfDay, hash_of_rules

ANY_END = "*"
_MOST_FOUND = 100_000


class CustomerRuleError(ValueError):
    """The rules contradict each other, or a pattern has no meaning."""


class Pattern(NamedTuple):
    """The streams of a scope, or streams of one scope by name. A text may stand for all that begin with it."""

    scope: str
    scope_is_prefix: bool
    name: str | None
    """`None` for all streams of the scope."""
    name_is_prefix: bool

    @classmethod
    def of_scope(cls, text: str) -> "Pattern":
        """Return the pattern of a scope: `acme`, or `acme/*` for all that begin with `acme/`."""
        return cls(*_prefix(text), None, False)

    @classmethod
    def of_stream(cls, text: str) -> "Pattern":
        """Return the pattern of `scope/name`, or of `scope/begin*`. Raises `CustomerRuleError`.

        The last slash ends the scope: a slash in a name is `%2F`, and a star that stands for itself is `%2A`.
        """
        scope, slash, name = text.rpartition("/")
        if not slash or not scope or not name:
            raise CustomerRuleError(f"{text!r} is no stream: write scope/name, or scope/begin*")
        begin, is_prefix = _prefix(name)
        return cls(scope, False, unquote(begin), is_prefix)

    def overlaps(self, other: "Pattern") -> bool:
        """Return whether a stream can match both patterns."""
        if not _overlap(self.scope, self.scope_is_prefix, other.scope, other.scope_is_prefix):
            return False
        if self.name is None or other.name is None:
            return True
        return _overlap(self.name, self.name_is_prefix, other.name, other.name_is_prefix)

    def matches(self, stream: StreamId) -> bool:
        """Return whether a stream matches the pattern."""
        return _matches(self.scope, self.scope_is_prefix, stream.scope) and (
            self.name is None or _matches(self.name, self.name_is_prefix, stream.name)
        )


class DatedRule(msgspec.Struct, frozen=True, kw_only=True):
    """One entry of the configuration."""

    name: str
    scopes: tuple[str, ...] = ()
    streams: tuple[str, ...] = ()
    first_day: date | None = None
    """`None` without a beginning."""
    last_day: date | None = None
    """Included; `None` without an end."""

    def covers(self, day: date) -> bool:
        """Return whether the rule applies to an accounting day of any zone."""
        return (self.first_day or date.min) <= day <= (self.last_day or date.max)

    def patterns(self) -> Iterator[tuple[str, Pattern]]:
        """Yield each pattern with its text. Raises `CustomerRuleError`."""
        for text in self.scopes:
            yield text, Pattern.of_scope(text)
        for text in self.streams:
            yield text, Pattern.of_stream(text)


class DayCustomers:
    """The rules of one day, or of one closing."""

    def __init__(self, rules: RulesOfDay) -> None:
        """Take rules that do not overlap."""
        self.rules = rules
        self._scopes: dict[str, str] = {}
        self._streams: dict[tuple[str, str], str] = {}
        self._prefixes: list[tuple[Pattern, str]] = []
        self._found: dict[StreamId, str | None] = {}
        """Streams that were searched among the prefixes."""
        for rule in rules:
            for _, pattern in DatedRule(name=rule.name, scopes=rule.scopes, streams=rule.streams).patterns():
                if pattern.scope_is_prefix or pattern.name_is_prefix:
                    self._prefixes.append((pattern, rule.name))
                elif pattern.name is None:
                    self._scopes[pattern.scope] = rule.name
                else:
                    self._streams[pattern.scope, pattern.name] = rule.name

    def __bool__(self) -> bool:
        return bool(self.rules)

    @cached_property
    def hash(self) -> str:
        """SHA-256 of the canonical JSON of the rules, 64 hexadecimal digits."""
        return hash_of_rules(self.rules)

    def customer_of(self, stream: StreamId) -> str | None:
        """Return the customer of a stream; `None` without one."""
        exact = self._streams.get(stream) or self._scopes.get(stream.scope)
        if exact is not None or not self._prefixes:
            return exact
        if stream not in self._found:
            if len(self._found) >= _MOST_FOUND:
                self._found.clear()
            self._found[stream] = next((name for pattern, name in self._prefixes if pattern.matches(stream)), None)
        return self._found[stream]


class CustomerRules:
    """All rules of the configuration. `replace_with` exchanges them all at once."""

    def __init__(self, rules: Sequence[DatedRule] = ()) -> None:
        """Take rules. Raises `CustomerRuleError` where two customers have a stream on one day."""
        _refuse_overlaps(rules)
        self._rules = tuple(rules)
        self._days: dict[tuple[int, ...], DayCustomers] = {}

    def __len__(self) -> int:
        return len({rule.name for rule in self._rules})

    def of_day(self, day: date) -> DayCustomers:
        """Return the rules that apply to an accounting day."""
        rules, known = self._rules, self._days
        covering = tuple(number for number, rule in enumerate(rules) if rule.covers(day))
        if covering not in known:
            known[covering] = DayCustomers(_merge(rules[number] for number in covering))
        return known[covering]

    def replace_with(self, rules: "CustomerRules") -> None:
        """Replace all rules by those of `rules`."""
        self._rules, self._days = rules._rules, rules._days


def _merge(rules: Iterable[DatedRule]) -> RulesOfDay:
    """Return the rules of a day, one for each customer, in an order that depends on nothing else."""
    scopes: dict[str, set[str]] = {}
    streams: dict[str, set[str]] = {}
    for rule in rules:
        scopes.setdefault(rule.name, set()).update(rule.scopes)
        streams.setdefault(rule.name, set()).update(rule.streams)
    return tuple(
        CustomerRule(name=name, scopes=tuple(sorted(scopes[name])), streams=tuple(sorted(streams[name])))
        for name in sorted(scopes)
    )


def _refuse_overlaps(rules: Sequence[DatedRule]) -> None:
    """Raise `CustomerRuleError` for two patterns of different customers that share a stream on a day.

    A file may have thousands of patterns: in one scope they are sorted, so that those that begin with a text are beside
    each other.
    """
    entries = [_Entry(rule, *pattern) for rule in rules for pattern in rule.patterns()]
    wide = [entry for entry in entries if entry.pattern.scope_is_prefix]
    by_scope: dict[str, list[_Entry]] = {}
    for entry in entries:
        if not entry.pattern.scope_is_prefix:
            by_scope.setdefault(entry.pattern.scope, []).append(entry)
    for number, entry in enumerate(wide):
        others = (of_scope for scope, of_scope in by_scope.items() if scope.startswith(entry.pattern.scope))
        for other in (*wide[:number], *chain.from_iterable(others)):
            _refuse_pair(entry, other)
    for of_scope in by_scope.values():
        whole = [entry for entry in of_scope if entry.pattern.name is None]
        named = sorted((entry for entry in of_scope if entry.pattern.name is not None), key=_name_of)
        for number, entry in enumerate(whole):
            for other in (*whole[:number], *named):
                _refuse_pair(entry, other)
        for number, entry in enumerate(named):
            for at in range(number + 1, len(named)):
                if not _may_begin_as(entry, named[at]):
                    break
                _refuse_pair(entry, named[at])


def _may_begin_as(entry: "_Entry", later: "_Entry") -> bool:
    """Return whether a later entry of the same scope, in the order of names, may match a stream of the entry."""
    name, other = _name_of(entry), _name_of(later)
    return other.startswith(name) if entry.pattern.name_is_prefix else other == name


def _name_of(entry: "_Entry") -> str:
    return entry.pattern.name or ""


class _Entry(NamedTuple):
    rule: DatedRule
    text: str
    pattern: Pattern


def _refuse_pair(one: _Entry, other: _Entry) -> None:
    if one.rule.name == other.rule.name or not one.pattern.overlaps(other.pattern):
        return
    if _share_days(one.rule, other.rule):
        raise CustomerRuleError(
            f"{one.text!r} of {one.rule.name} and {other.text!r} of {other.rule.name} can be the same stream "
            f"{_shared_days(one.rule, other.rule)}: limit one of them by another name, or by from and to"
        )


def _share_days(one: DatedRule, other: DatedRule) -> bool:
    return (one.first_day or date.min) <= (other.last_day or date.max) and (other.first_day or date.min) <= (
        one.last_day or date.max
    )


def _shared_days(one: DatedRule, other: DatedRule) -> str:
    first = max(one.first_day or date.min, other.first_day or date.min)
    last = min(one.last_day or date.max, other.last_day or date.max)
    if first == date.min and last == date.max:
        return "on every day"
    if last == date.max:
        return f"from {first} on"
    return f"up to {last}" if first == date.min else f"from {first} to {last}"


def _prefix(text: str) -> tuple[str, bool]:
    is_prefix = text.endswith(ANY_END)
    return (text.removesuffix(ANY_END), is_prefix)


def _overlap(one: str, one_is_prefix: bool, other: str, other_is_prefix: bool) -> bool:
    if one_is_prefix and other_is_prefix:
        return one.startswith(other) or other.startswith(one)
    return _matches(one, one_is_prefix, other) if one_is_prefix else _matches(other, other_is_prefix, one)


def _matches(text: str, is_prefix: bool, whole: str) -> bool:
    return whole.startswith(text) if is_prefix else whole == text


NO_CUSTOMERS = CustomerRules()
"""The rules of a service that knows no customers."""
