"""The media servers that can be read, one module each, behind `streamusage.agent.reading.Source`.

Only the module of the server that is read is loaded: an agent sits beside a media server and should be small.
"""

from pathlib import Path
from typing import assert_never

from streamusage.agent.config import sources as config
from streamusage.agent.config.secrets import Secret, secret_of
from streamusage.agent.reading import Source, SourceError
from streamusage.core.clock import Clock


def source_of(described: config.SourceConfig, clock: Clock, spool: Path) -> Source:
    """The source that a configuration describes. `spool` is where it may keep callbacks of the media server."""
    seconds = described.timeout_ms / 1000
    match described:
        case config.NginxRtmpConfig(stat_url=url, access_log=log, notify_listen=listen):
            from streamusage.agent.sources.common.callback_spool import HookSpool
            from streamusage.agent.sources.nginx_rtmp.source import NginxRtmpSource

            callbacks = None if listen is None else HookSpool(listen, spool, clock)
            return NginxRtmpSource(url, log, clock, timeout_seconds=seconds, callbacks=callbacks)
        case config.IcecastConfig(url=url, user=user, access_log=log):
            from streamusage.agent.sources.icecast.source import IcecastSource

            return IcecastSource(url, user, _password(described), log, clock, timeout_seconds=seconds)
        case config.NodeMediaServerConfig(url=url, user=user, notify_listen=listen):
            from streamusage.agent.sources.node_media_server.source import NodeMediaServerSource

            password = _password(described)
            return NodeMediaServerSource(url, user, password, listen, spool, clock, timeout_seconds=seconds)
        case config.WowzaConfig(url=url, user=user, vhost=vhost, applications=names, connection_counts_url=counts):
            from streamusage.agent.sources.wowza import WowzaSource

            password = _password(described)
            return WowzaSource(url, user, password, vhost, names, counts, clock, timeout_seconds=seconds)
        case config.MediaMtxConfig(url=url, user=named):
            from streamusage.agent.sources.mediamtx import MediaMtxSource

            return MediaMtxSource(url, named, _maybe_password(described), clock, timeout_seconds=seconds)
        case config.SrsConfig(url=url, user=named):
            from streamusage.agent.sources.srs import SrsSource

            return SrsSource(url, named, _maybe_password(described), clock, timeout_seconds=seconds)
        case config.Red5ProConfig(url=url, applications=names):
            from streamusage.agent.sources.red5pro import Red5ProSource

            return Red5ProSource(url, _token(described), names, clock, timeout_seconds=seconds)
        case config.StreamManagerConfig(url=url, node_groups=groups):
            from streamusage.agent.sources.stream_manager import StreamManagerSource

            return StreamManagerSource(url, _token(described), groups, clock, timeout_seconds=seconds)
        case config.HlsConfig(access_log=path, idle_after_ms=idle_after_ms):
            from streamusage.agent.sources.hls.source import HlsSource

            return HlsSource(path, idle_after_ms, clock)
        case _:
            assert_never(described)


def _maybe_password(described: config.MaybePassword) -> Secret | None:
    return _secret(described.password_env, described.password_file)


def _password(described: config.WithPassword) -> Secret:
    return _given(_secret(described.password_env, described.password_file))


def _token(described: config.WithToken) -> Secret:
    return _given(_secret(described.api_token_env, described.api_token_file))


def _secret(variable: str | None, file: Path | None) -> Secret | None:
    return secret_of(variable, file, "the media server's secret", SourceError)


def _given(secret: Secret | None) -> Secret:
    if secret is None:
        raise SourceError("the configuration names no secret for the media server")
    return secret
