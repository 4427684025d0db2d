"""What the console states about its recording when it switches to another profile and back."""

from pathlib import Path

import pytest

from tests.support.agent.manual_clock import HandClock
from tui.app.messages import PollFailed
from tui.config.settings import ConnectionSettings
from tui.recording.paused import SwitchedRecording
from tui.recording.recording import Recording

PROFILES = {"lab": "http://lab", "prod": "http://prod"}


def settings(name: str, url: str = "") -> ConnectionSettings:
    return ConnectionSettings(url=url or PROFILES[name], profile=name, profiles=PROFILES)


def several() -> ConnectionSettings:
    return ConnectionSettings(
        url="", profile="lab,prod", profiles=PROFILES, services=tuple(map(settings, ("lab", "prod")))
    )


@pytest.mark.parametrize("began_with", [settings("lab"), several()], ids=["one service", "several services"])
def test_recording_pauses_and_continues_with_its_services(began_with: ConnectionSettings, tmp_path: Path) -> None:
    path, name = tmp_path / "it.tape", began_with.profile
    recording = Recording(path, HandClock(1))
    switched = SwitchedRecording(recording, began_with)
    assert switched.of(began_with) is recording
    recording.write_message(PollFailed("nothing answers", False, 1_000))
    lines = switched.switch(settings("prod"))
    assert lines[:2] == [f"The recording of {name} is paused: 1 poll is kept in", str(path)]
    assert lines[3:5] == [
        f"The recording continues when you switch back to {name}.",
        "prod is not recorded. To record it, too:",
    ]
    assert switched.of(settings("prod")) is None
    assert switched.switch(settings("prod")) == []
    assert switched.switch(began_with) == [f"The recording of {name} continues in {path}, after 1 poll."]
    assert switched.of(began_with) is recording
    assert switched.switch(began_with) == []
    recording.close()


def test_recording_of_an_address_that_no_profile_has_ends(tmp_path: Path) -> None:
    recording = Recording(tmp_path / "it.tape", HandClock(1))
    switched = SwitchedRecording(recording, settings("lab", "http://another"))
    lines = switched.switch(settings("lab"))
    assert lines[0] == "The recording of lab has ended: 0 polls are kept in"
    assert "No profile leads back to the service that was recorded." in lines
    recording.close()


def test_recording_that_failed_is_not_mentioned_again(tmp_path: Path) -> None:
    recording = Recording(tmp_path / "it.tape", HandClock(1))
    recording.has_failed = True
    assert SwitchedRecording(recording, settings("lab")).switch(settings("prod")) == []
    recording.close()
