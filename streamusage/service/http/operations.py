"""The table of operations: method, path, parameters, answer type and failures of everything that the service answers.

Routes (`app.py`) and `/openapi.json` (`openapi.py`) are both made from this table, so that neither can miss an
operation that the other has.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Annotated, Any, Literal, get_args

import msgspec
from msgspec import Meta

from streamusage.api.alerts import AlertList, DeliveryTest, DeliveryTestRequest, SilenceRequest, SilenceResult, Silences
from streamusage.api.daily import Adjustments, CloseResult, Daily, DailySums, SumGroup
from streamusage.api.disagreements import Disagreements
from streamusage.api.evidence import Chain, CorrectionResult, Corrections, SignedStatement
from streamusage.api.extension import (
    Audit,
    Changes,
    Coverage,
    History,
    ImportResult,
    LiveStream,
    Orphans,
    Placements,
    RemovedServer,
    RepairedServer,
    Servers,
    Trends,
)
from streamusage.api.report import (
    Acknowledgement,
    ClockQuestion,
    ClockReading,
    ClockState,
    EpochIssued,
    EpochRequest,
    Report,
)
from streamusage.core.usage import UsageRecord
from streamusage.service.http import openapi_examples as examples

VERSIONS = ("3.1", "4.0")
"""Versions of the documented API. They are the same."""
STREAM_PATH = "/{scope}/{name}"

LARGEST_NUMBER = 2**53
"""The largest whole number that JSON holds exactly."""
LONGEST_NAME = 4_096
"""The most characters of a scope or a name."""
LONGEST_REASON = 1_000
"""The most characters of the reason of a correction."""
LARGEST_PAGE = 10_000
"""The most rows of one page of changes, orphans or audit entries."""


class Access(Enum):
    """Who may use an operation, and how the token is sent."""

    ANYONE = "no token"
    DOCUMENTED_READER = "a viewer's or an admin's token in accessToken; a failure is a 400, as documented"
    DOCUMENTED_ADMIN = "an admin's token in accessToken; a failure is a 400, as documented"
    READER = "a viewer's or an admin's token"
    CUSTOMER = "a viewer's or an admin's token, or one of a customer, which reads the figures of that customer only"
    ADMIN = "an admin's token"
    AGENT = "the token of the agent of the server in the path"


@dataclass(frozen=True)
class Parameter:
    """A parameter of an operation, with its JSON schema."""

    name: str
    schema: Mapping[str, Any]
    where: Literal["query", "path", "header"] = "query"
    is_required: bool = False
    description: str = ""
    example: str | None = None


@dataclass(frozen=True, eq=False)
class Operation:
    """One method of one path."""

    method: Literal["GET", "POST", "DELETE"]
    path: str
    """Path template as clients read it. `{scope}` may have several segments."""
    operation_id: str
    """Name of the operation in generated clients. It never changes."""
    summary: str
    tag: str
    access: Access
    answer: Any = None
    """Type of the JSON body of a 200; `None` for an empty body or one that is not JSON."""
    example: Any = None
    parameters: tuple[Parameter, ...] = ()
    body: Any = None
    """Type of the JSON body of the request."""
    body_example: Any = None
    failures: tuple[int, ...] = ()
    """Statuses of failures besides those that follow from `access` and those of every operation."""
    refusals: tuple[int, ...] = ()
    """Statuses with which a report is refused: their body is a `Refusal`."""
    responses: Mapping[int, Mapping[str, Any]] | None = None
    """Responses that the answer type does not describe, in OpenAPI's form."""


class HealthStatus(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Answer of `/healthz` and `/readyz`."""

    status: str
    now: int
    clock: ClockState | None = None
    """Whether the service trusts its clock; in `/readyz` only. In doubt the service is ready: it accepts reports."""
    message: str | None = None
    """The doubt in a sentence."""


class CloseRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The day to close, and the server; every server if none is named."""

    day: Annotated[str, Meta(extra_json_schema={"format": "date"})]
    tz: str = "UTC"
    server: str | None = None


class CorrectionRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The closed day whose pending figures are proposed as a correction."""

    day: Annotated[str, Meta(extra_json_schema={"format": "date"})]
    server: str
    reason: Annotated[str, Meta(min_length=1, max_length=LONGEST_REASON)]
    tz: str = "UTC"


class ApprovalRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The correction to approve."""

    id: Annotated[int, Meta(ge=1, le=LARGEST_NUMBER)]


class ReversalRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The approved correction to take back."""

    id: Annotated[int, Meta(ge=1, le=LARGEST_NUMBER)]
    reason: Annotated[str, Meta(min_length=1, max_length=LONGEST_REASON)]


_MILLIS = {"type": "integer", "minimum": 0, "maximum": LARGEST_NUMBER}
_DAY = {"type": "string", "format": "date"}
_TEXT = {"type": "string", "minLength": 1, "maxLength": LONGEST_NAME}
_STREAM = (
    Parameter("scope", _TEXT, "path", True, "May have several segments, separated by slashes"),
    Parameter("name", _TEXT, "path", True, "A slash inside the name is encoded as %2F"),
)
_SERVER_IN_PATH = Parameter("server", {"type": "string", "minLength": 1, "maxLength": 64}, "path", True)
_WINDOW = (Parameter("from", _MILLIS, is_required=True), Parameter("to", _MILLIS, is_required=True))
_SERVER = Parameter("server", {"type": "string"})
_LIMIT = Parameter("limit", {"type": "integer", "minimum": 1, "maximum": LARGEST_PAGE})
_PAGE = (Parameter("from", _MILLIS), Parameter("to", _MILLIS), _LIMIT)
_DAYS = (
    Parameter("from", _DAY, is_required=True),
    Parameter("to", _DAY, is_required=True),
    Parameter("tz", {"type": "string"}, example="Europe/Berlin"),
    _SERVER,
)
_STEP = Parameter("step", {"type": "integer", "minimum": 60_000, "multipleOf": 60_000})
_START_TIME = Parameter(
    "startTime",
    {"type": "integer", "minimum": -LARGEST_NUMBER, "maximum": LARGEST_NUMBER},
    description="Start time of one session",
)
_BODY_FAILURES = (413, 415)


def _documented(version: str) -> tuple[Operation, ...]:
    usage = f"/streammanager/api/{version}/admin/event/usage"
    stream = usage + STREAM_PATH
    reader, admin = Access.DOCUMENTED_READER, Access.DOCUMENTED_ADMIN
    return (
        Operation(
            "GET",
            usage,
            f"read_all_{version}",
            "Read all usage records",
            tag="documented",
            access=reader,
            answer=list[UsageRecord],
            example=[examples.RECORD],
            parameters=(Parameter("If-None-Match", {"type": "string"}, "header"),),
            responses={304: {"description": "Unchanged since that ETag"}},
        ),
        Operation(
            "DELETE",
            usage,
            f"delete_all_{version}",
            "Delete all usage records",
            tag="documented",
            access=admin,
        ),
        Operation(
            "GET",
            stream,
            f"read_stream_{version}",
            "Read the records of a stream",
            tag="documented",
            access=reader,
            answer=list[UsageRecord],
            example=[examples.RECORD],
            parameters=_STREAM,
            failures=(404,),
        ),
        Operation(
            "DELETE",
            stream,
            f"delete_stream_{version}",
            "Delete the records of a stream, or with startTime one session's record",
            tag="documented",
            access=admin,
            parameters=(*_STREAM, _START_TIME),
            failures=(404,),
            responses={
                200: {"description": "Deleted. With startTime the body is the deleted record, otherwise it is empty"}
            },
        ),
        Operation(
            "GET",
            f"/streammanager/api/{version}/event/list/stats",
            f"live_{version}",
            "List the live streams; needs no token",
            tag="documented",
            access=Access.ANYONE,
            answer=list[LiveStream],
            example=examples.LIVE,
        ),
    )


READ_ALL, DELETE_ALL, READ_STREAM, DELETE_STREAM, LIVE = zip(*map(_documented, VERSIONS), strict=True)
"""The documented operations, one for each version."""

CHANGES = Operation(
    "GET",
    "/api/v1/changes",
    "changes_api_v1_changes_get",
    "What changed or was deleted since a cursor",
    tag="extension",
    access=Access.READER,
    answer=Changes,
    example=examples.CHANGES,
    parameters=(Parameter("cursor", {"type": "string"}), _LIMIT),
)
SERVERS = Operation(
    "GET",
    "/api/v1/servers",
    "servers_api_v1_servers_get",
    "Servers, their state and what they owe",
    tag="extension",
    access=Access.READER,
    answer=Servers,
    example=examples.SERVERS,
)
COVERAGE = Operation(
    "GET",
    "/api/v1/coverage",
    "coverage_api_v1_coverage_get",
    "Which time is accounted for, and how",
    tag="extension",
    access=Access.READER,
    answer=Coverage,
    example=examples.COVERAGE,
    parameters=(*_WINDOW, _SERVER),
)
DISAGREEMENTS = Operation(
    "GET",
    "/api/v1/disagreements",
    "disagreements_api_v1_disagreements_get",
    "Hours whose figures were counted in two ways and differ",
    tag="extension",
    access=Access.READER,
    answer=Disagreements,
    example=examples.DISAGREEMENTS,
    parameters=(*_WINDOW, _SERVER),
)
PLACEMENTS = Operation(
    "GET",
    "/api/v1/carriers",
    "placements_api_v1_carriers_get",
    "Which server carried which stream, and when",
    tag="extension",
    access=Access.READER,
    answer=Placements,
    example=examples.PLACEMENTS,
    parameters=(*_WINDOW, _SERVER),
)
TRENDS = Operation(
    "GET",
    "/api/v1/trends",
    "trends_api_v1_trends_get",
    "Subscribers of every live stream over time",
    tag="extension",
    access=Access.READER,
    answer=Trends,
    example=examples.TRENDS,
    parameters=(*_WINDOW, _STEP),
)
HISTORY = Operation(
    "GET",
    "/api/v1/streams/{scope}/{name}/history",
    "history_api_v1_streams__scope_and_name__history_get",
    "Subscribers of a stream over time",
    tag="extension",
    access=Access.READER,
    answer=History,
    example=examples.HISTORY,
    parameters=(*_STREAM, *_WINDOW, _STEP),
)
IMPORT = Operation(
    "POST",
    "/api/v1/import",
    "import_usage_records_api_v1_import_post",
    "Import exported usage records",
    tag="extension",
    access=Access.ADMIN,
    answer=ImportResult,
    example={"imported": 1, "kept": 0},
    body=list[UsageRecord],
    body_example=[examples.RECORD],
    failures=(*_BODY_FAILURES, 422),
)

DAILY = Operation(
    "GET",
    "/api/v1/daily",
    "daily_api_v1_daily_get",
    "Daily statistics by server",
    tag="extension",
    access=Access.READER,
    answer=Daily,
    example=examples.DAILY,
    parameters=_DAYS,
    failures=(409,),
)
DAILY_SUMS = Operation(
    "GET",
    "/api/v1/daily/sums",
    "sums_api_v1_daily_sums_get",
    "Daily statistics added up by group of servers or streams, day or month",
    tag="extension",
    access=Access.CUSTOMER,
    answer=DailySums,
    example=examples.DAILY_SUMS,
    parameters=(
        *_DAYS,
        Parameter("by", {"enum": ["day", "month"]}),
        Parameter("group", {"enum": list(get_args(SumGroup))}),
        Parameter(
            "customer",
            {"type": "string", "minLength": 1},
            description="Only the streams of this customer; with a group of streams",
        ),
    ),
    failures=(409,),
)
ADJUSTMENTS = Operation(
    "GET",
    "/api/v1/adjustments",
    "adjustments_api_v1_adjustments_get",
    "Adjustments of closed days",
    tag="extension",
    access=Access.READER,
    answer=Adjustments,
    example=examples.ADJUSTMENTS,
    parameters=_DAYS,
)
CLOSE_DAY = Operation(
    "POST",
    "/api/v1/days/close",
    "close_api_v1_days_close_post",
    "Close a day with the figures that are stored",
    tag="extension",
    access=Access.ADMIN,
    answer=CloseResult,
    example=examples.CLOSED,
    body=CloseRequest,
    body_example={"day": "2026-11-20", "tz": "Europe/Berlin", "server": "edge-3"},
    failures=(404, 409, *_BODY_FAILURES, 422),
)

STATEMENT = Operation(
    "GET",
    "/api/v1/statement",
    "statement_api_v1_statement_get",
    "The signed statement of closed days",
    tag="extension",
    access=Access.READER,
    answer=SignedStatement,
    example=examples.STATEMENT,
    parameters=_DAYS,
    failures=(409,),
)
CHAIN = Operation(
    "GET",
    "/api/v1/chain",
    "chain_api_v1_chain_get",
    "Entries of the chain of closings, voids and corrections, by number",
    tag="extension",
    access=Access.READER,
    answer=Chain,
    example=examples.CHAIN,
    parameters=(
        Parameter("first", {"type": "integer", "minimum": 0, "maximum": LARGEST_NUMBER}),
        Parameter("last", {"type": "integer", "minimum": 0, "maximum": LARGEST_NUMBER}),
        _LIMIT,
    ),
)
CORRECTIONS = Operation(
    "GET",
    "/api/v1/corrections",
    "corrections_api_v1_corrections_get",
    "Corrections of closed days, proposed and approved",
    tag="extension",
    access=Access.READER,
    answer=Corrections,
    example=examples.CORRECTIONS,
    parameters=_DAYS,
)
PROPOSE_CORRECTION = Operation(
    "POST",
    "/api/v1/corrections",
    "propose_api_v1_corrections_post",
    "Propose what is pending in a closed day as a correction",
    tag="extension",
    access=Access.ADMIN,
    answer=CorrectionResult,
    example=examples.CORRECTION,
    body=CorrectionRequest,
    body_example={"day": "2026-11-17", "tz": "Europe/Berlin", "server": "edge-3", "reason": "late log of edge-3"},
    failures=(404, 409, *_BODY_FAILURES, 422),
)
APPROVE_CORRECTION = Operation(
    "POST",
    "/api/v1/corrections/approve",
    "approve_api_v1_corrections_approve_post",
    "Approve a correction that another token or the service proposed",
    tag="extension",
    access=Access.ADMIN,
    answer=CorrectionResult,
    example=examples.CORRECTION,
    body=ApprovalRequest,
    body_example={"id": 7},
    failures=(404, 409, *_BODY_FAILURES, 422),
)
REVERSE_CORRECTION = Operation(
    "POST",
    "/api/v1/corrections/reverse",
    "reverse_api_v1_corrections_reverse_post",
    "Propose to take an approved correction back",
    tag="extension",
    access=Access.ADMIN,
    answer=CorrectionResult,
    example=examples.CORRECTION,
    body=ReversalRequest,
    body_example={"id": 7, "reason": "approved for the wrong server"},
    failures=(404, 409, *_BODY_FAILURES, 422),
)

EPOCHS = Operation(
    "POST",
    "/api/v1/agents/{server}/epochs",
    "epochs_api_v1_agents__server__epochs_post",
    "Issue an epoch; it has no effect until a report uses it",
    tag="agents",
    access=Access.AGENT,
    answer=EpochIssued,
    example=examples.EPOCH,
    parameters=(_SERVER_IN_PATH,),
    body=EpochRequest,
    body_example={"journal": "0f6a2d", "epoch": 0},
    failures=(404, 409, *_BODY_FAILURES, 422, 429),
)
REPORTS = Operation(
    "POST",
    "/api/v1/agents/{server}/reports",
    "reports_api_v1_agents__server__reports_post",
    "Apply a report; answers after the commit",
    tag="agents",
    access=Access.AGENT,
    answer=Acknowledgement,
    example={"epoch": 1, "acknowledged": 7, "now": 1525079744558, "received_at": 1525079744551},
    parameters=(_SERVER_IN_PATH,),
    body=Report,
    body_example=examples.REPORT,
    failures=(404, *_BODY_FAILURES, 429),
    refusals=(409, 422),
)

CLOCK = Operation(
    "POST",
    "/api/v1/agents/{server}/clock",
    "clock_api_v1_agents__server__clock_post",
    "Read the service's clock; no effect on accounts",
    tag="agents",
    access=Access.AGENT,
    answer=ClockReading,
    example={"now": 1525079744558, "received_at": 1525079744557},
    parameters=(_SERVER_IN_PATH,),
    body=ClockQuestion,
    body_example={"machine": {"boot": "a3c1f3b0-9f07-4c0e-8f0d-1d7a4c1b2e3f", "at": 1525079744012}},
    failures=(404, *_BODY_FAILURES, 422),
)

ALERTS = Operation(
    "GET",
    "/api/v1/alerts",
    "alerts_api_v1_alerts_get",
    "Alerts that are pending, fire or ended lately, and their receivers",
    tag="alerts",
    access=Access.READER,
    answer=AlertList,
    example=examples.ALERTS,
)
SILENCES = Operation(
    "GET",
    "/api/v1/alerts/silences",
    "silences_api_v1_alerts_silences_get",
    "Silences that have not ended",
    tag="alerts",
    access=Access.READER,
    answer=Silences,
    example={"now": examples.NOW, "silences": [examples.SILENCE]},
)
SILENCE = Operation(
    "POST",
    "/api/v1/alerts/silences",
    "silence_api_v1_alerts_silences_post",
    "Keep messages about matching alerts back for a time",
    tag="alerts",
    access=Access.ADMIN,
    answer=SilenceResult,
    example={"now": examples.NOW, "silence": examples.SILENCE},
    body=SilenceRequest,
    body_example={"matchers": {"server": "edge-*"}, "for_ms": 7_200_000, "reason": "new disks"},
    failures=(*_BODY_FAILURES, 422),
)
END_SILENCE = Operation(
    "DELETE",
    "/api/v1/alerts/silences/{id}",
    "end_silence_api_v1_alerts_silences__id__delete",
    "End a silence now",
    tag="alerts",
    access=Access.ADMIN,
    answer=SilenceResult,
    example={"now": examples.NOW, "silence": examples.SILENCE},
    parameters=(Parameter("id", {"type": "string", "minLength": 1, "maxLength": 64}, "path", True),),
    failures=(404,),
)
TEST_RECEIVER = Operation(
    "POST",
    "/api/v1/alerts/test",
    "test_api_v1_alerts_test_post",
    "Send a test message to a receiver and return what it answers",
    tag="alerts",
    access=Access.ADMIN,
    answer=DeliveryTest,
    example={
        "now": examples.NOW,
        "receiver": "ops",
        "is_delivered": True,
        "status": 200,
        "took_ms": 41,
        "answer": "ok",
    },
    body=DeliveryTestRequest,
    body_example={"receiver": "ops"},
    failures=(404, 409, *_BODY_FAILURES, 422),
)

REMOVE_SERVER = Operation(
    "DELETE",
    "/api/v1/servers/{server}",
    "remove_api_v1_servers__server__delete",
    "Remove a server from the estate",
    tag="operations",
    access=Access.ADMIN,
    answer=RemovedServer,
    example={"now": 1525079744558, "server": "edge-1", "removed": "in order", "sessions": 3},
    parameters=(_SERVER_IN_PATH, Parameter("force", {"type": "boolean"})),
    failures=(404, 409),
)
REPAIR_SERVER = Operation(
    "POST",
    "/api/v1/servers/{server}/repair",
    "repair_api_v1_servers__server__repair_post",
    "Move figures that a wrong clock filed in the future; with dry=true, the default, only list what would change",
    tag="operations",
    access=Access.ADMIN,
    answer=RepairedServer,
    example=examples.REPAIRED,
    parameters=(_SERVER_IN_PATH, Parameter("dry", {"type": "boolean", "default": True})),
    failures=(404,),
)
ORPHANS = Operation(
    "GET",
    "/api/v1/orphans",
    "orphans_api_v1_orphans_get",
    "Reports of deleted records",
    tag="operations",
    access=Access.READER,
    answer=Orphans,
    example=examples.ORPHANS,
    parameters=_PAGE,
)
AUDIT = Operation(
    "GET",
    "/api/v1/audit",
    "audit_api_v1_audit_get",
    "Who deleted, discarded or imported what, and when",
    tag="operations",
    access=Access.ADMIN,
    answer=Audit,
    example=examples.AUDIT,
    parameters=_PAGE,
)
HEALTH = Operation(
    "GET",
    "/healthz",
    "healthz_healthz_get",
    "Liveness; needs no token",
    tag="operations",
    access=Access.ANYONE,
    answer=HealthStatus,
    example={"status": "ok", "now": examples.NOW},
)
READY = Operation(
    "GET",
    "/readyz",
    "readyz_readyz_get",
    "Readiness: whether the store is writable; needs no token",
    tag="operations",
    access=Access.ANYONE,
    answer=HealthStatus,
    example={"status": "ready", "now": examples.NOW, "clock": "trusted"},
)
METRICS = Operation(
    "GET",
    "/metrics",
    "metrics_metrics_get",
    "Metrics for Prometheus",
    tag="operations",
    access=Access.READER,
    parameters=(
        Parameter(
            "include",
            {"enum": ["process", "estate"]},
            description="Metrics of the process that answers, or of the estate, which all processes on a store have",
        ),
    ),
    responses={
        200: {
            "description": "Prometheus' text format, or OpenMetrics if Accept names it",
            "content": {
                "text/plain": {"schema": {"type": "string"}},
                "application/openmetrics-text": {"schema": {"type": "string"}},
            },
        }
    },
    failures=(400,),
)

OPERATIONS = (
    EPOCHS, REPORTS, CLOCK,
    *READ_ALL, *DELETE_ALL, *READ_STREAM, *DELETE_STREAM, *LIVE,
    CHANGES, SERVERS, COVERAGE, DISAGREEMENTS, PLACEMENTS, TRENDS, HISTORY, IMPORT,
    DAILY, DAILY_SUMS, ADJUSTMENTS, CLOSE_DAY,
    STATEMENT, CHAIN, CORRECTIONS, PROPOSE_CORRECTION, APPROVE_CORRECTION, REVERSE_CORRECTION,
    ALERTS, SILENCES, SILENCE, END_SILENCE, TEST_RECEIVER,
    REMOVE_SERVER, REPAIR_SERVER, ORPHANS, AUDIT, HEALTH, READY, METRICS,
)  # fmt: skip
"""Every operation except `/openapi.json` itself."""
