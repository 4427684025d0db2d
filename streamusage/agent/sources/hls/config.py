"""The configuration of HLS viewers."""

from collections.abc import Sequence
from functools import partial
from ipaddress import ip_network
from typing import Annotated, Any, ClassVar

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from streamusage.access_logs.media_paths.layouts import LAYOUTS, classify
from streamusage.access_logs.media_paths.media_path import MediaFile
from streamusage.access_logs.media_paths.path_pattern import PathPattern
from streamusage.access_logs.web.format import find_format
from streamusage.agent.config.sources import SourceSection, UserPath, duration_between
from streamusage.agent.sources.common.ignored import NOTHING_IGNORED, IgnoreRules, IgnoreSetting
from streamusage.agent.sources.common.networks import Network
from streamusage.agent.sources.hls.log_lines import AUTOMATIC
from streamusage.agent.sources.hls.requests import RequestRules
from streamusage.api.report import Role


def _as_list(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


def _check_layout(name: str) -> str:
    if name not in LAYOUTS:
        raise ValueError(f"unknown layout; allowed: {', '.join(LAYOUTS)}")
    return name


def _check_pattern(text: str) -> str:
    try:
        PathPattern(text)
    except ValueError as error:
        raise ValueError(f"not usable: {error}") from None
    return text


def _check_network(text: str) -> str:
    try:
        ip_network(text, strict=False)
    except ValueError:
        raise ValueError(f"{text!r} is no address or network; expected for example 10.0.0.4 or 10.0.0.0/8") from None
    return text


def _check_log_format(text: str) -> str:
    if text != AUTOMATIC:
        find_format(text)
    return text


Networks = Annotated[tuple[Annotated[str, AfterValidator(_check_network)], ...], BeforeValidator(_as_list)]


class HlsConfig(SourceSection):
    """HLS and DASH viewers, from the access log of the HTTP server that serves the segments."""

    default_role: ClassVar[Role] = "edge"
    """Streams join the sessions that another agent reports of their origin; without one they are sessions of their
    own."""

    access_log: UserPath
    log_format: Annotated[str, AfterValidator(_check_log_format)] = AUTOMATIC
    """The form of the log's lines."""
    idle_after_ms: Annotated[int, duration_between("2s", "10m"), Field(alias="idle_after")] = 30_000
    """A viewer without a request for longer than this has left."""
    layout: Annotated[str, AfterValidator(_check_layout)] = "auto"
    """The server's rules for the names of files."""
    pattern: Annotated[str, AfterValidator(_check_pattern)] | None = None
    """The operator's own rule: a regular expression for paths with the group `name`."""
    scope: Annotated[str, Field(min_length=1, max_length=1000)] | None = None
    """The scope of all streams in place of their folders, so that they are those of the origin."""
    trusted_proxy: Networks = ()
    """Addresses and networks of own proxies: of several addresses of a request, the last other one is the viewer's."""
    ignore: Annotated[IgnoreRules, IgnoreSetting] = NOTHING_IGNORED
    """Addresses, networks and user agents of monitors and own tools, which are no viewers."""

    @model_validator(mode="after")
    def _require_one_rule(self) -> "HlsConfig":
        if self.pattern is not None and self.layout != "auto":
            raise ValueError("set layout or pattern, not both")
        return self

    def request_rules(self) -> RequestRules:
        """Return the rules that this configuration describes."""
        return make_rules(self.layout, self.pattern, self.trusted_proxy, self.ignore, self.scope)


def make_rules(
    layout: str, pattern: str | None, trusted_proxy: Sequence[str], ignore: IgnoreRules, scope: str | None = None
) -> RequestRules:
    """Return the rules for requests. Raises `ValueError` for a layout, pattern or network that cannot be used."""
    trusted: tuple[Network, ...] = tuple(ip_network(text, strict=False) for text in trusted_proxy)
    find_file = partial(classify, layout=layout) if pattern is None else PathPattern(pattern).classify
    removes_tokens = pattern is None
    if scope is None:
        return RequestRules(find_file, trusted, ignore, removes_tokens=removes_tokens)

    def find_file_in_scope(path: str) -> MediaFile | None:
        file = find_file(path)
        return None if file is None else file._replace(scope=scope)

    return RequestRules(find_file_in_scope, trusted, ignore, removes_tokens=removes_tokens)
