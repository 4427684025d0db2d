"""Notices as messages: groups, order and keys."""

from streamusage.service.alerts.messages import ALERTS_PER_MESSAGE, compose_messages, compose_refresh, compose_test
from streamusage.service.alerts.states import AlertNotice, AlertState

NOW = 1_795_000_020_000


def a_state(number: int = 1, phase: str = "firing") -> AlertState:
    return AlertState(
        id=f"alert-{number}",
        episode=1,
        rule="server missing",
        kind="server-missing",
        severity="critical",
        phase=phase,  # type: ignore[arg-type]
        labels={"server": f"edge-{number}"},
        summary=f"edge-{number} is missing",
        since=NOW - 60_000,
        fired_at=NOW,
        notified=("ops",),
    )


def test_alerts_of_one_receiver_and_event_are_one_message() -> None:
    notices = [AlertNotice("firing", a_state(number), ("ops", "am")) for number in (1, 2)]
    notices.append(AlertNotice("resolved", a_state(3), ("ops",)))
    messages = compose_messages(notices, "prod", NOW)
    assert [(message.receiver, message.event, len(message.alerts)) for message in messages] == [
        ("am", "firing", 2),
        ("ops", "firing", 2),
        ("ops", "resolved", 1),
    ]


def test_outage_of_an_estate_is_a_few_messages() -> None:
    notices = [AlertNotice("firing", a_state(number), ("ops",)) for number in range(500)]
    messages = compose_messages(notices, "prod", NOW)
    assert len(messages) == 500 // ALERTS_PER_MESSAGE
    assert len({alert.id for message in messages for alert in message.alerts}) == 500


def test_same_notices_have_the_same_keys_later_and_in_any_order() -> None:
    notices = [AlertNotice("firing", a_state(number), ("ops",)) for number in (1, 2)]
    (first,) = compose_messages(notices, "prod", NOW)
    (second,) = compose_messages(notices[::-1], "prod", NOW + 60_000)
    assert first.id == second.id
    (other,) = compose_messages(notices[:1], "prod", NOW)
    assert other.id != first.id


def test_message_has_no_state_that_only_the_store_needs() -> None:
    (message,) = compose_messages([AlertNotice("firing", a_state(), ("ops",))], "prod", NOW)
    assert type(message.alerts[0]).__name__ == "AlertStatus"


def test_refreshes_differ_by_time() -> None:
    (first,) = compose_refresh([a_state()], "am", "prod", NOW)
    (second,) = compose_refresh([a_state()], "am", "prod", NOW + 60_000)
    assert first.id != second.id


def test_test_message_names_its_receiver() -> None:
    message = compose_test("ops", "prod", "key", NOW)
    assert (message.event, message.receiver) == ("test", "ops")
    assert "ops" in message.alerts[0].summary
