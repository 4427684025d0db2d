"""A recording while the console shows another profile: it pauses, and continues when its services are shown again."""

from shlex import quote

from tui.config.settings import ConnectionSettings
from tui.model.text import sanitize
from tui.recording.recording import Recording


class SwitchedRecording:
    """The recording of `--record` in a console whose profile can be switched. `settings` are those it began with."""

    def __init__(self, recording: Recording, settings: ConnectionSettings) -> None:
        self._recording, self._settings = recording, settings
        self._is_paused = False

    def of(self, settings: ConnectionSettings) -> Recording | None:
        """Return the recording if the console of these settings shows its services, else `None`."""
        return self._recording if _addresses(settings) == _addresses(self._settings) else None

    def switch(self, settings: ConnectionSettings) -> list[str]:
        """Continue with other settings. Returns what becomes of the recording, in lines; empty where nothing does."""
        was_paused, self._is_paused = self._is_paused, self.of(settings) is None
        polls, path = self._recording.polls, self._recording.path
        kept = "1 poll" if polls == 1 else f"{polls:,} polls"
        if self._recording.has_failed or was_paused == self._is_paused:
            return []
        if not self._is_paused:
            self._recording.resume()
            return [f"The recording of {self._name} continues in {sanitize(str(path))}, after {kept}."]
        profile = quote(settings.profile or "")
        back = self._way_back()
        state, verb = "is paused" if back else "has ended", "is" if polls == 1 else "are"
        return [
            f"The recording of {self._name} {state}: {kept} {verb} kept in",
            sanitize(str(path.absolute())),
            "",
            back or "No profile leads back to the service that was recorded.",
            f"{sanitize(settings.profile or settings.host)} is not recorded. To record it, too:",
            f"streamtop --profile {sanitize(profile)} --record FILE",
        ]

    @property
    def _name(self) -> str:
        return sanitize(self._settings.profile or self._settings.host)

    def _way_back(self) -> str:
        """Return how the recording continues; empty where no profile has its services."""
        settings = self._settings
        addresses = {name: settings.profiles.get(name) for name in _addresses(settings)}
        if addresses != _addresses(settings):
            return ""
        return f"The recording continues when you switch back to {self._name}."


def _addresses(settings: ConnectionSettings) -> dict[str, str | None]:
    """Return the addresses of the services that a console shows, by profile."""
    return {service.profile or "": service.url for service in settings.services or (settings,)}
