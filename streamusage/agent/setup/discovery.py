"""Reads the configuration of a media server and returns how the agent reads that server."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from streamusage.agent.setup.icecast_facts import IcecastConfigurationError, find_icecast_facts
from streamusage.agent.setup.nginx_facts import DEFAULT_STAT_URL, AddedLines, HlsLocation, NginxFacts, find_facts
from streamusage.agent.setup.nginx_files import read_nginx_files
from streamusage.agent.setup.nginx_syntax import NginxSyntaxError
from streamusage.agent.setup.plan import Value


class DiscoveryError(Exception):
    """The configuration of a media server cannot be used. The message names the file and what to do."""


@dataclass(frozen=True)
class Discovered:
    """What the configuration of a media server states."""

    values: Mapping[str, Value]
    """Keys of the `[source]` table, `kind` first."""
    found: tuple[str, ...]
    secrets: tuple[tuple[str, str], ...] = ()
    """Keys of files of secrets, and the secrets."""
    hls: Mapping[str, Value] | None = None
    """The table of a second source, for viewers of HLS."""
    additions: tuple[AddedLines, ...] = ()

    def __repr__(self) -> str:
        """Return the values without secrets."""
        return f"Discovered({self.values!r})"


def discover_nginx(file: Path, prefix: Path) -> Discovered:
    """Return what a configuration of nginx states. Raises `DiscoveryError`."""
    try:
        facts = find_facts(read_nginx_files(file, prefix))
    except OSError as error:
        raise DiscoveryError(f"cannot read {file}: {error.strerror}; run this as a user who can") from None
    except NginxSyntaxError as error:
        raise DiscoveryError(f"{error}; nginx -t shows the same error; correct it first") from None
    if not facts.has_rtmp:
        raise DiscoveryError(
            f"{file} and the files that it includes have no rtmp block; for viewers of HLS alone use --kind hls and "
            "--set access_log=FILE"
        )
    values: dict[str, Value] = {"kind": "nginx-rtmp", "stat_url": (*facts.stat_urls, DEFAULT_STAT_URL)[0]}
    if facts.access_log is not None:
        values["access_log"] = str(facts.access_log)
    return Discovered(values, tuple(_describe_nginx(file, facts)), hls=_find_hls(facts.hls), additions=facts.additions)


def _describe_nginx(file: Path, facts: NginxFacts) -> list[str]:
    stat = facts.stat_urls[0] if facts.stat_urls else f"none; {DEFAULT_STAT_URL} with the lines below"
    log = facts.access_log or "none that can be used; ends of sessions are known to a poll interval only"
    hls = [
        f"HLS of {', '.join(location.applications)}: location {location.path}, log {location.access_log or 'none'}"
        for location in facts.hls
    ]
    return [f"configuration: {file}", f"statistics: {stat}", f"RTMP log: {log}", *hls, *facts.notes]


def _find_hls(locations: tuple[HlsLocation, ...]) -> dict[str, Value] | None:
    for location in locations:
        if location.access_log is not None:
            values: dict[str, Value] = {"kind": "hls", "access_log": str(location.access_log)}
            if location.log_format:
                values["log_format"] = location.log_format
            if len(location.applications) == 1:  # the streams are those of the RTMP application
                values["scope"] = location.applications[0]
            return values
    return None


def discover_icecast(file: Path) -> Discovered:
    """Return what a configuration of Icecast states. Raises `DiscoveryError`."""
    try:
        facts = find_icecast_facts(file.read_text("utf-8"))
    except OSError as error:
        raise DiscoveryError(f"cannot read {file}: {error.strerror}; run this as a user who can") from None
    except (UnicodeDecodeError, IcecastConfigurationError) as error:
        raise DiscoveryError(f"{file}: {error}") from None
    values: dict[str, Value] = {"kind": "icecast", "url": facts.url, "user": facts.user}
    if facts.access_log is not None:
        values["access_log"] = str(file.parent / facts.access_log)
    log = values.get("access_log", "none; listeners between two readings are counted without stream and time")
    found = (f"configuration: {file}", f"statistics: {facts.url}/admin/stats", f"log: {log}")
    return Discovered(values, found, secrets=(("password_file", facts.password),))
