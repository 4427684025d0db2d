"""What a key selected stays what it was at the press, whatever is polled while its rows are searched."""

from collections.abc import Callable
from itertools import islice

import msgspec
import pytest

from streamusage.core.usage import SessionKey, StreamId
from tests.support.console.records import session
from tests.support.console.steps import run_to_end
from tui.deletion.plan import Radius, plan_steps
from tui.deletion.selection import STEP_ROWS, Selection, select_all, select_marked, select_stream
from tui.model.sessions.filter import parse
from tui.model.sessions.session import Session
from tui.model.sessions.store import SessionStore
from tui.model.sessions.view import SessionView

SESSIONS = 3 * STEP_ROWS
SERVICES = ["", "eu", "us"]


def listed(name: str, first: int) -> list[Session]:
    return [session(name, start, live=start % 7 == 0) for start in range(first, first + SESSIONS)]


def table_of(sessions: list[Session], chosen: str = "") -> tuple[SessionStore, SessionView]:
    store = SessionStore()
    view = SessionView(store)
    view.update(store.apply(sessions))
    view.show(parse(chosen))
    return store, view


@pytest.mark.parametrize("is_searched_before", [True, False], ids=["known rows", "searched rows"])
@pytest.mark.parametrize("radius", [Radius.STREAM, Radius.MARKED, Radius.EVERYTHING], ids=lambda radius: radius.value)
def test_polls_between_two_steps_change_no_selection(radius: Radius, is_searched_before: bool) -> None:
    store, view = table_of([*listed("cam", 1), *listed("stage", 1)], "state=live")
    marks = [known.key for known in store if known.start_time % 2]
    select: dict[Radius, Callable[[], Selection]] = {
        Radius.STREAM: lambda: select_stream(store, view, StreamId("live", "cam")),
        Radius.MARKED: lambda: select_marked(store, view, {*marks}),
        Radius.EVERYTHING: lambda: select_all(store, view),
    }
    wanted = {
        Radius.STREAM: {known.key for known in store if known.name == "cam"},
        Radius.MARKED: set(marks),
        Radius.EVERYTHING: {known.key for known in store},
    }[radius]
    hidden = sum(key.start_time % 7 > 0 for key in wanted)
    if is_searched_before:
        store.stream_rows(StreamId("live", "cam"))
    polls = 0

    def poll() -> None:
        nonlocal polls
        polls += 1
        gone = [known.key for known in islice(store, 100)]
        view.update(store.apply([session("cam", 10**6 + polls * 100 + number) for number in range(100)], gone))
        view.show(parse("name=stage" if polls % 2 else ""))

    plan = run_to_end(plan_steps(select[radius](), radius, "sm"), poll)
    assert polls > 1
    assert len(plan.keys) == len(wanted)
    assert set(plan.keys) == wanted
    assert plan.hidden == hidden
    assert plan.started == (min(key.start_time for key in wanted), max(key.start_time for key in wanted))
    assert plan.watching == sum(known.active or 0 for known in plan.sessions if known.live)


@pytest.mark.parametrize("count", [3, 2 * STEP_ROWS], ids=["few marks", "many marks"])
def test_marks_of_sessions_that_are_gone_select_nothing(count: int) -> None:
    store, view = table_of(listed("cam", 1))
    gone = SessionKey("live", "gone", 1)
    marks = [gone, *(known.key for known in list(store)[:count])]
    plan = run_to_end(plan_steps(select_marked(store, view, {*marks}), Radius.MARKED, "sm"))
    assert set(plan.keys) == {*marks} - {gone}


@pytest.mark.parametrize("is_searched_before", [True, False], ids=["known rows", "searched rows"])
@pytest.mark.parametrize("service", SERVICES)
def test_selection_at_one_of_several_services_has_its_own_keys(service: str, is_searched_before: bool) -> None:
    known = [msgspec.structs.replace(one, service=name) for name in SERVICES for one in listed("cam", 1)[:9]]
    store, view = table_of(known)
    stream = StreamId("live", "cam")
    if is_searched_before:
        store.stream_rows(stream, service)
    marks = [one.key for one in known if one.service == service]
    own = {SessionKey("live", "cam", one.start_time) for one in known if one.service == service}
    for chosen in (select_stream(store, view, stream, service), select_marked(store, view, {*marks})):
        assert chosen.services == [service]
        plan = run_to_end(plan_steps(chosen.of_service(service), Radius.STREAM, "sm"))
        assert set(plan.keys) == own
    everything = select_all(store, view)
    assert everything.services == sorted(SERVICES)
    plan = run_to_end(plan_steps(everything.of_service(service), Radius.EVERYTHING, "sm"))
    assert [(type(key), *key) for key in plan.keys] == [(SessionKey, *key) for key in sorted(own)]
