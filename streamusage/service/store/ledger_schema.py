"""The tables of summed hours, closed days and what came to them later. Part of the store's one schema."""

from sqlalchemy import Column, Index, LargeBinary, Table

from streamusage.service.store.columns import metadata, number, text

hours = Table(
    "hours",
    metadata,
    number("hour", key=True),
    text("server", key=True),
    Column("whole", LargeBinary, nullable=False),  # MessagePack of figures.Figures
    Column("quarters", LargeBinary, nullable=False),  # of its four quarters
    Column("minutes_in", LargeBinary, nullable=False),  # packed as in figures.Minutes
    Column("minutes_out", LargeBinary, nullable=False),
    Index("hours_by_server", "server", "hour"),
)

closed_days = Table(
    "closed_days",
    metadata,
    text("tz", key=True),
    text("day", key=True),
    text("server", key=True),
    number("from_ms"),
    number("to_ms"),
    number("revision"),  # one higher for every day that is closed
    number("closed_at"),
    text("closed_by"),  # a token's name; empty for the watermark
    text("rule"),  # watermark, operator, or late: the server was not known when the day was closed
    number("watermark", null=True),  # the server's, when its day was closed
    Column("figures", LargeBinary, nullable=False),  # JSON, as they are told; never written again
    Column("samples", LargeBinary, nullable=False),  # compressed minutes and what is known of them
    Column("current", LargeBinary, nullable=True),  # JSON of what they would be by now, where that differs
    number("entries"),  # of the ledger
    number("adjusted_at", null=True),
    Index("closed_days_by_server", "server", "to_ms"),
)

adjustments = Table(
    "adjustments",
    metadata,
    text("tz", key=True),
    text("day", key=True),
    text("server", key=True),
    number("entry", key=True),
    number("at"),
    Column("difference", LargeBinary, nullable=False),  # JSON
    Column("current", LargeBinary, nullable=False),  # JSON of all figures from then on
    Index("adjustments_by_time", "at"),
)
