"""What a mistyped name of a stream may mean, by the names that the service knows."""

from contextlib import suppress

from streamusage.client.errors import RequestError
from streamusage.client.usage_client import UsageClient
from streamusage.core.usage import StreamId
from tui.commands.streams import format_stream_name
from tui.model.suggestions import did_you_mean


async def similar_streams(client: UsageClient, stream: StreamId) -> str:
    """Return `; did you mean live/keynote?` for streams with records whose names resemble this one."""
    with suppress(RequestError):
        known = {format_stream_name(record.stream) for record in await client.usage()}
        return did_you_mean(format_stream_name(stream), sorted(known))
    return ""
