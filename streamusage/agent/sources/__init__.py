"""The media servers that can be read, one module each, behind `streamusage.agent.source.Source`."""

from pathlib import Path

from streamusage.agent import source_config as config
from streamusage.agent.source import Source, SourceError
from streamusage.agent.sources.icecast import IcecastSource
from streamusage.agent.sources.nginx_rtmp import NginxRtmpSource
from streamusage.agent.sources.node_media_server import NodeMediaServerSource
from streamusage.agent.sources.secrets import Secret, secret_of
from streamusage.clock import Clock


def source_of(described: config.SourceConfig, clock: Clock, spool: Path) -> Source:
    """The source that a configuration describes. `spool` is where it may keep callbacks of the media server."""
    timeout_seconds = described.timeout_ms / 1000
    if isinstance(described, config.IcecastConfig):
        return IcecastSource(
            described.url,
            described.user,
            _password(described),
            described.access_log,
            clock,
            timeout_seconds=timeout_seconds,
        )
    if isinstance(described, config.NodeMediaServerConfig):
        return NodeMediaServerSource(
            described.url,
            described.user,
            _password(described),
            described.notify_listen,
            spool,
            clock,
            timeout_seconds=timeout_seconds,
        )
    assert isinstance(described, config.NginxRtmpConfig)
    return NginxRtmpSource(described.stat_url, described.access_log, clock, timeout_seconds=timeout_seconds)


def _password(described: config.WithPassword) -> Secret:
    secret = secret_of(described.password_env, described.password_file)
    if secret is None:
        raise SourceError("the configuration names no password")
    return secret
