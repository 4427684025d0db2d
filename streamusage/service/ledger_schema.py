"""The tables of summed hours, closed days and what came to them later. Part of the store's one schema."""

from sqlalchemy import Column, Index, LargeBinary, Table

from streamusage.service.schema import _number, _text, metadata

hours = Table(
    "hours",
    metadata,
    _number("hour", key=True),
    _text("server", key=True),
    Column("whole", LargeBinary, nullable=False),  # MessagePack of figures.Figures
    Column("quarters", LargeBinary, nullable=False),  # of its four quarters
    Column("minutes_in", LargeBinary, nullable=False),  # packed as in figures.Minutes
    Column("minutes_out", LargeBinary, nullable=False),
    Index("hours_by_server", "server", "hour"),
)

closed_days = Table(
    "closed_days",
    metadata,
    _text("tz", key=True),
    _text("day", key=True),
    _text("server", key=True),
    _number("from_ms"),
    _number("to_ms"),
    _number("revision"),  # one higher for every day that is closed
    _number("closed_at"),
    _text("closed_by"),  # a token's name; empty for the watermark
    _text("rule"),  # watermark, operator, or late: the server was not known when the day was closed
    _number("watermark", null=True),  # the server's, when its day was closed
    Column("figures", LargeBinary, nullable=False),  # JSON, as they are told; never written again
    Column("samples", LargeBinary, nullable=False),  # compressed minutes and what is known of them
    Column("current", LargeBinary, nullable=True),  # JSON of what they would be by now, where that differs
    _number("entries"),  # of the ledger
    _number("adjusted_at", null=True),
    Index("closed_days_by_server", "server", "to_ms"),
)

adjustments = Table(
    "adjustments",
    metadata,
    _text("tz", key=True),
    _text("day", key=True),
    _text("server", key=True),
    _number("entry", key=True),
    _number("at"),
    Column("difference", LargeBinary, nullable=False),  # JSON
    Column("current", LargeBinary, nullable=False),  # JSON of all figures from then on
    Index("adjustments_by_time", "at"),
)
