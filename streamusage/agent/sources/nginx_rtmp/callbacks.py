"""nginx-rtmp's notify callbacks as what they tell of sessions. Pure: they are taken in order.

They tell no bytes, but when a play or a publish began and ended, to the moment in which the callback came.
"""

from typing import NamedTuple
from urllib.parse import parse_qs

from streamusage.agent.reading import EndedConnection
from streamusage.agent.sources.common.callback_spool import Hook
from streamusage.agent.sources.nginx_rtmp.access_log import as_on_the_page

GRANULARITY_MS = 3000
"""How much earlier than its play a connection may have been accepted; the page tells its age from there."""


class Begun(NamedTuple):
    """A play or a publish that goes on."""

    at: int
    scope: str
    name: str


class NginxOpenSessions:
    """What callbacks have told so far of sessions that are open."""

    def __init__(self) -> None:
        self._begun: dict[tuple[str, str], Begun] = {}

    def take(self, hook: Hook) -> EndedConnection | None:
        """As `callbacks.OpenSessions.take`."""
        fields = _fields(hook.body)
        call, client = fields.get("call", ""), fields.get("clientid", "")
        if not client.isdecimal() or len(client) > 20:
            return None
        if call in ("play", "publish"):
            scope, name = as_on_the_page(fields.get("app", "")), as_on_the_page(fields.get("name", ""))
            self._begun[call, client] = Begun(hook.at, scope, name)
        elif call in ("play_done", "publish_done"):
            begun = self._begun.pop((call.removesuffix("_done"), client), None)
            return None if begun is None else _ended(call, client, begun, hook.at)
        return None


def _ended(call: str, client: str, begun: Begun, at: int) -> EndedConnection:
    return EndedConnection(
        connection_id=client,
        kind="play" if call == "play_done" else "publish",
        scope=begun.scope,
        name=begun.name,
        protocol="rtmp",
        ended_at=at,
        duration_ms=max(0, at - begun.at),
        granularity_ms=GRANULARITY_MS,
        bytes_in=0,
        bytes_out=0,
    )


def _fields(body: str) -> dict[str, str]:
    try:
        found = parse_qs(body, keep_blank_values=True, encoding="latin-1", max_num_fields=100)
    except ValueError:
        return {}
    return {name: values[0] for name, values in found.items()}
