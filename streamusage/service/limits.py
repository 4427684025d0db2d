"""Limits that keep one party from harming the others: their names, defaults and settings, declared once.

`docs/operating.md` explains each of them. They lie above what an honest agent owes after 40 days without the service;
`docs/decisions/0009-limits.md` has the calculation.
"""

from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import NamedTuple

from streamusage.core.durations import UNIT_MS
from streamusage.core.text import quote_input
from streamusage.service.errors import LimitExceededError

MIB = 1024 * 1024


class LimitError(ValueError):
    """A setting of a limit is invalid. The message names what is allowed."""


@dataclass(frozen=True)
class Limits:
    """The value of each limit. A field's name is the limit's name, with dashes in settings, messages and metrics."""

    report_bytes: int = 40 * MIB
    """Size of a report, decompressed."""
    compression_ratio: int = 200
    """How many times larger than received a decompressed body of more than a mebibyte may be."""
    gzip_members: int = 16
    """Gzip members in a body."""
    json_depth: int = 64
    """Nesting of a report's JSON."""
    report_rows: int = 500_000
    """Rows in a report: slots, spans, sessions, samples, viewers, outages, streams of slots, and everything that they
    list."""
    streams_per_day: int = 5_000
    """Streams that one server names in a day, for each day that its reports newly cover."""
    protocols_per_day: int = 32
    """Protocols that one server names in a day."""
    requests_in_flight: int = 8
    """Requests of one agent that wait for their answer."""
    connections: int = 50_000
    """Open connections, as far as the system's limit of open files permits."""

    def exceeded(self, field: str, what: str) -> LimitExceededError:
        """Return the error of a request that exceeds the limit. `what` describes the request, such as `the report has
        300,000 rows`.
        """
        name = limit_name(field)
        value = getattr(self, field)
        return LimitExceededError(
            name, f"{what}; the limit {name} is {value:,} (--limit {name}=N at the service); nothing was changed"
        )


class LimitSetting(NamedTuple):
    """A limit that differs from its default."""

    field: str
    value: int


LIMIT_FIELDS = tuple(field.name for field in fields(Limits))
MOST_DAYS_OWED = 40
"""An agent files units at most this long before a reading."""


def limit_name(field: str) -> str:
    """Return the limit's name in settings, messages and metrics."""
    return field.replace("_", "-")


def parse_limits(texts: Iterable[str]) -> Limits:
    """Return the limits with these settings `NAME=NUMBER`. Raises `LimitError`."""
    settings = [_parse_setting(text) for text in texts]
    return Limits(**{setting.field: setting.value for setting in settings})


def _parse_setting(text: str) -> LimitSetting:
    name, _, value = text.partition("=")
    field = name.replace("-", "_")
    if field not in LIMIT_FIELDS or "_" in name:
        names = ", ".join(map(limit_name, LIMIT_FIELDS))
        raise LimitError(f"{quote_input(text)} is not a limit; expected NAME=NUMBER with one of {names}")
    if not value.isascii() or not value.isdigit() or not 1 <= int(value[:17]) <= 2**53:
        raise LimitError(f"{quote_input(text)} is invalid; expected a whole number of at least 1, such as {name}=1000")
    return LimitSetting(field, int(value))


def newly_covered_days(from_ms: int, to_ms: int) -> int:
    """Return how many days begin within newly covered time, at most those that an agent can owe."""
    return min(MOST_DAYS_OWED, max(0, -((from_ms - to_ms) // UNIT_MS["d"])))
