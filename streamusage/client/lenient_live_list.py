"""Rows of the live list of a Stream Manager, whose values may have another notation or type. Pure."""

from typing import Any

import msgspec

from streamusage.client.exact_numbers import exact_integer
from streamusage.core.usage import StreamId


class ListedStream(msgspec.Struct, frozen=True, kw_only=True):
    """A row of the live list: one stream on one media server. `None` is a figure that the server does not report."""

    stream: StreamId
    current_subscribers: int | None
    start_time: int | None


class LenientLiveStream(msgspec.Struct, frozen=True):
    """A row as it was sent. A value that is no exact integer counts as missing; so does an absent one."""

    name: Any = None
    scope: Any = None
    current_subscribers: Any = msgspec.field(name="currentSubscribers", default=None)
    start_time: Any = msgspec.field(name="startTime", default=None)

    def to_stream(self) -> ListedStream | None:
        """Return the row; `None` where it names no stream."""
        if not isinstance(self.name, str) or not isinstance(self.scope, str):
            return None
        return ListedStream(
            stream=StreamId(self.scope.removeprefix("/"), self.name),
            current_subscribers=exact_integer(self.current_subscribers),
            start_time=exact_integer(self.start_time),
        )
