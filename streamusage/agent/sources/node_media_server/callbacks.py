"""Node-Media-Server's callbacks as what they tell of sessions. Pure: they are taken in order.

`donePlay` and `donePublish` are the best account of a session that this server gives: both ends in milliseconds, and
the bytes. `postPlay` is needed since the server's own list of sessions does not say which stream they are of.
"""

from typing import Literal

import msgspec

from streamusage.agent.reading import EndedConnection
from streamusage.agent.sources.common.callback_spool import Hook
from streamusage.agent.sources.common.http_probe import LARGEST_COUNT, Count, a_name, a_protocol, an_id, digest_of

LATEST = LARGEST_COUNT // 2


class Callback(msgspec.Struct, frozen=True):
    """The body of a callback. A connection that never named a stream has neither `app` nor `name`."""

    id: str
    action: str
    app: str = ""
    name: str = ""
    protocol: str = ""
    createtime: Count = 0
    endtime: Count = 0
    inbytes: Count = 0
    outbytes: Count = 0


class Play(msgspec.Struct, frozen=True):
    """A player as callbacks know it."""

    scope: str
    name: str
    allowed: bool
    """Whether `postPlay` came: without it the server refused it."""

    @property
    def stream(self) -> tuple[str, str]:
        return self.scope, self.name


class NodeMediaServerOpenSessions:
    """What callbacks have told so far of sessions that are open."""

    def __init__(self) -> None:
        self.plays: dict[str, Play] = {}

    def take(self, hook: Hook) -> EndedConnection | None:
        """As `callbacks.OpenSessions.take`."""
        callback = _parse(hook.body)
        if callback is None:
            return None
        session_id = an_id(callback.id)
        if callback.action in ("prePlay", "postPlay"):
            known = self.plays.get(session_id)
            allowed = callback.action == "postPlay" or (known is not None and known.allowed)
            self.plays[session_id] = Play(a_name(callback.app), a_name(callback.name), allowed)
        elif callback.action == "donePlay":
            play = self.plays.pop(session_id, None)
            refused = play is not None and not play.allowed
            return _ended(callback, session_id, "other" if refused or not callback.name else "play")
        elif callback.action == "donePublish":
            return _ended(callback, publish_id_of(callback.app, callback.name, callback.createtime), "publish")
        return None


def publish_id_of(app: str, name: str, created_ms: int) -> str:
    """A publish's id: the same when its publisher was away for a moment and came back, as the server has it."""
    return f"{digest_of(app, name)}-{created_ms}"


def _ended(callback: Callback, connection_id: str, kind: Literal["play", "publish", "other"]) -> EndedConnection:
    ended_at = min(callback.endtime, LATEST)
    return EndedConnection(
        connection_id=connection_id,
        kind=kind,
        scope=a_name(callback.app),
        name=a_name(callback.name),
        protocol=a_protocol(callback.protocol),
        ended_at=ended_at,
        duration_ms=max(0, ended_at - callback.createtime),
        granularity_ms=1000,
        bytes_in=callback.inbytes,
        bytes_out=callback.outbytes,
    )


def _parse(body: str) -> Callback | None:
    try:
        return msgspec.json.decode(body, type=Callback)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return None
