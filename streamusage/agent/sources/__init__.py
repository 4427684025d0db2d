"""The registry of media servers: one module or package per kind, each behind `streamusage.agent.reading.Source`.

Imports are lazy: an agent runs beside a media server and loads only the module of the configured kind.
"""

from pathlib import Path
from typing import assert_never

from streamusage.agent.config import sources as config
from streamusage.agent.reading import Source, SourceError
from streamusage.core.clock import Clock
from streamusage.core.secrets import Secret, make_secret


def create_source(source_config: config.SourceConfig, clock: Clock, spool_path: Path) -> Source:
    """Return the source of a configured media server.

    `spool_path` is the file in which a source may store callbacks that the media server sends.
    """
    timeout_seconds = source_config.timeout_ms / 1000
    match source_config:
        case config.NginxRtmpConfig(stat_url=url, access_log=log, notify_listen=listen):
            from streamusage.agent.sources.common.callback_spool import CallbackSpool
            from streamusage.agent.sources.nginx_rtmp.source import NginxRtmpSource

            spool = None if listen is None else CallbackSpool(listen, spool_path, clock)
            return NginxRtmpSource(url, log, clock, timeout_seconds=timeout_seconds, spool=spool)
        case config.IcecastConfig(url=url, user=user, access_log=log):
            from streamusage.agent.sources.icecast.source import IcecastSource

            password = _password(source_config)
            return IcecastSource(url, user, password, log, clock, timeout_seconds=timeout_seconds)
        case config.NodeMediaServerConfig(url=url, user=user, notify_listen=listen):
            from streamusage.agent.sources.node_media_server.source import NodeMediaServerSource

            password = _password(source_config)
            return NodeMediaServerSource(
                url, user, password, listen, spool_path, clock, timeout_seconds=timeout_seconds
            )
        case config.WowzaConfig(url=url, user=user, vhost=vhost, applications=names, connection_counts_url=counts_url):
            from streamusage.agent.sources.wowza import WowzaSource

            password = _password(source_config)
            return WowzaSource(url, user, password, vhost, names, counts_url, clock, timeout_seconds=timeout_seconds)
        case config.MediaMtxConfig(url=url, user=optional_user):
            from streamusage.agent.sources.mediamtx import MediaMtxSource

            optional_password = _optional_password(source_config)
            return MediaMtxSource(url, optional_user, optional_password, clock, timeout_seconds=timeout_seconds)
        case config.SrsConfig(url=url, user=optional_user):
            from streamusage.agent.sources.srs import SrsSource

            optional_password = _optional_password(source_config)
            return SrsSource(url, optional_user, optional_password, clock, timeout_seconds=timeout_seconds)
        case config.Red5ProConfig(url=url, applications=names):
            from streamusage.agent.sources.red5pro import Red5ProSource

            return Red5ProSource(url, _token(source_config), names, clock, timeout_seconds=timeout_seconds)
        case config.StreamManagerConfig(url=url, node_groups=node_groups):
            from streamusage.agent.sources.stream_manager import StreamManagerSource

            return StreamManagerSource(url, _token(source_config), node_groups, clock, timeout_seconds=timeout_seconds)
        case config.HlsConfig(access_log=path, idle_after_ms=idle_after_ms):
            from streamusage.agent.sources.hls.source import HlsSource

            return HlsSource(path, idle_after_ms, clock)
        case _:
            assert_never(source_config)


def _optional_password(section: config.OptionalPasswordSection) -> Secret | None:
    return _secret(section.password_env, section.password_file)


def _password(section: config.PasswordSection) -> Secret:
    return _require_secret(_secret(section.password_env, section.password_file))


def _token(section: config.TokenSection) -> Secret:
    return _require_secret(_secret(section.api_token_env, section.api_token_file))


def _secret(variable: str | None, file: Path | None) -> Secret | None:
    return make_secret(variable, file, "the media server's secret", SourceError)


def _require_secret(secret: Secret | None) -> Secret:
    if secret is None:
        raise SourceError("the configuration sets no secret for the media server")
    return secret
