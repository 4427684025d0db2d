"""The documented part of the API: usage records and live streams, for 3.1 and 4.0, which are the same.

Paths are parsed undecoded, so that a slash inside a name is preserved, and a path without a stream never means "all".
"""

from starlette.responses import Response

from streamusage.core.usage import SessionKey, StreamId
from streamusage.service.http import operations as api
from streamusage.service.http.context import Call, Handlers, Service
from streamusage.service.http.errors import JSON, NOT_FOUND, ApiError
from streamusage.service.http.requests import parse_stream, path_below
from streamusage.service.http.responses import encoding_for, json_response, list_json
from streamusage.service.queries.live_streams import list_live_streams
from streamusage.service.queries.record_list import list_version
from streamusage.service.store.engines.locks import LockSet
from streamusage.service.store.records import delete_all, delete_session, delete_stream, encode_stream_records
from streamusage.service.store.schema import stream_key

_NO_RECORDS = "no usage records of that stream"


def usage_handlers(service: Service) -> Handlers:
    """Return the handlers under `/streammanager/api/{version}`, the same for each version."""

    async def read_all_records(call: Call) -> Response:
        _exactly(call)
        encoding = encoding_for(call.request)
        known = call.request.headers.get("if-none-match")
        if known is not None:
            version = await service.answer(list_version)
            if version.etag in {tag.strip() for tag in known.split(",")}:
                return Response(status_code=304, headers={"ETag": version.etag, "Vary": "Accept-Encoding"})
        version, body = await service.answer(lambda connection: service.records.encoded(connection, encoding))
        return list_json(body, encoding, {"ETag": version.etag})

    async def delete_all_records(call: Call) -> Response:
        _exactly(call)
        call.query.allow_only({"accessToken"})
        now_ms = service.clock.now_ms()
        await service.write(lambda connection: delete_all(connection, call.client_name, now_ms))
        return Response()

    async def read_stream_records(call: Call) -> Response:
        stream = _stream(call)
        body = await service.answer(lambda connection: encode_stream_records(connection, stream))
        if body is None:
            raise ApiError(404, _NO_RECORDS)
        return Response(body, media_type=JSON)

    async def delete_stream_records(call: Call) -> Response:
        stream = _stream(call)
        call.query.allow_only({"accessToken", "startTime"})
        start_time = call.query.number("startTime")
        now_ms = service.clock.now_ms()
        locks = LockSet(streams=frozenset((stream_key(*stream),)))
        if start_time is None:
            deleted = await service.write(
                lambda connection: delete_stream(connection, stream, call.client_name, now_ms), locks
            )
            if not deleted:
                raise ApiError(404, _NO_RECORDS)
            return Response()
        key = SessionKey(*stream, start_time)
        record = await service.write(
            lambda connection: delete_session(connection, key, call.client_name, now_ms), locks
        )
        if record is None:
            raise ApiError(404, "no usage record of that stream with that startTime")
        return json_response(record)

    async def live_streams(call: Call) -> Response:
        _exactly(call)
        return json_response(await service.answer(list_live_streams))

    return {
        **dict.fromkeys(api.READ_ALL, read_all_records),
        **dict.fromkeys(api.DELETE_ALL, delete_all_records),
        **dict.fromkeys(api.READ_STREAM, read_stream_records),
        **dict.fromkeys(api.DELETE_STREAM, delete_stream_records),
        **dict.fromkeys(api.LIVE, live_streams),
    }


def _stream(call: Call) -> StreamId:
    """Return the stream that the undecoded path names."""
    return parse_stream(path_below(call.request, call.operation.path.removesuffix(api.STREAM_PATH) + "/"))


def _exactly(call: Call) -> None:
    """Refuse a path that matches the operation's only after decoding."""
    if path_below(call.request, call.operation.path):
        raise ApiError(404, NOT_FOUND)
