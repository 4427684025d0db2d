"""Reads the state of the estate for the rules: each kind of rule has its own reading, made only if a rule needs it.

A reading that fails fails the rules of its kind alone.
"""

import logging
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import NamedTuple, TypeVar
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, Connection, literal_column, or_, select
from sqlalchemy.exc import DBAPIError

from streamusage.api.alerts import RuleKind
from streamusage.core.reasons import canonical_reason
from streamusage.service.accounting.closing import unclosed_days
from streamusage.service.accounting.disagreements import load_open
from streamusage.service.alerts.estate import (
    DoubtfulClock,
    LostGap,
    OpenDay,
    OpenDisagreement,
    WatchedEstate,
    WatchedServer,
    WatchedStream,
)
from streamusage.service.alerts.patterns import WILDCARD, matches_any
from streamusage.service.alerts.rules import AlertRule
from streamusage.service.rules.coverage import is_overdue
from streamusage.service.rules.trusted_time import TrustedTime
from streamusage.service.rules.utc_days import DAY_MS
from streamusage.service.store.clock_rows import load_clocks
from streamusage.service.store.coverage_rows import is_known_server
from streamusage.service.store.schema import server_sessions, servers, spans, stream_key
from streamusage.service.store.server_states import clock_refusal_of_row, source_failure_of_row, state_of_row
from streamusage.service.trusted_clock import EVIDENCE

log = logging.getLogger(__name__)

LOST_FOR_DAYS = 45
"""How old lost time is at most that fires: no agent reports older time."""
DAYS_OF_ZONE = 31
"""Most days of an account zone that are looked at, from the first that is not final on."""
MOST_DISAGREEMENTS = 500
FRESH_CLOCK_MS = 300_000
"""How old the stored state of another machine's clock may be, to count as its present one."""

Value = TypeVar("Value")


class EstateReading(NamedTuple):
    """What was read of the estate."""

    estate: WatchedEstate
    failures: Mapping[RuleKind, str]
    """Why the estate is not known for the rules of a kind."""


class ReadingSettings(NamedTuple):
    """What a reading depends on besides the store."""

    zones: Sequence[ZoneInfo]
    settle_ms: int
    clock: TrustedTime
    """State of this process's own clock."""


def read_estate(
    connection: Connection, rules: Iterable[AlertRule], settings: ReadingSettings, now_ms: int
) -> EstateReading:
    """Return what these rules need to know of the estate."""
    listed = list(rules)
    kinds = {rule.kind for rule in listed}
    failures: dict[RuleKind, str] = {}

    def read(kind: RuleKind | tuple[RuleKind, ...], work: Callable[[], tuple[Value, ...]]) -> tuple[Value, ...]:
        wanted = kinds.intersection((kind,) if isinstance(kind, str) else kind)
        if not wanted:
            return ()
        try:
            return work()
        except DBAPIError:
            raise  # nothing more can be read from this connection
        except Exception as error:
            log.exception("the estate could not be read for the alert rules of the kinds %s", ", ".join(sorted(wanted)))
            failures.update(dict.fromkeys(wanted, f"{type(error).__name__}: {error}"))
            return ()

    estate = WatchedEstate(
        now_ms=now_ms,
        servers=read("server-missing", lambda: tuple(_servers(connection, now_ms))),
        lost=read("gap-lost", lambda: tuple(_lost_gaps(connection, now_ms))),
        days=read("day-not-final", lambda: tuple(_open_days(connection, settings, now_ms))),
        disagreements=read("disagreement", lambda: tuple(_disagreements(connection))),
        streams=read(("no-viewers", "no-publisher"), lambda: tuple(_streams(connection, _patterns(listed)))),
        clocks=read("clock", lambda: tuple(_clocks(connection, settings.clock, now_ms))),
    )
    return EstateReading(estate, failures)


def _servers(connection: Connection, now_ms: int) -> Iterable[WatchedServer]:
    query = select(servers).where(is_known_server(), servers.c.removed == "").order_by(servers.c.server)
    for row in connection.execute(query):
        state, failure, refusal = state_of_row(row), source_failure_of_row(row), clock_refusal_of_row(row)
        since = state.watermark if refusal is not None or is_overdue(state, now_ms) else None
        if state.watermark is None:
            starts = [] if failure is None else [failure.since_ms]
            starts += [] if refusal is None else [refusal.at_ms]
            since = min(starts, default=None)
        yield WatchedServer(
            row.server,
            since,
            state.last_sync_at,
            "" if failure is None else failure.error,
            refusal is not None,
        )


def _lost_gaps(connection: Connection, now_ms: int) -> Iterable[LostGap]:
    cutoff = now_ms - LOST_FOR_DAYS * DAY_MS
    query = (
        select(spans.c.server, spans.c.from_ms, spans.c.to_ms, spans.c.reason)
        .join(servers, servers.c.server == spans.c.server)
        # The literal is the condition of the index; spans lie in one day each.
        .where(spans.c.state == literal_column("'lost'"), spans.c.to_ms > cutoff - DAY_MS, servers.c.removed == "")
        .order_by(spans.c.server, spans.c.from_ms)
    )
    gaps: list[LostGap] = []
    for row in connection.execute(query):
        if gaps and (gaps[-1].server, gaps[-1].to_ms) == (row.server, row.from_ms):
            gaps[-1] = gaps[-1]._replace(to_ms=row.to_ms)
        else:
            gaps.append(LostGap(row.server, row.from_ms, row.to_ms, canonical_reason(row.reason)))
    # A gap of which earlier days are out of sight would begin elsewhere each day.
    return [gap for gap in gaps if gap.from_ms > cutoff]


def _open_days(connection: Connection, settings: ReadingSettings, now_ms: int) -> Iterable[OpenDay]:
    for day in unclosed_days(connection, settings.zones, now_ms, settings.settle_ms, DAYS_OF_ZONE):
        yield OpenDay(day.tz, day.day.isoformat(), day.ended_at, day.owing)


def _disagreements(connection: Connection) -> Iterable[OpenDisagreement]:
    for row in load_open(connection, MOST_DISAGREEMENTS):
        stream = f"{row.scope}/{row.name}" if row.scope or row.name else ""
        yield OpenDisagreement(row.kind, row.server, stream, row.found_at, row.describe())


def _clocks(connection: Connection, own: TrustedTime, now_ms: int) -> Iterable[DoubtfulClock]:
    others = [
        state
        for state in load_clocks(connection)
        if state.boot != own.boot and abs(now_ms - state.instant_ms) <= FRESH_CLOCK_MS
    ]
    for state in (own, *others):
        if state.doubt is not None:
            machine = state.boot[:8] or "this machine"
            yield DoubtfulClock(
                machine, state.doubt.since_ms, f"On the machine {machine}: {EVIDENCE[state.doubt.cause]}"
            )


def _patterns(rules: Iterable[AlertRule]) -> set[str]:
    return {name for rule in rules for name in rule.streams}


def _streams(connection: Connection, patterns: Collection[str]) -> Iterable[WatchedStream]:
    query = (
        select(
            server_sessions.c.scope,
            server_sessions.c.name,
            server_sessions.c.server,
            server_sessions.c.active,
            servers.c.owes,
            servers.c.unreachable,
        )
        .join(servers, servers.c.server == server_sessions.c.server)
        .where(
            server_sessions.c.live == 1,
            server_sessions.c.epoch == servers.c.epoch,
            servers.c.removed == "",
            _is_among(patterns),
        )
        .order_by(server_sessions.c.scope, server_sessions.c.name, server_sessions.c.server)
    )
    found: dict[str, WatchedStream] = {}
    for row in connection.execute(query):
        name = f"{row.scope}/{row.name}"
        if not matches_any(patterns, name):
            continue
        stream = found.get(name) or WatchedStream(name, (), (), 0)
        if row.owes or row.unreachable:
            unseen = stream.unseen if row.server in stream.unseen else (*stream.unseen, row.server)
            found[name] = stream._replace(unseen=unseen)
        else:
            seen = stream.servers if row.server in stream.servers else (*stream.servers, row.server)
            found[name] = stream._replace(servers=seen, viewers=stream.viewers + row.active)
    return found.values()


def _is_among(patterns: Collection[str]) -> ColumnElement[bool]:
    """Return a condition that holds for each stream that matches, and perhaps for others."""
    exact = [name.rpartition("/") for name in patterns if WILDCARD not in name]
    conditions: list[ColumnElement[bool]] = []
    if exact:
        conditions.append(server_sessions.c.stream.in_([stream_key(scope, name) for scope, _, name in exact]))
    whole = server_sessions.c.scope + "/" + server_sessions.c.name
    for pattern in patterns:
        if WILDCARD in pattern:
            escaped = pattern.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_").replace(WILDCARD, "%")
            conditions.append(whole.like(escaped, escape="\\"))
    return or_(*conditions)
