"""The media servers that can be read, one module each, behind `streamusage.agent.source.Source`."""

from streamusage.agent.config import SourceConfig
from streamusage.agent.source import Source
from streamusage.agent.sources.nginx_rtmp import NginxRtmpSource
from streamusage.clock import Clock


def source_of(config: SourceConfig, clock: Clock) -> Source:
    """The source that a configuration describes."""
    return NginxRtmpSource(
        config.stat_url,
        config.access_log,
        clock,
        timeout_seconds=config.timeout_ms / 1000,
    )
