"""The store's tables, the same on every engine. Every change here needs a revision under `migrations/`.

Counts, bytes and times are whole numbers in 64-bit columns; times are UTC milliseconds. Flags are 0 or 1. A stream is
indexed by its digest (`stream_key`), because names may be longer than an index entry.
"""

from functools import lru_cache
from hashlib import blake2b

from sqlalchemy import BigInteger, Column, ColumnElement, Index, LargeBinary, MetaData, Table, literal_column, text

from streamusage.core.figures import SLOT_SUM_NAMES, STREAM_SUM_NAMES
from streamusage.core.usage import RECORD_FIELDS
from streamusage.service.store.engines import TABLE_OPTIONS
from streamusage.service.store.sql import AnyText

metadata = MetaData()


def _number(name: str, *, key: bool = False, null: bool = False, default: str | None = None) -> Column[int]:
    return Column(name, BigInteger, primary_key=key, nullable=null, autoincrement=False, server_default=default)


def _stream(*, key: bool = False) -> Column[bytes]:
    return Column("stream", LargeBinary, primary_key=key, nullable=False)


def _text(name: str, *, key: bool = False, default: str | None = None) -> Column[str]:
    return Column(name, AnyText, primary_key=key, nullable=False, server_default=default)


def _index_of_ended(name: str, column: str, flag: str) -> Index:
    """Return an index of the rows whose flag is not set; reports write the others without it."""
    ended = text(f"{flag} <> 1")
    return Index(name, column, sqlite_where=ended, postgresql_where=ended)


def has_ended(flag: Column[int]) -> ColumnElement[bool]:
    """Return the condition of the rows in an index of ended ones: a parameter instead of 1 would not use it, and
    `= 0` would use an index of the flag.
    """
    return flag != literal_column("1")


_UNCONSIDERED = text("entries > considered")
_IS_LOST = text("state = 'lost'")


@lru_cache(maxsize=2_048)
def stream_key(scope: str, name: str) -> bytes:
    """Return the digest that identifies a stream in keys and indexes; two streams never share one."""
    scope_bytes = scope.encode()
    return blake2b(b"%d:%b%b" % (len(scope_bytes), scope_bytes, name.encode()), digest_size=16).digest()


servers = Table(
    "servers",
    metadata,
    _text("server", key=True),
    _text("role"),
    _number("epoch"),  # the active one; 0 until the first report
    _text("life"),  # of the agent's journal
    _number("issued"),
    _number("acknowledged"),  # the active epoch's revision
    _number("since", null=True),  # the start of what the server is accounted for
    _number("watermark", null=True),
    Column("baseline", LargeBinary, nullable=True),  # JSON of report.Baseline
    _number("sync_interval_ms"),
    _text("phase"),
    _number("last_sync_at", null=True),
    _number("clock_offset_ms"),
    _text("owes"),  # missing or held while its figures are overdue, as in the `usage` rows of its live sessions
    _number("unreachable", default="0"),  # 1: silent beyond the edge timeout, its subscribers do not count
    _text("removed", default=""),  # in order, or by force; empty while it is part of the estate
    _number("removed_at", null=True),
    _number("summed_to", default="0"),  # its hours before this instant are in `hours`
    _number("days_summed_to", default="0"),  # its UTC days before this instant are in `utc_days`
    _number("closed_to", default="0"),  # the end of its last closed day
    _number("machine_offset_ms", null=True),  # the agent's machine's own clock minus trusted time at the last sync
    _number("clock_refused_at", null=True),  # since when its reports cover time after trusted time; null otherwise
    _number("clock_refused_by_ms", default="0"),  # how far the newest of them was ahead
    _text("source_error", default=""),  # why its agent has no reading, in the agent's words; empty while it has
    _number("source_error_since", null=True),  # since when; null while it has readings
    _number("source_error_at", null=True),  # when the agent reported this last
    _number("parts_pending", default="0"),  # of its newest report, in `report_parts`
    _number("previous_epoch", default="0"),  # the one that the active epoch continued; 0 if unknown
    _number("minutes_kept_from", default="0"),  # its minutes before this instant are discarded, their hours are kept
    _number("hours_kept_from", default="0"),  # its hours before this instant are discarded, their UTC days are kept
)

report_parts = Table(
    "report_parts",
    metadata,
    _text("server", key=True),
    _number("number", key=True),  # they are applied in this order
    Column("body", LargeBinary, nullable=False),  # zlib of the msgpack of parts.ReportPart
)

slots = Table(
    "slots",
    metadata,
    _text("server", key=True),
    _number("epoch", key=True),
    _number("slot", key=True),
    _number("revision"),
    *map(_number, SLOT_SUM_NAMES),
    _number("peak_in_bps", null=True),
    _number("peak_in_at", null=True),
    _number("peak_in_window_ms", null=True),
    _number("peak_out_bps", null=True),
    _number("peak_out_at", null=True),
    _number("peak_out_window_ms", null=True),
    *(_number(f"late_{name}") for name in SLOT_SUM_NAMES),  # the part that arrived late
    Index("slots_by_time", "slot", "server"),
    **TABLE_OPTIONS,
)

slot_connections = Table(
    "slot_connections",
    metadata,
    _text("server", key=True),
    _number("epoch", key=True),
    _number("slot", key=True),
    _text("protocol", key=True),
    _number("connections"),
    _number("late_connections"),
    Index("slot_connections_by_time", "slot", "server"),
    **TABLE_OPTIONS,
)

stream_slots = Table(
    "stream_slots",
    metadata,
    _text("server", key=True),
    _number("epoch", key=True),
    _number("slot", key=True),
    _number("revision"),  # the slot's, when the agent changed a stream of it last
    Column("streams", LargeBinary, nullable=False),  # of all its streams, see streams/stream_slots.py
    Index("stream_slots_by_time", "slot", "server"),
)

spans = Table(
    "spans",
    metadata,
    _text("server", key=True),
    _number("from_ms", key=True),
    _number("to_ms"),
    _text("state"),
    _text("reason"),
    _number("detected_at", null=True),
    _number("filled_at", null=True),
    Index("spans_by_end", "server", "to_ms"),
    Index("spans_lost", "to_ms", sqlite_where=_IS_LOST, postgresql_where=_IS_LOST),
    **TABLE_OPTIONS,
)

outages = Table(
    "outages",
    metadata,
    _text("server", key=True),
    _number("from_ms", key=True),
    _number("to_ms"),  # when the newest of its phases began
    Column("phases", LargeBinary, nullable=False),  # JSON of report.PhaseChange
    _number("failed_attempts"),
    _text("error"),
    _number("left_out"),
    Index("outages_by_end", "server", "to_ms"),
    **TABLE_OPTIONS,
)

RELAYS, ANCHORS, RELAYS_DELETED = 0, 1, 2
"""What a publish is to its session (`server_sessions.anchors`): an edge relays it, or its start time makes the session.
`RELAYS_DELETED` is an edge's publish that was first reported after the record of its session was deleted: nothing of it
was deleted, so that it joins a session that an anchor makes later, as if the anchor had been reported first.
"""

server_sessions = Table(
    "server_sessions",
    metadata,
    _text("server", key=True),
    _number("epoch", key=True),
    _text("publish_id", key=True),
    _number("revision"),
    _stream(),
    _text("scope"),
    _text("name"),
    _number("start_time"),
    _number("end_time"),
    _number("live"),
    _number("active"),
    _number("highest"),
    _number("total"),
    _number("anchors"),  # what it is to its session, see `ANCHORS`
    _number("late"),  # its newest figures arrived too late to be live
    _number("session_start"),  # start_time of the usage record that it is part of
    Index("server_sessions_by_session", "stream", "session_start"),
    Index("server_sessions_by_publish", "server", "publish_id"),
    Index("server_sessions_live", "live", "server"),
    _index_of_ended("server_sessions_ended", "end_time", "live"),
    **TABLE_OPTIONS,
)

viewers = Table(
    "viewers",
    metadata,
    _text("server", key=True),
    _text("viewer_id", key=True),
    _number("revision"),
    _text("scope"),
    _text("name"),
    _text("protocol"),
    _number("started_at"),
    _text("publish_id"),
    _number("counted_to", null=True),
    **TABLE_OPTIONS,
)

# Without a second index, which took most of the table's bytes: `server_sessions` shows which servers have a stream.
samples = Table(
    "samples",
    metadata,
    _text("server", key=True),
    _stream(key=True),
    _number("slot", key=True),
    _number("epoch"),
    _number("revision"),
    _number("active"),
    _number("highest"),
    _number("late"),
    **TABLE_OPTIONS,
)

DIVIDED_BY = {
    slots.name: slots.c.slot,
    slot_connections.name: slot_connections.c.slot,
    stream_slots.name: stream_slots.c.slot,
    samples.name: samples.c.slot,
    spans.name: spans.c.from_ms,
}
"""The large tables, and the time of their rows, by which an engine may divide them."""

usage = Table(
    "usage",
    metadata,
    _stream(key=True),
    _number("start_time", key=True),
    _text("scope"),
    _text("name"),
    *(_number(name) for name in RECORD_FIELDS.values() if name not in ("start_time", "scope", "name")),
    _number("live"),
    _text("provenance"),  # of its newest figures, or imported
    _number("unseen_subscribers", default="0"),  # of the active ones: at servers that owe newer figures
    _number("touched_at", default="0"),  # when the service last wrote it: decides retention
    _number("change"),  # the newest change of any row is the highest
    Index("usage_by_change", "change", unique=True),
    _index_of_ended("usage_ended", "touched_at", "live"),
    **TABLE_OPTIONS,
)

tombstones = Table(
    "tombstones",
    metadata,
    _stream(key=True),
    _number("start_time", key=True),
    _text("scope"),
    _text("name"),
    _number("deleted_at"),
    _text("reason"),  # deleted, discarded: permanent. joined: now part of another session, or of none
    _number("change"),
    Index("tombstones_by_change", "change", unique=True),
    Index("tombstones_by_time", "deleted_at"),
    **TABLE_OPTIONS,
)

orphans = Table(
    "orphans",
    metadata,
    _stream(key=True),
    _number("start_time", key=True),
    _text("server", key=True),
    _number("epoch", key=True),
    _text("publish_id", key=True),
    _text("scope"),
    _text("name"),
    _number("end_time"),
    _number("active"),
    _number("highest"),
    _number("total"),
    _number("first_at"),  # when the first row after the delete arrived
    _number("last_at"),
    Index("orphans_by_time", "last_at"),
    **TABLE_OPTIONS,
)

audit = Table(
    "audit",
    metadata,
    _number("at", key=True),
    _text("id", key=True),
    _text("who"),  # the token's name, never the token
    _text("operation"),
    _text("scope"),
    _text("name"),
    _number("start_time", null=True),
    _number("records"),
)

held = Table(
    "held",
    metadata,
    _text("server", key=True),
    _text("digest", key=True),
    _number("received_at"),
    _number("last_at"),
    _number("times"),
    _number("epoch"),
    _number("since"),
    _number("upto"),
    _number("from_ms"),
    _number("to_ms"),
    _text("reason"),
    Column("body", LargeBinary, nullable=False),
    _number("open"),  # 0: a later report delivered all of it
    _index_of_ended("held_ended", "last_at", "open"),
)

lives = Table(
    "lives",
    metadata,
    _number("number", key=True),
    _text("life"),  # one start of a service on this store, or the first write after a failover
    _number("first_change"),
    _number("started_at"),
    _text("history", default=""),  # of the database when it began (`StoreEngine.history_of`)
    Index("lives_by_name", "life", unique=True),
)

counters = Table(
    "counters",
    metadata,
    _text("name", key=True),
    _number("value"),
)

clocks = Table(
    "clocks",
    metadata,
    _text("boot", key=True),  # boot id of a machine on which a service process runs
    _number("instant_ms"),  # trusted time when its boot clock showed elapsed_ms
    _number("elapsed_ms"),
    Column("state", LargeBinary, nullable=False),  # JSON of trusted_time.TrustedTime
)

accepted_times = Table(
    "accepted_times",
    metadata,
    _number("number", key=True),
    _number("at"),  # the wall clock that an operator accepted
)

hours = Table(
    "hours",
    metadata,
    _number("hour", key=True),
    _text("server", key=True),
    Column("whole", LargeBinary, nullable=False),  # MessagePack of rollups.Rollup
    Column("quarters", LargeBinary, nullable=False),  # of its four quarters
    Column("minutes_in", LargeBinary, nullable=False),  # packed as in rollups.MinuteTraffic
    Column("minutes_out", LargeBinary, nullable=False),
    Index("hours_by_server", "server", "hour"),
)

stream_hours = Table(
    "stream_hours",
    metadata,
    _number("hour", key=True),
    _text("server", key=True),
    Column("figures", LargeBinary, nullable=False),  # of all its streams, see streams/stream_hours.py
    Column("minutes", LargeBinary, nullable=False),
    Column("scopes", LargeBinary, nullable=True),  # the same added up by scope; null if an earlier version wrote it
    _number("stamp", default="0"),  # a digest of figures and minutes; 0 if an earlier version wrote it
    Index("stream_hours_by_server", "server", "hour"),
    Index("stream_hours_by_stamp", "hour", "stamp"),
)

totals = Table(
    "totals",
    metadata,
    _text("server", key=True),
    _text("protocol", key=True),  # empty for sums that are not kept by protocol
    *(_number(name, default="0") for name in STREAM_SUM_NAMES),
    *(_number(f"late_{name}", default="0") for name in STREAM_SUM_NAMES),
)
"""All that a server reported since the store has this table. A row only grows, whatever retention discards."""

unchecked_hours = Table(
    "unchecked_hours",
    metadata,
    _number("hour", key=True),
    _text("server", key=True),  # empty: origins and edges are to be compared
    _number("mark"),  # a random number, another one for each change of the hour
)

disagreements = Table(
    "disagreements",
    metadata,
    _number("hour", key=True),
    _text("kind", key=True),  # see api/disagreements.py
    _text("server", key=True),
    _stream(key=True),  # empty for figures of the whole server
    _text("scope"),
    _text("name"),
    _text("figure"),
    _number("first_figure"),
    _number("second_figure"),
    Column("edges", LargeBinary, nullable=False),  # JSON of their names
    _number("found_at"),
    _number("open"),  # 0: the next hour agrees, or has a row of its own
    Index("disagreements_open", "open", "kind"),
)

utc_days = Table(
    "utc_days",
    metadata,
    _number("day", key=True),  # its start
    _text("server", key=True),
    Column("figures", LargeBinary, nullable=False),  # as in utc_days.UtcDay
    Column("samples", LargeBinary, nullable=False),
)

closed_days = Table(
    "closed_days",
    metadata,
    _text("tz", key=True),
    _text("day", key=True),
    _text("server", key=True),
    _number("revision", key=True),  # one higher for every day that is closed
    _number("from_ms"),
    _number("to_ms"),
    _number("closed_at"),
    _text("closed_by"),  # a token's name; empty for the watermark
    _text("rule"),  # watermark, operator, or late: the server was not known when the day was closed
    _number("watermark", null=True),  # the server's, when its day was closed
    Column("figures", LargeBinary, nullable=False),  # JSON as the API answers it; never written again
    Column("samples", LargeBinary, nullable=False),  # compressed minutes and sample states
    Column("current", LargeBinary, nullable=True),  # JSON of the present figures, if they differ
    _number("entries"),  # of the ledger
    _number("adjusted_at", null=True),
    Column("streams", LargeBinary, nullable=True),  # sums by stream, see streams/closed_streams.py; never written again
    Column("stream_minutes", LargeBinary, nullable=True),  # their traffic; both are null in earlier versions' closings
    Column("current_streams", LargeBinary, nullable=True),  # the present sums by stream, if they differ
    Column("disagreements", LargeBinary, nullable=True),  # JSON of those that were open; null for none
    Column("customers", LargeBinary, nullable=True),  # JSON of the sums by customer; null where no rules applied
    _number("considered", default="0"),  # entries of the ledger for which a correction was proposed where one was due
    Index("closed_days_by_server", "server", "to_ms"),
    Index("closed_days_unconsidered", "revision", sqlite_where=_UNCONSIDERED, postgresql_where=_UNCONSIDERED),
)

BULK_OF_CLOSING = ("samples", "streams", "stream_minutes", "current_streams", "customers", "disagreements")
"""Columns of a closed day that are large, and that few readers need."""

CLOSING_KEY = ("tz", "day", "server", "revision")
"""The columns that name a closing, in every table that refers to one."""

adjustments = Table(
    "adjustments",
    metadata,
    _text("tz", key=True),
    _text("day", key=True),
    _text("server", key=True),
    _number("revision", key=True),  # of the closing that it adjusts
    _number("entry", key=True),
    _number("at"),
    Column("difference", LargeBinary, nullable=False),  # JSON
    Column("current", LargeBinary, nullable=False),  # JSON of all figures from then on
    Index("adjustments_by_time", "at"),
)

voids = Table(
    "voids",
    metadata,
    _text("tz", key=True),
    _text("day", key=True),
    _text("server", key=True),
    _number("revision", key=True),  # of the closing in `closed_days` that no longer counts
    _number("at"),
    _text("by"),  # a token's name
    _text("reason"),
)

customer_rules = Table(
    "customer_rules",
    metadata,
    _text("hash", key=True),
    Column("rules", LargeBinary, nullable=False),  # canonical JSON: the rules of a day; never written again
)

ledger_checksums = Table(
    "ledger_checksums",
    metadata,
    _text("tz", key=True),
    _text("day", key=True),
    _text("server", key=True),
    _number("revision", key=True),  # of the closing
    _number("entry", key=True),  # 0: the closing; else an adjustment of it
    _number("checksum"),  # of the row as it was written, see ledger_checksums.py
)

chain = Table(
    "chain",
    metadata,
    _number("number", key=True),  # from 0, without gaps
    _text("kind"),  # beginning, closing, void, correction
    _text("tz"),  # of the closing in question; empty for the beginning
    _text("day"),
    _text("server"),
    _number("revision"),
    _number("correction"),  # its id; 0 for the other kinds
    Column("content", LargeBinary, nullable=False),  # canonical JSON, which is hashed
    _text("hash"),
    Index("chain_by_closing", "tz", "day", "server", "revision", "kind"),
)

corrections = Table(
    "corrections",
    metadata,
    _number("id", key=True),  # from 1
    _text("tz"),
    _text("day"),
    _text("server"),
    _number("revision"),  # of the closing that it corrects
    Column("difference", LargeBinary, nullable=False),  # JSON of DayDifference
    _text("reason"),
    _number("proposed_at"),
    _text("proposed_by"),  # a token's name, or `service`
    _number("approved_at", null=True),  # null while it is only proposed
    _text("approved_by"),
    _number("reverses", null=True),  # the correction that it takes back
    Column("customers", LargeBinary, nullable=True),  # JSON by customer; null where no rules applied to the day
    Index("corrections_by_day", "tz", "day", "server", "revision"),
    Index("corrections_by_approval", "approved_at"),
    Index("corrections_by_reversed", "reverses"),
)

alerts = Table(
    "alerts",
    metadata,
    _text("id", key=True),  # of the rule and what the alert is about
    _text("phase"),
    _number("resolved_at", null=True),
    Column("body", LargeBinary, nullable=False),  # JSON of alerts.states.AlertState
    Index("alerts_by_phase", "phase", "resolved_at"),
)

alert_messages = Table(
    "alert_messages",
    metadata,
    _number("number", key=True),  # they are sent in this order to each receiver
    _text("key"),  # the idempotency key
    _text("receiver"),
    _text("event"),
    _number("created_at"),
    Column("body", LargeBinary, nullable=False),  # JSON of api.alerts.AlertMessage
    Index("alert_messages_by_receiver", "receiver", "number"),
)

alert_receivers = Table(
    "alert_receivers",
    metadata,
    _text("name", key=True),
    *(
        _number(name, default="0")
        # failed attempts in a row, and when the next one is due; totals; when Alertmanager was sent all alerts last
        for name in ("attempts", "next_at", "delivered", "failures", "dropped", "refreshed_at")
    ),
    _number("delivered_at", null=True),
    _number("failed_at", null=True),
    _text("error", default=""),  # of the newest attempt; empty after a success
)

alert_silences = Table(
    "alert_silences",
    metadata,
    _text("id", key=True),
    _number("ends_at"),
    Column("body", LargeBinary, nullable=False),  # JSON of api.alerts.Silence
    Index("alert_silences_by_end", "ends_at"),
)

alert_sender = Table(
    "alert_sender",
    metadata,
    _text("name", key=True),  # one row
    _text("holder"),  # the process that evaluates and sends; empty after it has ended
    _number("beat"),  # one higher with each evaluation
    _number("at"),  # trusted time of the newest one
    Column("body", LargeBinary, nullable=False),  # JSON of alerts.rows.lease.SenderReport
)
