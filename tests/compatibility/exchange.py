"""HTTP exchanges with the service, and their normalised form, in which two versions of it can be compared.

Removed: what depends on chance (cursors, entity tags, durations) and every text that a human reads. Kept: everything
else, times included, since the service runs under a clock that the test sets.
"""

import gzip
import http.client
import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from tests.compatibility.programs.processes import PATIENCE_SECONDS, TOKENS, Clock

TEXT = "<text>"
CHANCE = "<chance>"

ADDED = frozenset(
    {
        "/api/v1/disagreements", "disagreements",
        "/api/v1/alerts", "/api/v1/alerts/silences", "/api/v1/alerts/silences/{id}", "/api/v1/alerts/test", "alerts",
        "/api/v1/agents/{server}/clock", "/api/v1/servers/{server}/repair", "/api/v1/statement", "/api/v1/chain",
        "/api/v1/corrections", "/api/v1/corrections/approve", "/api/v1/corrections/reverse", "approved",
        "429", "acknowledged_to", "age_slack_ms",
        "audience", "clock", "clock_refused_at", "clock_refused_by_ms", "fell_in", "fell_out", "is_acknowledged",
        "is_first", "lists_viewers", "machine", "machine_offset_ms", "retired_at",
        "message", "offset_ms", "received_at", "repair", "source_error", "source_error_at", "source_error_since",
        "accounted_since", "previous_epoch", "state_life", "unknown_in", "unknown_out", "unseenSubscribers",
        "unseen_subscribers",
        "application/openmetrics-text",
        "stores_streams", "stream_counters", "stream_slots", "traffic", "uptime_ms", "void_revision", "voids",
    }
)  # fmt: skip
"""Fields and paths that did not exist when the transcripts were written. Clients of then ignore them."""
ADDED_BELOW = (".publishes.items.counted_to",)
"""Ends of the places of added fields whose name another object had before."""
LEFT_OUT = frozenset({"counted_to"})
"""Fields that were sent as null, and are now left out instead: their readers take that for null."""
ADDED_PARAMETERS = ("query customer", "query include")
"""Parameters that did not exist when the description of the API was kept. All of them may be left out."""
ABSENT = "(absent)"
ADDED_METRICS = (
    "streamtop_alert",
    "streamtop_backfilled_",
    "streamtop_build_info",
    "streamtop_clock_",
    "streamtop_connections_total",
    "streamtop_day_",
    "streamtop_disagreements_open",
    "streamtop_estate_",
    "streamtop_figures_",
    "streamtop_last_sync_timestamp_seconds",
    "streamtop_limit_refusals_total",
    "streamtop_metrics_",
    "streamtop_open_connections",
    "streamtop_publishes",
    "streamtop_report_parts_pending",
    "streamtop_scope_",
    "streamtop_traffic_bytes_total",
    "streamtop_view_seconds_total",
    "streamtop_void_closings",
    "streamtop_source_error",
)

_NEW_CONFLICTS = ("/api/v1/agents/{server}/epochs", "/api/v1/daily", "/api/v1/daily/sums")
"""Paths that may answer 409 since: to an epoch that no service has issued, and where hours are folded."""

_HEADERS = ("allow", "cache-control", "content-encoding", "content-type", "etag", "location", "retry-after", "vary",
            "www-authenticate")  # fmt: skip

Json = Any
Exchange = dict[str, Json]


class Answer:
    """One answer of the service."""

    def __init__(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        self.status = status
        self.headers = headers
        self.body = body

    @property
    def json(self) -> Json:
        return json.loads(self.body)


class Client:
    """A client of one service, which keeps a transcript of what it exchanged."""

    def __init__(self, port: int, clock: Clock) -> None:
        self._port, self._clock = port, clock
        self.transcript: list[Exchange] = []

    def request(
        self, method: str, path: str, *, token: str = "viewer", body: bytes = b"", headers: Mapping[str, str] = {}
    ) -> Answer:
        """Exchange without a transcript. The token is named as in `TOKENS`; "" sends none."""
        more = dict(headers)
        secret = TOKENS.get(token, token)
        if path.startswith("/streammanager/"):
            if secret:
                path += f"{'&' if '?' in path else '?'}accessToken={secret}"
        elif secret:
            more["Authorization"] = f"Bearer {secret}"
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=PATIENCE_SECONDS)
        try:
            connection.request(method, path, body or None, more)
            answer = connection.getresponse()
            return Answer(answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read())
        finally:
            connection.close()

    def send(
        self,
        method: str,
        path: str,
        *,
        token: str = "viewer",
        body: Json = None,
        packed: bool = False,
        headers: Mapping[str, str] = {},
        normalise: Callable[[bytes], Json] | None = None,
        shown: str = "",
        note: str = "",
    ) -> Answer:
        """Exchange, and add it to the transcript. A `body` that is no bytes is sent as JSON."""
        sent = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        more = dict(headers)
        if packed:
            sent = gzip.compress(sent, mtime=0)
            more["Content-Encoding"] = "gzip"
        if token == "admin" and method != "GET":
            self._clock.set(self._clock.now_ms + 1)  # two entries of the audit log are never of the same time
        answer = self.request(method, path, token=token, body=sent, headers=more)
        self.transcript.append(
            {
                "request": f"{method} {shown or path}",
                "token": token if token in TOKENS or not token else "unknown",
                **({"note": note} if note else {}),
                "status": answer.status,
                "headers": {name: _header(name, answer.headers[name]) for name in _HEADERS if name in answer.headers},
                "body": normalise(answer.body) if normalise else _body(answer),
            }
        )
        return answer

    def get(self, path: str, **how: Any) -> Answer:
        return self.send("GET", path, **how)

    def read_json(self, path: str, token: str = "viewer") -> Json:
        """Read a route without a transcript: to wait for something."""
        return self.request("GET", path, token=token).json


def _header(name: str, value: str) -> str:
    if name == "allow":
        return ", ".join(sorted(value.split(", ")))
    return CHANCE if name == "etag" else value


def _body(answer: Answer) -> Json:
    body = answer.body
    if answer.headers.get("content-encoding") == "gzip":
        body = gzip.decompress(body)
    elif "content-encoding" in answer.headers:
        return CHANCE
    if not body:
        return None
    if answer.headers.get("content-type") == "application/json":
        return normalised(json.loads(body))
    return body.decode()


def normalised(value: Json) -> Json:
    """Return the JSON value without texts that humans read and without chance."""
    if isinstance(value, list):
        return [normalised(item) for item in value]
    if not isinstance(value, dict):
        return value
    result = {}
    for name, item in value.items():
        if name == "cursor":
            result[name] = CHANCE
        elif name == "errorMessage" or (name == "reason" and item and value.get("state") == "held"):
            result[name] = TEXT
        else:
            result[name] = normalised(item)
    return result


def openapi_shape(body: bytes) -> Json:
    """Return what `/openapi.json` promises: paths, parameters, statuses and the names of fields, without texts."""
    document = json.loads(body)

    def resolved(schema: Json, inside: tuple[str, ...] = ()) -> Json:
        if isinstance(schema, list):
            parts = [part for item in schema if (part := resolved(item, inside)) is not None]
            return sorted(parts, key=json.dumps) or None
        if not isinstance(schema, dict):
            return None
        if "$ref" in schema:
            name = schema["$ref"].rpartition("/")[2]
            if name in inside:
                return "recursive"
            return resolved(document["components"]["schemas"][name], (*inside, name))
        if "properties" in schema:
            return {name: resolved(item, inside) for name, item in sorted(schema["properties"].items())}
        for key in ("items", "anyOf", "oneOf", "allOf", "additionalProperties"):
            if isinstance(schema.get(key), dict | list):
                return {key: resolved(schema[key], inside)}
        return schema.get("type")

    def content(part: Json) -> Json:
        return {kind: resolved(item.get("schema")) for kind, item in sorted(part.get("content", {}).items())}

    return {
        path: {
            method: {
                "parameters": sorted(f"{each['in']} {each['name']}" for each in operation.get("parameters", ())),
                "body": content(operation.get("requestBody", {})),
                "responses": {code: content(each) for code, each in sorted(operation["responses"].items())},
            }
            for method, operation in sorted(operations.items())
        }
        for path, operations in sorted(document["paths"].items())
    }


_SAMPLE = re.compile(r"([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)")
_VARIES = ("_seconds", "_writes", "_requests", "streamtop_requests", "_created")


def metrics_shape(body: bytes) -> Json:
    """Return the metrics' names, types and labels, and the values of those that no timing decides."""
    types: dict[str, str] = {}
    samples: dict[str, Json] = {}
    for line in body.decode().splitlines():
        if line.startswith("# TYPE "):
            _, _, name, kind = line.split(" ")
            types[name] = kind
        elif match := _SAMPLE.fullmatch(line):
            name, labels, value = match.groups()
            if any(part in name for part in _VARIES):
                names = sorted(re.findall(r'(\w+)="', labels or ""))
                samples[f"{name}{{{','.join(names)}}}"] = "varies"
            else:
                samples[f"{name}{{{labels or ''}}}"] = float(value)
    return {"types": types, "samples": samples}


def field_orders(transcript: list[Exchange]) -> dict[str, list[list[str]]]:
    """Return the orders in which the fields of each object were sent, by method, path and place in the body."""
    orders: dict[str, list[list[str]]] = {}

    def visit(value: Json, place: str) -> None:
        if isinstance(value, dict):
            fields = list(value)
            if fields not in orders.setdefault(place, []):
                orders[place].append(fields)
            for name, item in value.items():
                visit(item, f"{place}.{name}")
        elif isinstance(value, list):
            for item in value:
                visit(item, f"{place}[]")

    for exchange in transcript:
        request = re.sub(r"[?].*", "", exchange["request"])
        if not request.endswith(("/openapi.json", "/metrics")):
            visit(without_additions(exchange["body"]), request + " ")
    return {place: sorted(found) for place, found in sorted(orders.items())}


def check_transcript(expected: list[Exchange], found: list[Exchange]) -> None:
    """Fail where two transcripts differ, and list how."""
    found = without_additions(found)
    lines: list[str] = []
    for number, (before, now) in enumerate(zip(expected, found, strict=False)):
        where = f"{number} {before['request']} ({before['token']}, {before.get('note', '')})"
        lines += [f"{where}: {line}" for line in _differences(before, json.loads(json.dumps(now)), "")]
    if len(expected) != len(found):
        lines.append(f"{len(expected)} exchanges before, {len(found)} now")
    _fail_with(lines)


def without_additions(value: Json) -> Json:
    """Return a JSON value without the fields, paths and metrics that were added since."""
    if isinstance(value, list):
        return [without_additions(item) for item in value if item not in ADDED_PARAMETERS]
    if not isinstance(value, dict):
        return value
    value = value | {path: _without_conflicts(value[path]) for path in _NEW_CONFLICTS if path in value}
    return {
        name: without_additions(item)
        for name, item in value.items()
        if name not in ADDED and not name.startswith(ADDED_METRICS) and (name, item) != ("imported", "boolean")
    }


def _without_conflicts(path: Json) -> Json:
    """Return the description of a path without the answers to requests that conflict with what is stored."""
    return {
        method: operation
        | {"responses": {status: body for status, body in operation["responses"].items() if status != "409"}}
        for method, operation in path.items()
    }


def check_equal(before: Json, now: Json) -> None:
    """Fail where two JSON values differ, and list how."""
    _fail_with(_differences(before, without_additions(json.loads(json.dumps(now))), ""))


def _fail_with(lines: list[str]) -> None:
    if lines:
        raise AssertionError("\n".join([f"{len(lines)} differences:", *lines[:40]]))


def _differences(before: Json, now: Json, path: str) -> list[str]:
    is_left_out = path.rpartition(".")[2] in LEFT_OUT and before is None and now == ABSENT
    if is_left_out or (path.endswith(ADDED_BELOW) and before == ABSENT):
        return []
    if isinstance(before, dict) and isinstance(now, dict):
        return [
            line
            for name in sorted(before.keys() | now.keys())
            for line in _differences(before.get(name, ABSENT), now.get(name, ABSENT), f"{path}.{name}")
        ]
    if isinstance(before, list) and isinstance(now, list) and len(before) == len(now):
        pairs = enumerate(zip(before, now, strict=True))
        return [line for number, (one, other) in pairs for line in _differences(one, other, f"{path}[{number}]")]
    if _is_order(before) and _is_order(now):
        before = [name for name in before if name in now or name not in LEFT_OUT]
    return [] if before == now else [f"{path}: {str(before)[:200]} before, {str(now)[:200]} now"]


def _is_order(value: Json) -> bool:
    """Return whether a value is a list of names, as those of `field_orders`."""
    return isinstance(value, list) and all(isinstance(name, str) for name in value)


def with_imports_as_before(value: Any) -> Any:
    """Return what an answer was before imported records had a provenance of their own: they were `live`."""
    if isinstance(value, list):
        return [with_imports_as_before(item) for item in value]
    if not isinstance(value, dict):
        return value
    before = {name: with_imports_as_before(item) for name, item in value.items()}
    if before.pop("imported", None) is True:
        before["provenance"] = "live"
    elif "imported" in value:
        before = {name: with_imports_as_before(item) for name, item in value.items()}
    return before


def with_silent_as_lost(before: Any, now: Any) -> Any:
    """Return what an answer was when the subscribers of a silent server counted as lost: total minus active."""

    def lost_before(before: dict[str, Any], now: dict[str, Any]) -> dict[str, Any]:
        found = {}
        for names in (("lostSubscribers", "totalSubscribers", "aciveSubscribers"), ("lost", "total", "active")):
            if all(isinstance(record.get(name), int) for record in (before, now) for name in names):
                lost, total, active = (now[name] for name in names)
                if lost < before[names[0]] == total - active:
                    found[names[0]] = total - active
        return found

    return _with_former(before, now, lost_before)


def with_maxima_by_arrival(before: Any, now: Any) -> Any:
    """Return what an answer was when the maximum over several servers depended on when each of them reported."""

    def maximum_before(before: dict[str, Any], now: dict[str, Any]) -> dict[str, Any]:
        for active, most, total in (
            ("aciveSubscribers", "maxSubscribers", "totalSubscribers"),
            ("active", "peak", "total"),
        ):
            if all(isinstance(record.get(name), int) for record in (before, now) for name in (active, most, total)):
                return {most: before[most]} if now[active] <= now[most] <= now[total] else {}
        return {}

    return _with_former(before, now, maximum_before)


def _with_former(before: Any, now: Any, former: Callable[[dict[str, Any], dict[str, Any]], dict[str, Any]]) -> Any:
    """Return what is now, in which each object has those of its fields that `former` returns as they were."""
    if isinstance(before, list) and isinstance(now, list) and len(before) == len(now):
        return [_with_former(one, other, former) for one, other in zip(before, now, strict=True)]
    if not isinstance(before, dict) or not isinstance(now, dict):
        return now
    return {name: _with_former(before.get(name), item, former) for name, item in now.items()} | former(before, now)
