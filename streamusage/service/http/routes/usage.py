"""The documented part of the API: usage records and live streams, for 3.1 and 4.0, which are the same.

Paths are parsed undecoded, so that a slash inside a name is preserved, and a path without a stream never means "all".
"""

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from streamusage.core.usage import SessionKey
from streamusage.service.http import openapi
from streamusage.service.http.context import Service
from streamusage.service.http.errors import JSON, NOT_FOUND, ApiError
from streamusage.service.http.requests import Query, parse_stream, path_below
from streamusage.service.http.responses import encoded_json, encoding_for, json_response
from streamusage.service.queries.live_streams import list_live_streams
from streamusage.service.queries.record_list import list_version
from streamusage.service.store.records import delete_all, delete_session, delete_stream, encode_stream_records
from streamusage.service.tokens import Identity

VERSIONS = ("3.1", "4.0")

_NO_RECORDS = "no usage records of that stream"


def usage_routes(service: Service) -> APIRouter:
    """Return the routes under `/streammanager/api/{version}`."""
    router = APIRouter(tags=["documented"])
    for version in VERSIONS:
        _add_usage_routes(router, service, f"/streammanager/api/{version}/admin/event/usage", version)
        _add_live_route(router, service, f"/streammanager/api/{version}/event/list/stats", version)
    return router


def _add_usage_routes(router: APIRouter, service: Service, path: str, version: str) -> None:
    @router.get(path, summary="Read all usage records", operation_id=f"read_all_{version}", **openapi.READ_ALL)
    async def read_all_records(request: Request) -> Response:
        _reader(service, Query(request))
        _exactly(request, path)
        encoding = encoding_for(request)
        known = request.headers.get("if-none-match")
        if known is not None:
            version = await service.read(list_version)
            if version.etag in {tag.strip() for tag in known.split(",")}:
                return Response(status_code=304, headers={"ETag": version.etag, "Vary": "Accept-Encoding"})
        version, body = await service.read(lambda connection: service.records.body(connection, encoding))
        return encoded_json(body, encoding, {"ETag": version.etag})

    @router.delete(path, summary="Delete all usage records", operation_id=f"delete_all_{version}", **openapi.DELETE_ALL)
    async def delete_all_records(request: Request) -> Response:
        query = Query(request)
        identity = _deleter(service, query)
        _exactly(request, path)
        query.allow_only({"accessToken"})
        now_ms = service.clock.now_ms()
        await service.write(lambda connection: delete_all(connection, identity.name, now_ms))
        return Response()

    @router.get(
        path + "/{scope_and_name:anything}",
        summary="Read the records of a stream",
        operation_id=f"read_stream_{version}",
        **openapi.READ_STREAM,
    )
    async def read_stream_records(request: Request) -> Response:
        _reader(service, Query(request))
        stream = parse_stream(path_below(request, path + "/"))
        body = await service.read(lambda connection: encode_stream_records(connection, stream))
        if body is None:
            raise ApiError(404, _NO_RECORDS)
        return Response(body, media_type=JSON)

    @router.delete(
        path + "/{scope_and_name:anything}",
        summary="Delete the records of a stream, or with startTime one session's record",
        operation_id=f"delete_stream_{version}",
        **openapi.DELETE_STREAM,
    )
    async def delete_stream_records(request: Request) -> Response:
        query = Query(request)
        identity = _deleter(service, query)
        stream = parse_stream(path_below(request, path + "/"))
        query.allow_only({"accessToken", "startTime"})
        start_time = query.number("startTime")
        now_ms = service.clock.now_ms()
        if start_time is None:
            deleted = await service.write(lambda connection: delete_stream(connection, stream, identity.name, now_ms))
            if not deleted:
                raise ApiError(404, _NO_RECORDS)
            return Response()
        key = SessionKey(*stream, start_time)
        record = await service.write(lambda connection: delete_session(connection, key, identity.name, now_ms))
        if record is None:
            raise ApiError(404, "no usage record of that stream with that startTime")
        return json_response(record)


def _add_live_route(router: APIRouter, service: Service, path: str, version: str) -> None:
    @router.get(path, summary="List the live streams; needs no token", operation_id=f"live_{version}", **openapi.LIVE)
    async def live_streams(request: Request) -> Response:
        _exactly(request, path)
        return json_response(await service.read(list_live_streams))


def _reader(service: Service, query: Query) -> None:
    if not service.identify_by_query(query).may_read():
        raise ApiError(400, "this accessToken may not read usage records")


def _deleter(service: Service, query: Query) -> Identity:
    identity = service.identify_by_query(query)
    if not identity.may_change():
        raise ApiError(400, "this accessToken may not delete usage records; nothing was deleted")
    return identity


def _exactly(request: Request, path: str) -> None:
    if path_below(request, path):
        raise ApiError(404, NOT_FOUND)
