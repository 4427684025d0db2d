"""The registration of a kind of media server: its name, its documentation, its configuration and its factory.

Each module of a kind exports one `SourceKind` under the name `SOURCE`. `streamusage.agent.sources` lists the modules.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Generic, NamedTuple, TypeVar

from streamusage.agent.config.sources import OptionalPasswordSection, PasswordSection, SourceSection, TokenSection
from streamusage.agent.reading import Source, SourceError
from streamusage.core.clock import Clock
from streamusage.core.figures import StreamTraffic
from streamusage.core.secrets import Secret, make_secret

ConfigType = TypeVar("ConfigType", bound=SourceSection)


class SourceContext(NamedTuple):
    """What the agent supplies to every source."""

    clock: Clock
    spool_path: Path
    """The file in which a source may store callbacks that the media server sends."""


class SourceKind(NamedTuple, Generic[ConfigType]):
    """A kind of media server. The texts are its row in docs/sources/README.md."""

    kind: str
    """Value of `kind` in the configuration."""
    server: str
    """Name of the media server."""
    viewers: str
    """How exactly viewers are counted."""
    traffic: str
    """How exactly traffic is counted."""
    config: type[ConfigType]
    """Model of the `[source]` table."""
    create: Callable[[ConfigType, SourceContext], Source]
    """Returns the source of a checked configuration."""
    stream_traffic: StreamTraffic = "apportioned"
    """How the bytes of streams are known. Each reading repeats it."""


def optional_password(section: OptionalPasswordSection) -> Secret | None:
    """Return the configured password; None if none is configured."""
    return _secret(section.password_env, section.password_file)


def password(section: PasswordSection) -> Secret:
    """Return the configured password."""
    return _require_secret(_secret(section.password_env, section.password_file))


def api_token(section: TokenSection) -> Secret:
    """Return the configured access token."""
    return _require_secret(_secret(section.api_token_env, section.api_token_file))


def _secret(variable: str | None, file: Path | None) -> Secret | None:
    return make_secret(variable, file, "the media server's secret", SourceError)


def _require_secret(secret: Secret | None) -> Secret:
    if secret is None:
        raise SourceError("the configuration sets no secret for the media server")
    return secret
