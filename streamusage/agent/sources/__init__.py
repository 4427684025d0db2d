"""The registry of media servers: one line per built-in kind, and kinds of other packages by their entry points.

Imports are lazy: an agent runs beside a media server and loads only the module of the configured kind. A package adds
a kind with an entry point of the group `streamusage.sources`: its name is the kind, its object a
`streamusage.agent.sources.common.kind.SourceKind`. An installed package whose kind is not configured is never loaded,
so a broken one cannot disturb agents of other kinds.
"""

import importlib
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any

from streamusage.agent.config.sources import SourceModels, SourceSection
from streamusage.agent.reading import EndedConnection, Reading, Source, SourceError
from streamusage.agent.sources.common.ignored import without_ignored
from streamusage.agent.sources.common.kind import SourceContext, SourceKind
from streamusage.core.clock import Clock

BUILT_IN = {
    "nginx-rtmp": "streamusage.agent.sources.nginx_rtmp.source",
    "icecast": "streamusage.agent.sources.icecast.source",
    "node-media-server": "streamusage.agent.sources.node_media_server.source",
    "hls": "streamusage.agent.sources.hls.source",
    "mediamtx": "streamusage.agent.sources.mediamtx",
    "srs": "streamusage.agent.sources.srs",
    "wowza": "streamusage.agent.sources.wowza",
    "red5pro": "streamusage.agent.sources.red5pro",
    "stream-manager-2": "streamusage.agent.sources.stream_manager",
}
"""The module of each built-in kind, which exports its `SourceKind` as `SOURCE`."""

ENTRY_POINT_GROUP = "streamusage.sources"


class SourceKindError(Exception):
    """A package provides no usable source. The text names the package, its entry point and what failed."""


def list_kinds() -> tuple[str, ...]:
    """Return the names of all kinds, the built-in ones first. Loads no package."""
    plugins = {entry_point.name for entry_point in entry_points(group=ENTRY_POINT_GROUP)}
    return (*BUILT_IN, *sorted(plugins - BUILT_IN.keys()))


def find_kind(name: str) -> SourceKind[Any] | None:
    """Return a kind, and load its module; None for an unknown name. Raises `SourceKindError`.

    A built-in kind cannot be replaced: packages that use its name are ignored.
    """
    if name in BUILT_IN:
        kind: SourceKind[Any] = importlib.import_module(BUILT_IN[name]).SOURCE
        return kind
    entry_point = _find_entry_point(name)
    return None if entry_point is None else _load_plugin(entry_point)


def find_config_model(name: str) -> type[SourceSection] | None:
    """Return the model of a kind's configuration; None for an unknown name. Raises `SourceKindError`."""
    kind = find_kind(name)
    return None if kind is None else kind.config


SOURCE_MODELS = SourceModels(list_kinds, find_config_model, SourceKindError)
"""The registry as `streamusage.agent.config` uses it."""


def create_source(config: SourceSection, clock: Clock, spool_path: Path) -> Source:
    """Return the source of a configured media server. Raises `SourceError` or `SourceKindError`.

    `spool_path` is the file in which a source may store callbacks that the media server sends.
    """
    kind = find_kind(config.kind)
    if kind is None:
        raise SourceKindError(f"unknown kind {config.kind!r} of media server; known: {', '.join(list_kinds())}")
    context = SourceContext(clock, spool_path)
    entry_point = None if config.kind in BUILT_IN else _find_entry_point(config.kind)
    if entry_point is None:
        return without_ignored(kind.create(config, context), config)
    try:
        source = kind.create(config, context)
        return without_ignored(_PluginSource(source, _describe(entry_point)), config)
    except SourceError:
        raise
    except Exception as error:
        raise _plugin_error(entry_point, f"its factory failed with {_format_exception(error)}") from error


def _find_entry_point(name: str) -> EntryPoint | None:
    """Return the entry point of a kind. Raises `SourceKindError` if several packages provide the kind."""
    found = {_describe(candidate): candidate for candidate in entry_points(group=ENTRY_POINT_GROUP, name=name)}
    if len(found) > 1:
        raise SourceKindError(
            f"several packages provide the kind {name!r}: {', '.join(sorted(found))}; uninstall all but one"
        )
    return next(iter(found.values()), None)


def _load_plugin(entry_point: EntryPoint) -> SourceKind[Any]:
    try:
        kind = entry_point.load()
    except (Exception, SystemExit) as error:
        raise _plugin_error(entry_point, f"loading it failed with {_format_exception(error)}") from error
    if not isinstance(kind, SourceKind):
        raise _plugin_error(entry_point, f"it is of type {type(kind).__name__}, not a SourceKind")
    if kind.kind != entry_point.name:
        raise _plugin_error(entry_point, f"it is the kind {kind.kind!r}, not {entry_point.name!r}")
    if not (isinstance(kind.config, type) and issubclass(kind.config, SourceSection)):
        raise _plugin_error(entry_point, "its configuration is not a subclass of SourceSection")
    return kind


def _plugin_error(entry_point: EntryPoint, problem: str) -> SourceKindError:
    return SourceKindError(f"{_describe(entry_point)}: {problem}; update or uninstall the package")


def _describe(entry_point: EntryPoint) -> str:
    package = "unknown package" if entry_point.dist is None else f"{entry_point.dist.name} {entry_point.dist.version}"
    return f"package {package}, entry point {entry_point.name} = {entry_point.value}"


def _format_exception(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"


class _PluginSource:
    """The source of another package. Its errors of any type are reported as `SourceError`, so that the agent continues.

    No reading is taken then: the time is covered in part only, as it is while a media server cannot be reached.
    """

    def __init__(self, source: Source, description: str) -> None:
        self._source = source
        self._description = description

    async def read(self, cursor: str | None) -> Reading:
        """As `Source.read`."""
        try:
            reading: object = await self._source.read(cursor)
        except SourceError:
            raise
        except Exception as error:
            raise self._error("read", error) from error
        if not isinstance(reading, Reading):
            raise SourceError(f"{self._description}: read returned the type {type(reading).__name__}, not a Reading")
        return reading

    async def ended_between(self, from_cursor: str, to_cursor: str) -> tuple[EndedConnection, ...]:
        """As `Source.ended_between`."""
        try:
            return await self._source.ended_between(from_cursor, to_cursor)
        except SourceError:
            raise
        except Exception as error:
            raise self._error("ended_between", error) from error

    async def close(self) -> None:
        """As `Source.close`."""
        await self._source.close()

    def _error(self, method: str, error: Exception) -> SourceError:
        return SourceError(f"{self._description}: {method} failed with {_format_exception(error)}")
