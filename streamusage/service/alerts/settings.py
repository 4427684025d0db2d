"""What the alerts file sets: rules, receivers and how messages are sent. It may be exchanged while the service runs."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from streamusage.api.alerts import ReceiverFormat
from streamusage.core.secrets import LINE, SecretError, read_secret_file, read_secret_variable
from streamusage.service.alerts.rules import AlertRule


class AlertsFileError(Exception):
    """The alerts file is invalid. The message names file, line and key, never a secret."""


@dataclass(frozen=True, kw_only=True)
class SecretText:
    """A text that is given, or read from a variable or a file at each use. Its `repr` does not show it."""

    text: str | None = field(default=None, repr=False)
    variable: str | None = None
    file: Path | None = None
    prefix: str = ""

    def read(self, what: str, environment: Mapping[str, str] | None = None) -> str:
        """Return the text. Raises `SecretError`, which names `what` and the place."""
        if self.text is not None:
            return self.text
        if self.file is not None:
            return self.prefix + read_secret_file(self.file, f"file {self.file} ({what})", LINE).secret
        place = f"environment variable {self.variable} ({what})"
        return self.prefix + read_secret_variable(self.variable or "", place, LINE, environment)


@dataclass(frozen=True, kw_only=True)
class Receiver:
    """Where messages are sent."""

    name: str
    format: ReceiverFormat
    url: SecretText
    headers: Mapping[str, SecretText] = field(default_factory=dict)
    timeout_ms: int = 10_000
    sends_resolved: bool = True
    resend_ms: int = 60_000
    """For Alertmanager: how often alerts that fire are sent again."""
    ca_file: Path | None = None
    proxy: str | None = None

    @property
    def host(self) -> str:
        """Scheme, host and port of the URL, which may be displayed; empty while the URL cannot be read."""
        try:
            parts = urlsplit(self.url.read("the URL"))
        except (SecretError, ValueError):
            return ""
        return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"

    @property
    def secret_files(self) -> list[Path]:
        """The files that contain its secrets."""
        return [secret.file for secret in (self.url, *self.headers.values()) if secret.file is not None]


@dataclass(frozen=True, kw_only=True)
class Sending:
    """How messages are sent, and by which process."""

    name: str = "streamtop"
    """Name of the service in messages."""
    every_ms: int = 10_000
    """How often rules are evaluated."""
    hand_over_ms: int = 30_000
    """How long the process that sends may be silent before another one takes over."""
    first_retry_ms: int = 1_000
    longest_retry_ms: int = 300_000
    give_up_ms: int = 259_200_000
    """How old a message may become before it is given up."""
    queue: int = 1_000
    """Most messages that wait for one receiver."""


@dataclass(kw_only=True)
class AlertSettings:
    """Rules, receivers and sending. `replace_with` exchanges them all at once."""

    rules: tuple[AlertRule, ...] = ()
    receivers: tuple[Receiver, ...] = ()
    sending: Sending = field(default_factory=Sending)

    def replace_with(self, other: "AlertSettings") -> None:
        """Replace all settings by those of `other`."""
        self.rules, self.receivers, self.sending = other.rules, other.receivers, other.sending

    def receiver(self, name: str) -> Receiver | None:
        """Return the receiver of that name; `None` if there is none."""
        return next((receiver for receiver in self.receivers if receiver.name == name), None)

    @property
    def has_urls(self) -> bool:
        """Whether the alerts file itself contains a URL, which may be a secret."""
        return any(receiver.url.text is not None for receiver in self.receivers)

    @property
    def secret_files(self) -> list[Path]:
        """The files that contain secrets of receivers."""
        return [path for receiver in self.receivers for path in receiver.secret_files]
