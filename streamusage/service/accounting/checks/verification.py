"""Checks a store: the engine's own check, checksums of the ledger, and sums computed again from what they summed.

Nothing is changed. Each check reads in short transactions, so that a service may use the store meanwhile; whatever is
compared is read in one transaction.
"""

from collections.abc import Callable, Iterator
from datetime import date
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import Connection, and_, case, func, select
from sqlalchemy.exc import DBAPIError

from streamusage.api.daily import DailyFigures, DayDifference
from streamusage.core.coverage import IMPORTED, Interval
from streamusage.core.days import day_interval, zone
from streamusage.core.figures import SUM_NAMES
from streamusage.service.accounting.checks.chain_check import find_chain_faults, read_entries
from streamusage.service.accounting.checks.customer_check import check_customers
from streamusage.service.accounting.checks.hours_check import check_hours
from streamusage.service.accounting.checks.stream_check import check_streams
from streamusage.service.accounting.checks.totals_check import check_totals
from streamusage.service.accounting.day_statistics import StoredDays, compute_day_statistics, unpack_samples
from streamusage.service.accounting.ledger import IS_VOID, difference
from streamusage.service.errors import StoreError
from streamusage.service.store.change_feed import SLOTS_KEPT_FROM, last_change, read_counter
from streamusage.service.store.coverage_rows import load_covered_servers
from streamusage.service.store.engines.protocol import Progress
from streamusage.service.store.ledger_checksums import (
    CLOSING,
    ENTRY_COLUMNS,
    closing_columns_of,
    compute_checksum,
)
from streamusage.service.store.schema import (
    adjustments,
    chain,
    closed_days,
    counters,
    ledger_checksums,
    metadata,
    server_sessions,
    servers,
    tombstones,
    usage,
)
from streamusage.service.store.store import Store

_ROWS_PER_READ = 1_000
_COMPARED = (
    *SUM_NAMES,
    "connections_by_protocol",
    "peak_in_bps",
    "peak_in_at",
    "peak_out_bps",
    "peak_out_at",
)
"""Figures of a day that its slots determine. Its coverage also depends on what its server owes now."""
_CLOSING_KEY = [column.name for column in closed_days.primary_key]


class Difference(NamedTuple):
    """Something that is not as it must be."""

    table: str
    key: str
    """The row, as names and values; empty where the table as a whole is meant."""
    what: str


class CheckResult(NamedTuple):
    """One check that has ended."""

    name: str
    checked: str
    """How much was checked, in words."""
    differences: list[Difference]


class _Scope(NamedTuple):
    """What a check works with."""

    store: Store
    now_ms: int
    progress: Callable[[int, int], None]


def verify_store(store: Store, now_ms: int, progress: Progress) -> Iterator[CheckResult]:
    """Run all checks and yield their results. A part of the store that cannot be read is a difference, too."""
    checks: tuple[tuple[str, Callable[[_Scope, list[Difference]], str]], ...] = (
        ("engine", _check_engine),
        ("rows", _check_rows),
        ("numbers", _check_numbers),
        ("ledger", _check_ledger),
        ("chain", _check_chain),
        ("hours", _check_hours),
        ("days", _check_days),
        ("streams", _check_streams),
        ("customers", _check_customers),
        ("records", _check_records),
        ("totals", _check_totals),
    )
    for name, check in checks:
        differences: list[Difference] = []
        scope = _Scope(store, now_ms, lambda done, total, name=name: progress(name, done, total))  # type: ignore[misc]
        try:
            checked = check(scope, differences)
        except (DBAPIError, StoreError, msgspec.MsgspecError, ValueError, OverflowError) as error:
            checked = "ended early"
            differences.append(Difference(name, "", f"cannot be read: {_cause(error)}"))
        yield CheckResult(name, checked, differences)


def _check_engine(scope: _Scope, differences: list[Difference]) -> str:
    found = scope.store.find_damage()
    if found is None:
        return "no check of its own: see docs/operating.md"
    differences += [Difference(damage.table, "", damage.what) for damage in found]
    return "integrity of every page and index"


def _check_rows(scope: _Scope, differences: list[Difference]) -> str:
    """Read every row of every table, so that a damaged page is found wherever it is."""
    tables = metadata.sorted_tables
    count = 0
    for number, table in enumerate(tables):
        scope.progress(number, len(tables))
        try:
            with scope.store.reading() as connection:
                result = connection.execution_options(stream_results=True).execute(select(table))
                for rows in result.partitions(_ROWS_PER_READ):
                    count += len(rows)
        except (DBAPIError, StoreError, ValueError) as error:
            differences.append(Difference(table.name, "", f"cannot be read: {_cause(error)}"))
    return f"{count:,} rows of {len(tables)} tables"


def _check_numbers(scope: _Scope, differences: list[Difference]) -> str:
    """Compare the counters that number changes and closings with the numbers that were given."""
    with scope.store.reading() as connection:
        given = max(connection.execute(select(func.max(table.c.change))).scalar() or 0 for table in (usage, tombstones))
        if given > (last_change(connection) or 0):
            differences.append(Difference(counters.name, "name=change", f"is below change {given}, which was given"))
        revision = connection.execute(select(func.max(closed_days.c.revision))).scalar() or 0
        if revision > read_counter(connection, "closed"):
            differences.append(
                Difference(counters.name, "name=closed", f"is below revision {revision}, which was given")
            )
    return "changes and closings"


def _check_ledger(scope: _Scope, differences: list[Difference]) -> str:
    """Compare closed days and adjustments with their checksums, and adjustments with the figures that they lead to."""
    with scope.store.reading() as connection:
        keys = connection.execute(select(closed_days.c.tz, closed_days.c.day).distinct().order_by("tz", "day")).all()
        orphaned = _missing_closings(connection)
    differences += orphaned
    closings = unchecked = entries = 0
    for number, (tz, day) in enumerate(keys):
        scope.progress(number, len(keys))
        with scope.store.reading() as connection:
            sums = {
                (row.server, row.revision, row.entry): row.checksum
                for row in connection.execute(select(ledger_checksums).where(*_of_day(ledger_checksums, tz, day)))
            }
            following: dict[tuple[Any, ...], list[Any]] = {}
            query = select(adjustments).where(*_of_day(adjustments, tz, day)).order_by(adjustments.c.entry)
            for entry in connection.execute(query).mappings():
                following.setdefault(tuple(entry[name] for name in _CLOSING_KEY), []).append(entry)
            for row in connection.execute(select(closed_days).where(*_of_day(closed_days, tz, day))).mappings():
                own = following.get(tuple(row[name] for name in _CLOSING_KEY), [])
                differences += _ledger_differences(row, own, sums)
                closings += 1
                unchecked += (row["server"], row["revision"], CLOSING) not in sums
                entries += len(own)
    old = f", {unchecked:,} of them closed by a version without checksums" if unchecked else ""
    return f"{closings:,} closed days{old}; {entries:,} adjustments"


def _missing_closings(connection: Connection) -> list[Difference]:
    """Return the closings and adjustments that have a checksum but are gone."""
    same = and_(*(ledger_checksums.c[name] == closed_days.c[name] for name in ("tz", "day", "server", "revision")))
    gone = select(ledger_checksums).where(~select(closed_days.c.day).where(same).exists())
    return [
        Difference(closed_days.name, _key(row._mapping, "tz", "day", "server", "revision"), "is missing")
        for row in connection.execute(gone.where(ledger_checksums.c.entry == CLOSING))
    ]


def _ledger_differences(row: Any, entries: list[Any], sums: dict[tuple[Any, ...], int]) -> Iterator[Difference]:
    key = _key(row, "tz", "day", "server", "revision")
    expected = sums.get((row["server"], row["revision"], CLOSING))
    if expected is not None and compute_checksum(row, closing_columns_of(row)) != expected:
        yield Difference(closed_days.name, key, "does not match its checksum: a closed day was changed")
    try:
        figures = before = msgspec.json.decode(row["figures"], type=DailyFigures)
        unpack_samples(row["samples"], Interval(row["from_ms"], row["to_ms"]))
        for entry in entries:
            after = msgspec.json.decode(entry["current"], type=DailyFigures)
            expected = sums.get((row["server"], row["revision"], entry["entry"]))
            entry_key = f"{key} entry={entry['entry']}"
            if expected is not None and compute_checksum(entry, ENTRY_COLUMNS) != expected:
                yield Difference(adjustments.name, entry_key, "does not match its checksum: it was changed")
            if difference(after, before) != msgspec.json.decode(entry["difference"], type=DayDifference):
                yield Difference(adjustments.name, entry_key, "does not lead from the figures before it to its own")
            before = after
        current = figures if row["current"] is None else msgspec.json.decode(row["current"], type=DailyFigures)
    except Exception as error:  # whatever a damaged row makes of its decoder
        yield Difference(closed_days.name, key, f"cannot be decoded: {_cause(error)}")
        return
    if row["entries"] != len(entries) or [entry["entry"] for entry in entries] != list(range(1, len(entries) + 1)):
        yield Difference(adjustments.name, key, f"{row['entries']} adjustments were made, {len(entries)} are stored")
    elif current != before:
        yield Difference(closed_days.name, key, "its present figures are not those of its last adjustment")


def _check_chain(scope: _Scope, differences: list[Difference]) -> str:
    """Follow the chain of closings, voids and corrections from its beginning, and compare closings with it."""
    with scope.store.reading() as connection:
        last = connection.execute(select(func.max(chain.c.number))).scalar()
    count, at, before = 0, -1, None
    while last is not None and at < last:
        with scope.store.reading() as connection:
            rows = read_entries(connection, at)
        faults, before = find_chain_faults(rows, before)
        differences += [Difference(chain.name, f"number={number}", what) for number, what in faults]
        count, at = count + len(rows), rows[-1].number if rows else last
        scope.progress(count, last + 1)
    return f"{count:,} entries, each with the hash of the one before"


def _check_hours(scope: _Scope, differences: list[Difference]) -> str:
    """Sum the hours of every server again from its slots, and its UTC days from its hours."""
    checked, found = check_hours(scope.store, scope.progress)
    differences += [Difference(*row) for row in found]
    return checked


def _check_days(scope: _Scope, differences: list[Difference]) -> str:
    """Compute the closed days again whose hours or UTC days are kept, and compare them with their figures and
    adjustments.
    """
    with scope.store.reading() as connection:
        keys = connection.execute(select(closed_days.c.tz, closed_days.c.day).distinct().order_by("tz", "day")).all()
    compared = 0
    for number, (tz, day) in enumerate(keys):
        scope.progress(number, len(keys))
        with scope.store.reading() as connection:
            kept_from = read_counter(connection, SLOTS_KEPT_FROM)
            try:
                interval = day_interval(date.fromisoformat(day), zone(tz))
            except ValueError as error:
                differences.append(Difference(closed_days.name, f"tz={tz} day={day}", f"cannot be read: {error}"))
                continue
            if interval.from_ms < kept_from:
                continue
            valid = select(closed_days).where(*_of_day(closed_days, tz, day), ~IS_VOID)
            rows = connection.execute(valid).mappings().all()
            names = [str(row["server"]) for row in rows]
            items = load_covered_servers(connection, *interval, scope.now_ms, names)
            has_hours = [item for item in items if item.state.hours_kept_from <= interval.from_ms]
            figures = {
                server: day.figures for server, day in compute_day_statistics(connection, has_hours, interval).items()
            }
            folded = [item for item in items if item.state.hours_kept_from > interval.from_ms]
            figures |= StoredDays(connection, None).compute(folded, interval) if folded else {}
        for row in rows:
            if row["server"] in figures:
                compared += 1
                differences += _day_differences(row, figures[row["server"]])
    return f"{compared:,} closed days, computed again from the hours or UTC days of their servers"


def _check_streams(scope: _Scope, differences: list[Difference]) -> str:
    """Compare the figures by stream of every server with its slots, and their hours with their minutes."""
    checked, found = check_streams(scope.store, scope.progress)
    differences += [Difference(*row) for row in found]
    return checked


def _check_customers(scope: _Scope, differences: list[Difference]) -> str:
    """Sum the figures by customer of closed days again from their streams."""
    checked, found = check_customers(scope.store, scope.progress)
    differences += [Difference(*row) for row in found]
    return checked


def _check_totals(scope: _Scope, differences: list[Difference]) -> str:
    """Sum what counters of metrics show again from the rows of the servers."""
    checked, found = check_totals(scope.store, scope.progress)
    differences += [Difference(*row) for row in found]
    return checked


def _day_differences(row: Any, computed: DailyFigures) -> Iterator[Difference]:
    try:
        stored = msgspec.json.decode(row["current"] or row["figures"], type=DailyFigures)
    except (msgspec.MsgspecError, ValueError):
        return  # the ledger's check names it
    for name in _COMPARED:
        kept, summed = getattr(stored, name), getattr(computed, name)
        if kept != summed:
            yield Difference(
                closed_days.name,
                _key(row, "tz", "day", "server", "revision"),
                f"{name} is {kept}, but its slots give {summed}",
            )


def _check_records(scope: _Scope, differences: list[Difference]) -> str:
    """Compare the totals of usage records with those that the servers reported."""
    is_unseen = and_(
        servers.c.unreachable == 1,
        servers.c.removed == "",
        servers.c.epoch == server_sessions.c.epoch,
        server_sessions.c.live == 1,
    )
    parts = (
        select(
            server_sessions.c.stream,
            server_sessions.c.session_start,
            func.sum(server_sessions.c.total).label("total"),
            func.max(server_sessions.c.end_time).label("end_time"),
            func.sum(case((is_unseen, server_sessions.c.active), else_=0)).label("unseen"),
        )
        .join(servers, servers.c.server == server_sessions.c.server)
        .where(servers.c.removed != "by force")
        .group_by(server_sessions.c.stream, server_sessions.c.session_start)
        .subquery()
    )
    columns = (parts.c.total.label("parts_total"), parts.c.end_time.label("parts_end"), parts.c.unseen)
    query = select(usage, *columns).join(
        parts, and_(parts.c.stream == usage.c.stream, parts.c.session_start == usage.c.start_time)
    )
    query = query.where(usage.c.provenance != IMPORTED)
    compared = 0
    with scope.store.reading() as connection:
        for row in connection.execution_options(stream_results=True).execute(query):
            compared += 1
            key = f"scope={row.scope} name={row.name} start_time={row.start_time}"
            lost = max(0, row.total_subscribers - row.active_subscribers)
            if row.unseen and row.lost_subscribers == max(0, lost - int(row.unseen)):
                lost = row.lost_subscribers  # earlier versions counted the subscribers of a silent server as lost
            for name, kept, expected in (
                ("total_subscribers", row.total_subscribers, int(row.parts_total)),
                ("end_time", row.end_time, row.parts_end),
                ("duration", row.duration, max(0, row.end_time - row.start_time)),
                ("lost_subscribers", row.lost_subscribers, lost),
            ):
                if kept != expected:
                    differences.append(
                        Difference(usage.name, key, f"{name} is {kept}, but its servers' reports give {expected}")
                    )
    return f"{compared:,} usage records, summed again from the reports of their servers"


def _of_day(table: Any, tz: str, day: str) -> tuple[Any, Any]:
    return table.c.tz == tz, table.c.day == day


def _key(row: Any, *names: str) -> str:
    return " ".join(f"{name}={row[name]}" for name in names)


def _cause(error: BaseException) -> str:
    cause = error.orig if isinstance(error, DBAPIError) else error.__cause__ if isinstance(error, StoreError) else error
    cause = cause.orig if isinstance(cause, DBAPIError) else cause
    return " ".join(str(cause if cause is not None else error).split())
