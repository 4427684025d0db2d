"""Which alerts a silence of the console matches, and what its dialogs refuse."""

from datetime import UTC

import pytest
from msgspec.structs import replace

from streamusage.api.alerts import AlertStatus, Silence
from tui.silencing.plan import EndPlan, SilencePlan, WrongLengthError, check_reason, matchers_of, parse_length

MINUTE_MS = 60_000


def an_alert(**labels: str) -> AlertStatus:
    return AlertStatus(
        id="1",
        episode=0,
        rule="server missing",
        kind="server-missing",
        severity="critical",
        phase="firing",
        labels=labels,
        summary="edge-3 is missing\x1b[2J",
        since=0,
    )


def test_matchers_are_the_rule_and_the_labels() -> None:
    assert matchers_of(an_alert(team="video", server="edge-3")) == {
        "rule": "server missing",
        "team": "video",
        "server": "edge-3",
    }


def test_matchers_are_as_many_as_the_service_accepts_and_keep_the_subject() -> None:
    matchers = matchers_of(an_alert(**{f"own{number}": "x" for number in range(30)}, server="edge-3"))
    assert (len(matchers), matchers["rule"], matchers["server"]) == (16, "server missing", "edge-3")


@pytest.mark.parametrize(("typed", "length_ms"), [("30m", 30 * MINUTE_MS), (" 1h30m ", 90 * MINUTE_MS), ("1s", 1_000)])
def test_lengths(typed: str, length_ms: int) -> None:
    assert parse_length(typed) == length_ms


@pytest.mark.parametrize("typed", ["", " ", "2", "0s", "500ms", "367d", "soon", "\x1b[2J"])
def test_wrong_length_is_refused_with_a_printable_reason(typed: str) -> None:
    with pytest.raises(WrongLengthError) as refused:
        parse_length(typed)
    assert str(refused.value).isprintable()


@pytest.mark.parametrize(("typed", "refusal"), [("disks", ""), ("  ", "Why?"), ("x" * 1_001, "too long")])
def test_reason_is_required_and_limited(typed: str, refusal: str) -> None:
    assert refusal in check_reason(typed)
    assert bool(check_reason(typed)) is bool(refusal)


def test_texts_are_printable_and_name_what_is_sent() -> None:
    silence = Silence(
        id="5f0c", matchers={"rule": "x\x1b"}, created_at=0, ends_at=90 * MINUTE_MS, by="boss\x1b", reason="\x1b[2J"
    )
    end = EndPlan("eu\x1b", silence, [an_alert(), an_alert(), an_alert()])
    plan = SilencePlan("eu\x1b", an_alert(server="\x1b"), matchers_of(an_alert(server="\x1b")))
    texts = [end.title, end.subject, *end.lines(0, None), plan.title, plan.subject, *plan.lines(0, None)]
    assert [text for text in texts if not text.isprintable()] == []
    assert any("edge-3 is missing" in line and "and 2 more" in line for line in end.lines(0, None))
    assert any("Still fires, sent to its receivers then: edge-3" in line for line in end.lines(0, None))
    assert any("in 1h30" in line for line in end.lines(0, None))


def test_dialogs_tell_what_was_sent_before_from_what_is_sent_then() -> None:
    sent = replace(an_alert(server="edge-3"), notified_at=50 * MINUTE_MS)
    lines = SilencePlan("eu", sent, matchers_of(sent)).lines(90 * MINUTE_MS, UTC)
    assert lines[-1] == "It was sent at 00:50: repeats are kept back, the message of its end is not."
    ended = replace(sent, phase="resolved")
    assert SilencePlan("eu", ended, matchers_of(ended)).lines(0, UTC)[-1].startswith("It has ended. If it fires again")
    silence = Silence(id="5f0c", matchers={"rule": "x"}, created_at=0, ends_at=1, by="boss", reason="disks")
    end = EndPlan("eu", silence, [sent])
    assert (end.unsent, end.sent) == ([], [sent])
    assert [line for line in end.lines(0, UTC) if "Still fires" in line] == [
        "Still fires, was sent before: edge-3 is missing␛[2J."
    ]
