"""The state of several services: what is found in the trends of one is not looked for in another."""

from streamusage.api.extension import ServerStatus, Trend, Trends
from streamusage.core.coverage import Provenance
from tests.support.agent.manual_clock import HandClock
from tests.support.console.records import session
from tests.support.console.several_services import settings_of
from tui.app.feeds import alert_notice
from tui.app.messages import SessionsPolled
from tui.app.services.state import SeveralState
from tui.model.alerts import Alert

NOW_MS = 1_795_262_400_000
MINUTE = 60_000


def trends(*names: str) -> Trends:
    states: list[Provenance | None] = [Provenance.LIVE, Provenance.LIVE]
    streams = [Trend(scope="live", name=name, active=[3, 4], state=states) for name in names]
    return Trends(now=NOW_MS, from_ms=NOW_MS - MINUTE, step_ms=MINUTE, streams=streams)


def test_stream_on_air_without_a_record_is_found_at_its_own_service() -> None:
    state = SeveralState(
        clock=HandClock(NOW_MS), host="2 services", settings=settings_of({"eu": "http://eu", "us": "http://us"})
    )
    for service, names in (("eu", ["a"]), ("us", [])):
        sessions = [session(name, NOW_MS - MINUTE) for name in names]
        state.apply_poll(SessionsPolled(sessions, [], True, NOW_MS, [], "", service=service))
        state.parts[service].apply_trends(trends("a"))
    assert len(state.unrecorded) == 0
    for service in ("eu", "us"):
        state.apply_poll(SessionsPolled([], [], False, NOW_MS, [], "", service=service))
    assert [len(part.unrecorded) for part in state.parts.values()] == [0, 1]
    assert len(state.unrecorded) == 1


def test_notice_of_a_server_that_owes_time_at_one_of_several_services_ages() -> None:
    state = SeveralState(
        clock=HandClock(NOW_MS), host="2 services", settings=settings_of({"eu": "http://eu", "us": "http://us"})
    )

    def poll(owed_minutes: int) -> None:
        edge = ServerStatus(server="edge-2", role="edge", state="unreachable", owed_ms=owed_minutes * MINUTE)
        state.apply_poll(SessionsPolled([], [], False, NOW_MS, [edge], "", service="eu"))

    poll(1)
    notice = alert_notice(Alert("raised", "eu:edge-2", MINUTE), state.owed_ms)
    assert notice.text == "eu:edge-2 owes 1m; g: gaps"
    poll(3)
    assert (notice.at_present() or notice).text == "eu:edge-2 owes 3m; g: gaps"
    poll(0)
    assert notice.at_present() is None
