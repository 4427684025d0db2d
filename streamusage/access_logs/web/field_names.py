"""Names by which web servers and content delivery networks log the fields of a request. Pure."""

import re
from collections.abc import Sequence

FIELD_NAMES: dict[str, tuple[str, ...]] = {
    "time": (
        *("msec", "timestamp-ms", "ts", "@timestamp", "timestamp", "time_iso8601", "time_local", "time", "datetime"),
        *("time_end", "end_time", "EdgeEndTimestamp", "date_time", "log_time", "timestamp_log", "time_utc", "date"),
    ),
    "start": ("StartUTC", "time_start", "start_time", "reqTimeSec", "EdgeStartTimestamp", "StartLocal", "start"),
    "peer": (
        *("client_ip", "remote_addr", "c-ip", "cliIP", "request.client_ip", "request.remote_ip", "remote_ip"),
        *("ClientHost", "client_addr", "remote_address", "client_address", "remote_host", "clientIpAddress"),
        *("httpRequest.remoteIp", "source.ip", "client.ip", "source_ip", "src_ip", "remote", "client", "ip", "addr"),
        *("address", "downstream_remote_address", "request.remote_addr", "message.cliIP"),
    ),
    "forwarded": (
        *("http_x_forwarded_for", "x-forwarded-for", "forwarded_for", "xff", "proxy_add_x_forwarded_for"),
        *("request_X-Forwarded-For", "request.headers.X-Forwarded-For", "cs(X-Forwarded-For)", "http_x_real_ip"),
        *("x-real-ip", "http_cf_connecting_ip", "http_true_client_ip", "http_fastly_client_ip", "forwarded"),
    ),
    "request": ("request", "request_line", "requestline"),
    "method": (
        *("request_method", "cs-method", "method", "reqMethod", "ClientRequestMethod", "request.method", "verb"),
        *("http_method", "httpRequest.requestMethod", "http.request.method", "req_method", "message.reqMethod"),
    ),
    "target": (
        *("request_uri", "cs-uri-stem", "cs-uri", "uri", "url", "RequestPath", "reqPath", "ClientRequestURI"),
        *("request.uri", "request.url", "request_url", "httpRequest.requestUrl", "url.original", "original_url"),
        *("req_url", "req_path", "url.path", "uri_path", "path", "message.reqPath"),
    ),
    "query": ("args", "query_string", "cs-uri-query", "queryStr", "query", "url.query"),
    "status": (
        *("status", "sc-status", "statusCode", "DownstreamStatus", "response_status", "EdgeResponseStatus"),
        *("response.status", "httpRequest.status", "http.response.status_code", "resp_status", "response_code"),
        *("http_status", "code", "message.status"),
    ),
    "sent": (
        *("bytes_sent", "sc-bytes", "DownstreamContentSize", "EdgeResponseBytes", "size", "bytes", "bytes_out"),
        *("body_bytes_sent", "response_body_size", "response_size", "response_bytes", "httpRequest.responseSize"),
        *("http.response.bytes", "http.response.body.bytes", "response.size", "resp_bytes", "resp_body_size"),
        *("body_bytes", "sent", "totalBytes", "message.bytes"),
    ),
    "user_agent": (
        *("http_user_agent", "user_agent", "cs(User-Agent)", "UA", "ClientRequestUserAgent", "request_User-Agent"),
        *("request.headers.User-Agent", "request_user_agent", "httpRequest.userAgent", "user_agent.original", "agent"),
        *("request.user_agent", "req_user_agent", "message.UA"),
    ),
    "session": ("arg_sid", "sid", "session_id", "arg_session", "arg_session_id", "cmcd-session-id", "session"),
    "cookie": (
        *("http_cookie", "cs(Cookie)", "cookie", "cookies", "request_Cookie", "request.headers.Cookie"),
        "request_cookie",
    ),
    "cmcd": (
        *("http_cmcd_session", "cmcd-session", "cmcd", "request_Cmcd-Session", "request_CMCD-Session"),
        *("request.headers.Cmcd-Session", "cs(CMCD-Session)"),
    ),
    "host": (
        *("http_host", "host", "x-host-header", "cs(Host)", "cs-host", "reqHost", "RequestHost", "server_name"),
        *("ClientRequestHost", "request.host", "vhost", "virtual_host", "authority", "domain", "url.domain"),
    ),
    "via": ("http_via", "via", "request_Via", "request.headers.Via", "cs(Via)"),
    "duration": (
        *("request_time", "duration", "time-taken", "time_elapsed", "duration_ms", "transferTimeMSec", "elapsed_ms"),
        *("request_time_ms", "duration_us", "latency_ms", "response_time_ms", "httpRequest.latency", "elapsed"),
        *("event.duration", "request_duration"),
    ),
}
"""Names of each field, the preferred ones first. Case and punctuation do not count."""

NEEDED = ("time", "client's address", "request", "status", "bytes sent")

_PERCENT_ENCODED = frozenset(("csuseragent", "cscookie", "ua", "messageua"))


def normalize_field_name(name: str) -> str:
    """Return a name without case and punctuation: `cs(User-Agent)` is `csuseragent`."""
    return re.sub(r"[^a-z0-9]", "", name.lower())


def is_percent_encoded(name: str) -> bool:
    """Return whether the server writes this field percent-encoded, although the client did not send it so."""
    return normalize_field_name(name) in _PERCENT_ENCODED


def find_fields(names: Sequence[str]) -> dict[str, int]:
    """Return the place of each field that is known by one of these names."""
    places: dict[str, int] = {}
    for place, name in enumerate(names):
        places.setdefault(normalize_field_name(name), place)
    fields = {}
    for field, known in FIELD_NAMES.items():
        found = [places[key] for key in map(normalize_field_name, known) if key in places]
        if found:
            fields[field] = found[0]
    return fields


def missing_fields(fields: dict[str, int]) -> list[str]:
    """Return which of the needed fields are missing, in words."""
    has = fields.__contains__
    present = (
        has("time") or has("start"),
        has("peer") or has("forwarded"),
        has("request") or (has("method") and has("target")),
        has("status"),
        has("sent"),
    )
    return [name for name, is_present in zip(NEEDED, present, strict=True) if not is_present]


def duration_unit_ms(name: str) -> float | None:
    """Return the unit of a field with a duration in ms; None where numbers with a point are seconds, others ms."""
    if name in ("Duration", "event.duration"):
        return 1e-6
    normal = normalize_field_name(name)
    if normal.endswith(("us", "usec")) or normal == "timeelapsed":
        return 1e-3
    return 1 if normal.endswith(("ms", "msec")) else None
