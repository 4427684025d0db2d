"""Sessions from nginx-rtmp's notify callbacks, which are applied in order. Pure.

A callback contains no byte counts. The start and the end of a play or publish are the times at which their callbacks
were received.
"""

from typing import NamedTuple
from urllib.parse import parse_qs

from streamusage.access_logs.nginx_rtmp import normalize_name
from streamusage.agent.reading import EndedConnection
from streamusage.agent.sources.common.callbacks.reader import UnreadableCallbackError
from streamusage.agent.sources.common.callbacks.spool import SpooledCallback
from streamusage.agent.sources.nginx_rtmp.statistics import protocol_of

GRANULARITY_MS = 3000
"""A connection may have been accepted this much before its play; the statistics page reports its age from there."""

_SESSION_CALLS = {"play", "publish", "play_done", "publish_done"}


SHORTEST_PUBLISH_MS = 1000
"""A publish that ends sooner, and that no reading showed, was refused: nginx calls `publish` before it checks whether
the name is taken."""


class OpenNginxSession(NamedTuple):
    """A play or publish that has not ended."""

    started: SpooledCallback
    scope: str
    name: str
    protocol: str
    address: str
    agent: str
    is_name_taken: bool
    """Whether another client published this name, so that nginx refused it."""


class NginxOpenSessions:
    """An `OpenSessions` of the callbacks' plays and publishes."""

    def __init__(self) -> None:
        self._open: dict[tuple[str, str], OpenNginxSession] = {}

    def apply(self, callback: SpooledCallback) -> EndedConnection | None:
        """As `OpenSessions.apply`."""
        fields = _parse_fields(callback.body)
        call, client = fields.get("call", ""), fields.get("clientid", "")
        if callback.body and not call:
            raise UnreadableCallbackError
        if not client.isdecimal() or len(client) > 20:
            if call in _SESSION_CALLS:
                raise UnreadableCallbackError
            return None
        if callback.refused:
            return None
        if call in ("play", "publish"):
            scope, name = normalize_name(fields.get("app", "")), normalize_name(fields.get("name", ""))
            is_name_taken = call == "publish" and any(
                open_call == "publish" and open_client != client and (session.scope, session.name) == (scope, name)
                for (open_call, open_client), session in self._open.items()
            )
            protocol = protocol_of(fields.get("flashver"))
            self._open[call, client] = OpenNginxSession(
                callback, scope, name, protocol, fields.get("addr", ""), fields.get("flashver", ""), is_name_taken
            )
        elif call in ("play_done", "publish_done"):
            session = self._open.pop((call.removesuffix("_done"), client), None)
            return None if session is None else _ended_connection(call, client, session, callback)
        return None


def _ended_connection(call: str, client: str, session: OpenNginxSession, ended: SpooledCallback) -> EndedConnection:
    elapsed_ms = ended.elapsed_since(session.started)
    duration_ms = max(0, ended.at - session.started.at) if elapsed_ms is None else elapsed_ms
    is_publish = call == "publish_done"
    return EndedConnection(
        connection_id=client,
        kind="publish" if is_publish else "play",
        scope=session.scope,
        name=session.name,
        protocol=session.protocol,
        ended_at=ended.at,
        duration_ms=duration_ms,
        granularity_ms=GRANULARITY_MS,
        bytes_in=0,
        bytes_out=0,
        address=session.address,
        agent=session.agent,
        refused=is_publish and (session.is_name_taken or duration_ms < SHORTEST_PUBLISH_MS),
    )


def call_of(body: str) -> str:
    """Return the call of a callback: `publish`, `play_done`; empty for any other body."""
    return _parse_fields(body).get("call", "")


def _parse_fields(body: str) -> dict[str, str]:
    try:
        values_by_name = parse_qs(body, keep_blank_values=True, encoding="latin-1", max_num_fields=100)
    except ValueError:
        return {}
    return {name: values[0] for name, values in values_by_name.items()}
