"""Sessions from Node-Media-Server's callbacks, which are applied in order. Pure.

`donePlay` and `donePublish` are the server's most exact record of a session: start and end in milliseconds, and the
bytes. `postPlay` is required because the server's list of sessions does not name their streams.
"""

from typing import Literal

import msgspec

from streamusage.agent.reading import EndedConnection
from streamusage.agent.sources.common.callbacks.reader import UnreadableCallbackError
from streamusage.agent.sources.common.callbacks.spool import SpooledCallback
from streamusage.agent.sources.common.identifiers import limit_id, limit_name, normalize_protocol, short_digest
from streamusage.agent.sources.common.payloads import MAX_COUNT, Count
from streamusage.agent.sources.common.refusals import RTMP_HANDSHAKE_BYTES, has_no_media

MAX_TIME_MS = MAX_COUNT // 2


EARLIEST_PLAY_MS = -5_000
LATEST_PLAY_MS = 30_000
"""How long after its connect a player is allowed to play, at most, and with the delays of callbacks at least."""

STEPPED_GRANULARITY_MS = 3_000
"""How much earlier than its play a player may have connected, where the server's own duration is wrong."""


class NmsCallback(msgspec.Struct, frozen=True):
    """The body of a callback. A connection that never named a stream has neither `app` nor `name`."""

    id: str
    action: str
    ip: str | None = None
    app: str = ""
    name: str = ""
    protocol: str = ""
    createtime: Count = 0
    endtime: Count = 0
    inbytes: Count = 0
    outbytes: Count = 0


class OpenPlay(msgspec.Struct, frozen=True):
    """A player whose `donePlay` was not received yet."""

    scope: str
    name: str
    callback: SpooledCallback
    """The callback of its play."""
    allowed: bool
    """Whether `postPlay` was received: without it the server refused the player."""
    refused: bool = False
    """Whether the operator's own check refused the player, who is disconnected."""

    @property
    def stream(self) -> tuple[str, str]:
        """Scope and name."""
        return self.scope, self.name


class NmsOpenSessions:
    """An `OpenSessions` of the callbacks' plays, by session id."""

    def __init__(self) -> None:
        self.plays: dict[str, OpenPlay] = {}

    def apply(self, callback: SpooledCallback) -> EndedConnection | None:
        """As `OpenSessions.apply`."""
        fields = _parse_body(callback.body)
        if fields is None:
            if callback.body:
                raise UnreadableCallbackError
            return None
        session_id = limit_id(fields.id)
        if fields.action in ("prePlay", "postPlay"):
            play = self.plays.get(session_id)
            is_refused = callback.refused or (play is not None and play.refused)
            allowed = not is_refused and (fields.action == "postPlay" or (play is not None and play.allowed))
            self.plays[session_id] = OpenPlay(
                limit_name(fields.app), limit_name(fields.name), callback, allowed, is_refused
            )
        elif fields.action == "donePlay":
            play = self.plays.pop(session_id, None)
            refused = play is not None and not play.allowed
            ended = _ended_connection(fields, session_id, "other" if refused or not fields.name else "play")
            return ended if play is None else _correct_duration(ended, callback.elapsed_since(play.callback))
        elif fields.action == "donePublish":
            return _ended_connection(fields, publish_id(fields.app, fields.name, fields.createtime), "publish")
        return None


def publish_id(app: str, name: str, created_ms: int) -> str:
    """Return a publish's id. It stays the same when the publisher reconnects within the server's grace period."""
    return f"{short_digest(app, name)}-{created_ms}"


def _ended_connection(
    fields: NmsCallback, connection_id: str, kind: Literal["play", "publish", "other"]
) -> EndedConnection:
    ended_at = min(fields.endtime, MAX_TIME_MS)
    return EndedConnection(
        connection_id=connection_id,
        kind=kind,
        scope=limit_name(fields.app),
        name=limit_name(fields.name),
        protocol=normalize_protocol(fields.protocol),
        ended_at=ended_at,
        duration_ms=max(0, ended_at - fields.createtime),
        granularity_ms=1000,
        bytes_in=fields.inbytes,
        bytes_out=fields.outbytes,
        address=fields.ip or "",
        refused=kind == "publish" and publishes_nothing(fields.inbytes, fields.app, fields.name),
    )


def publishes_nothing(bytes_in: int, app: str, name: str) -> bool:
    """Return whether a publisher sent no media: the server closed it, because a check did not answer 200."""
    return has_no_media(bytes_in, app, name, handshake_bytes=RTMP_HANDSHAKE_BYTES)


def _correct_duration(ended: EndedConnection, played_ms: int | None) -> EndedConnection:
    """Return a session with its duration by the times of its callbacks, if the server's own contradicts them.

    The server subtracts two wall times, which is wrong where its clock was set between them.
    """
    if played_ms is None or EARLIEST_PLAY_MS <= ended.duration_ms - played_ms <= LATEST_PLAY_MS:
        return ended
    return msgspec.structs.replace(ended, duration_ms=played_ms, granularity_ms=STEPPED_GRANULARITY_MS)


def call_of(body: str) -> str:
    """Return the action of a callback: `prePublish`, `donePlay`; empty for any other body."""
    fields = _parse_body(body)
    return "" if fields is None else fields.action


def _parse_body(body: str) -> NmsCallback | None:
    try:
        return msgspec.json.decode(body, type=NmsCallback)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return None
