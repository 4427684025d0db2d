"""Answers of the API of Node-Media-Server 4, as far as they are read."""

import msgspec

from streamusage.agent.sources.common.payloads import Count, Figure


class NmsServer(msgspec.Struct):
    """The process."""

    uptime: float
    """Seconds."""
    pid: Count


class NmsNetwork(msgspec.Struct, rename="camel"):
    """Bytes of all sessions since the process started."""

    in_bytes: Figure
    out_bytes: Figure


class NmsStatistics(msgspec.Struct):
    """The content of `/api/v1/stats`."""

    server: NmsServer
    network: NmsNetwork
    timestamp: str = ""
    """The server's wall time, in ISO 8601."""


class NmsStatisticsResponse(msgspec.Struct):
    """`/api/v1/stats`."""

    data: NmsStatistics


class NmsSession(msgspec.Struct, rename="camel"):
    """A connection. Its stream is not named."""

    id: str
    is_publisher: bool
    protocol: str
    create_time: Count
    """UTC milliseconds."""
    ip: str = ""


class NmsSessions(msgspec.Struct):
    """The content of `/api/v1/sessions`."""

    sessions: list[NmsSession]


class NmsSessionsResponse(msgspec.Struct):
    """`/api/v1/sessions`."""

    data: NmsSessions


class NmsPublisher(msgspec.Struct, rename="camel"):
    """The publisher of a stream."""

    id: str
    create_time: Count
    """UTC milliseconds."""
    in_bytes: Figure | None = None


class NmsStream(msgspec.Struct):
    """A stream with its number of subscribers."""

    app: str
    name: str
    status: str
    subscribers: Figure
    publisher: NmsPublisher | None = None


class NmsStreams(msgspec.Struct):
    """The content of `/api/v1/streams`."""

    streams: list[NmsStream]


class NmsStreamsResponse(msgspec.Struct):
    """`/api/v1/streams`."""

    data: NmsStreams


class NmsLogin(msgspec.Struct):
    """The token of a login."""

    token: str


class NmsLoginResponse(msgspec.Struct):
    """`/api/v1/login`."""

    data: NmsLogin
