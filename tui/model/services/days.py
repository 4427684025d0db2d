"""Daily statistics of several services together: the sums of what each of them has summed. Pure.

Traffic, connections and view time add up exactly. A peak over services is at least the highest one of theirs, and a
percentile over them is not known: each service has only its own minutes. A service without an answer makes every
figure a lower bound.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date
from typing import Generic, TypeVar

import msgspec

from streamusage.api.daily import BackfilledPart, CoveredTime, DayState, VoidClosings
from streamusage.api.extension import ServerStatus
from tui.model.daily.groups import GroupRequest, GroupRows, ServiceSum
from tui.model.daily.months import DailyTotals, DayRows, Month, first_of, row_of_service
from tui.model.services.servers import ServerOfService, qualified_name

Answer = TypeVar("Answer")

_MOST_REQUESTS = 6
_WORST_FIRST: tuple[DayState, ...] = ("provisional", "adjusted", "final")


class _Answers(Generic[Answer]):
    """The newest answers of the services to one kind of request."""

    def __init__(self, services: Sequence[str]) -> None:
        self._services = services
        self._known: dict[str, Answer] = {}
        self._failed: dict[str, str] = {}

    def add(self, service: str, answer: Answer | str) -> None:
        """Add an answer, or why there is none: then the answer before remains."""
        if isinstance(answer, str):
            self._failed[service] = answer
        else:
            self._failed.pop(service, None)
            self._known[service] = answer

    def known(self, is_wanted: Callable[[Answer], bool]) -> dict[str, Answer]:
        """Return the answers that are wanted, in the order of the services."""
        return {
            name: self._known[name] for name in self._services if name in self._known and is_wanted(self._known[name])
        }

    def failures(self) -> dict[str, str]:
        """Return why the newest requests of services failed."""
        return {name: self._failed[name] for name in self._services if name in self._failed}

    def why_none(self) -> str | None:
        """Return why no service has an answer; `None` while one is outstanding."""
        if len(self._failed) < len(self._services):
            return None
        return "; ".join(f"{name}: {reason}" for name, reason in self.failures().items())


class DaysOfServices:
    """Puts together the months of the services, and the rows of a day."""

    def __init__(self, services: Iterable[str]) -> None:
        self._services = tuple(services)
        self._months = _Answers[Month](self._services)
        self._rows = _Answers[DayRows](self._services)
        self._groups: dict[GroupRequest, _Answers[GroupRows]] = {}

    def add_month(self, service: str, first: date, answer: Month | str) -> Month | str | None:
        """Add a service's month that begins on `first`, or why it has none; return that of all services.

        A text where none of them has one, and `None` before that is known.
        """
        self._months.add(service, answer)
        months = self._months.known(lambda month: month.first == first)
        return self._join(first, months) if months else self._months.why_none()

    def add_rows(self, service: str, day: date, answer: DayRows | str) -> DayRows | str | None:
        """Add a service's rows of a day, or why it has none; return those of all services, as `add_month` does."""
        self._rows.add(service, answer)
        known = self._rows.known(lambda rows: rows.day == day)
        if not known:
            return self._rows.why_none()
        listed = [row for name, rows in known.items() for row in self._rows_of(name, rows)]
        return DayRows(day, listed, self._rows.failures(), self._without(known))

    def add_groups(self, service: str, request: GroupRequest, answer: GroupRows | str) -> GroupRows | str | None:
        """Add a service's rows of a group, or why it has none; return those of all services, as `add_month` does.

        Only the answers to the newest requests are kept.
        """
        answers = self._groups.pop(request, None) or _Answers[GroupRows](self._services)
        self._groups[request] = answers
        while len(self._groups) > _MOST_REQUESTS:
            del self._groups[next(iter(self._groups))]
        answers.add(service, answer)
        known = answers.known(lambda rows: True)
        if not known:
            return answers.why_none()
        without = self._without(known)
        totals = {name: rows.total for name, rows in known.items() if rows.total is not None}
        sums = [ServiceSum(name, item.row) for name, rows in known.items() for item in rows.sums]
        total = sum_of_services(totals, without) if totals else None
        return GroupRows(request, sums, total, failures=answers.failures(), without=without)

    def _without(self, known: Mapping[str, object]) -> tuple[str, ...]:
        return tuple(name for name in self._services if name not in known)

    def _join(self, first: date, months: Mapping[str, Month]) -> Month:
        without = self._without(months)
        of_day: dict[date, dict[str, DailyTotals]] = {}
        for name, month in months.items():
            for day, row in month.days:
                of_day.setdefault(day, {})[name] = row
        days = [(day, sum_of_services(rows, without)) for day, rows in sorted(of_day.items())]
        totals = {name: month.total for name, month in months.items() if month.total is not None}
        total = sum_of_services(totals, without) if totals else None
        zones = [month.account_zones for month in months.values()]
        closing = [zone for zone in zones[0] if all(zone in others for others in zones)]
        return Month(first, days, total, closing, self._months.failures(), without)

    def _rows_of(self, service: str, known: DayRows) -> Iterable[DailyTotals]:
        """Yield the sum of a service, where its month is known, and its rows under qualified names."""
        month = self._months.known(lambda month: month.first == first_of(known.day)).get(service)
        for row in () if month is None else (row for day, row in month.days if day == known.day):
            yield msgspec.structs.replace(row_of_service(row, service), name=name_of_all(service))
        for row in known.rows:
            yield row_of_service(row, service)


def name_of_all(service: str) -> str:
    """Return the name of the sum over a service's servers."""
    return f"all {service}"


def names_of_rows(server: ServerStatus) -> tuple[str, ...]:
    """Return the names of a day's rows whose figures contain those of a server."""
    of_role = f"all {server.role}"
    if not isinstance(server, ServerOfService):
        return server.server, of_role
    return server.server, qualified_name(server.service, of_role), name_of_all(server.service)


def sum_of_services(rows: Mapping[str, DailyTotals], without: Sequence[str] = ()) -> DailyTotals:
    """Return the sum of rows of the same time, one of each service; `without` names the services that are missing."""
    labelled = [row_of_service(row, service) for service, row in rows.items()]
    name = next(iter(rows.values())).name
    if len(labelled) == 1:
        return msgspec.structs.replace(labelled[0], name=name, service="", without=tuple(without))
    connections = sum(row.connections for row in labelled)
    view_time_ms = sum(row.view_time_ms for row in labelled)
    return DailyTotals(
        name=name,
        state=next(state for state in _WORST_FIRST if any(row.state == state for row in labelled)),
        servers=sum(row.servers for row in labelled),
        came_later=_added([row.came_later for row in labelled]),
        waiting_for=[server for row in labelled for server in row.waiting_for],
        voids=_all_voids([row.voids for row in labelled if row.voids is not None]),
        connections=connections,
        connections_by_protocol=_by_protocol(labelled),
        bytes_in=sum(row.bytes_in for row in labelled),
        bytes_out=sum(row.bytes_out for row in labelled),
        peak_in_bps=_highest(row.peak_in_bps for row in labelled),
        peak_in_at=None,
        peak_out_bps=_highest(row.peak_out_bps for row in labelled),
        peak_out_at=None,
        view_time_ms=view_time_ms,
        average_view_time_ms=view_time_ms / connections if connections else None,
        backfilled=_added([row.backfilled for row in labelled]) or BackfilledPart(),
        coverage=CoveredTime(
            **{field: sum(getattr(row.coverage, field) for row in labelled) for field in CoveredTime.__struct_fields__}
        ),
        services=len(labelled),
        without=tuple(without),
    )


def _highest(peaks: Iterable[int | None]) -> int | None:
    return max((peak for peak in peaks if peak is not None), default=None)


def _by_protocol(rows: Iterable[DailyTotals]) -> dict[str, int]:
    sums: dict[str, int] = {}
    for row in rows:
        for protocol, number in row.connections_by_protocol.items():
            sums[protocol] = sums.get(protocol, 0) + number
    return sums


def _added(parts: Iterable[object]) -> BackfilledPart | None:
    """Return the sum of the parts that are there; `None` without any."""
    known = [part for part in parts if part is not None]
    if not known:
        return None
    fields = BackfilledPart.__struct_fields__
    return BackfilledPart(**{field: sum(getattr(part, field) for part in known) for field in fields})


def _all_voids(voids: Sequence[VoidClosings]) -> VoidClosings | None:
    if not voids:
        return None
    newest = max(voids, key=lambda one: one.at)
    return msgspec.structs.replace(newest, closings=sum(one.closings for one in voids))
