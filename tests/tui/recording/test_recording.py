"""What is read out of a recording beside its polls, and without its secrets."""

from pathlib import Path

from tests.support.agent.manual_clock import HandClock
from tests.support.console.records import session
from tui.app.messages import PollFailed, SessionsPolled
from tui.model.redaction import redacted
from tui.recording.bundle_tape import clean_poll
from tui.recording.recording import RecordedPoll, Recording, poll_interval_s, read_recording, services_of


def polls(*seconds: float, **more: str) -> list[RecordedPoll]:
    return [RecordedPoll(at=round(1000 * at), **more) for at in seconds]  # type: ignore[arg-type]


def test_poll_interval_is_the_usual_time_between_polls_that_succeeded() -> None:
    assert poll_interval_s(polls(0, 10, 20, 30, 90)) == 10
    assert poll_interval_s([*polls(0, 5), *polls(6, 7, 8, why_failed="no answer"), *polls(10)]) == 5
    assert poll_interval_s(polls(7)) == poll_interval_s([]) == 2


def test_cleaned_poll_has_no_secret_and_is_otherwise_the_same() -> None:
    poll = RecordedPoll(at=1, changed=[session("cam?token=abc", 1_000)], why_failed='GET http://u:p@h/ "x"')
    cleaned = clean_poll(poll, redacted)
    assert [found.name for found in cleaned.changed] == ["cam?token=•••"]
    assert cleaned.why_failed == 'GET http://•••@h/ "x"'
    assert clean_poll(cleaned, redacted) == cleaned
    other = RecordedPoll(at=1, changed=[session("cam", 1_000)])
    assert clean_poll(other, redacted) == other


def test_recording_of_several_services_has_one_course_of_time_and_names_each(tmp_path: Path) -> None:
    clock = HandClock(50_000)
    recording = Recording(tmp_path / "two.tape", clock)
    writers = recording.of_services(["eu", "us"])
    writers["us"].write_message(SessionsPolled([session("a", 1_000)], [], True, 9_000_000, [], ""))
    clock.now = 51_000
    writers["eu"].write_message(PollFailed("nothing answers", False, 1_000))
    recording.close()
    polls = read_recording(tmp_path / "two.tape")
    assert [(poll.at, poll.now, poll.service) for poll in polls] == [(50_000, 9_000_000, "us"), (51_000, 51_000, "eu")]
    assert [poll.services for poll in polls] == [["eu", "us"], []]
    assert services_of(polls) == ["eu", "us"]
    assert services_of(polls[1:]) == ["eu"]
