"""Rows of the live list of a Stream Manager, whose values may have another notation or type. Pure."""

from typing import Any

import msgspec

from streamusage.api.extension import LiveStream
from streamusage.client.exact_numbers import exact_integer


class LenientLiveStream(msgspec.Struct, frozen=True):
    """A row as it was sent. A value that is no exact integer counts as missing; so does an absent one."""

    name: Any = None
    scope: Any = None
    type: Any = None
    server_address: Any = msgspec.field(name="serverAddress", default=None)
    region: Any = None
    current_subscribers: Any = msgspec.field(name="currentSubscribers", default=None)
    start_time: Any = msgspec.field(name="startTime", default=None)

    def to_stream(self) -> LiveStream | None:
        """Return the row; `None` where it names no stream."""
        if not isinstance(self.name, str) or not isinstance(self.scope, str):
            return None
        return LiveStream(
            name=self.name,
            scope=self.scope,
            type=_text(self.type),
            server_address=_text(self.server_address),
            region=_text(self.region),
            current_subscribers=exact_integer(self.current_subscribers),
            start_time=exact_integer(self.start_time),
        )


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
