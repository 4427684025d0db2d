"""How PostgreSQL executed statements, as its module auto_explain reports it: which tables it read as a whole."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from psycopg.errors import Diagnostic
from sqlalchemy import Connection

_EXPLAIN = (
    "LOAD 'auto_explain'",
    "SET LOCAL auto_explain.log_min_duration = 0",
    "SET LOCAL auto_explain.log_analyze = on",
    "SET LOCAL auto_explain.log_timing = off",
    "SET LOCAL auto_explain.log_format = json",
    "SET LOCAL auto_explain.log_level = notice",
    "SET LOCAL client_min_messages = notice",
)


class TableScan(NamedTuple):
    """A table that a statement read as a whole."""

    table: str
    kept: int
    """Rows that met the condition."""
    removed: int
    """Rows that did not."""
    sql: str

    @property
    def is_wasteful(self) -> bool:
        """Whether an index should have found the rows: most of those that were read were not needed."""
        return self.removed > self.kept


class ExecutedPlans:
    """Statements that were executed, and the scans among their plans."""

    def __init__(self) -> None:
        self.statements = 0
        self.scans: list[TableScan] = []

    def add(self, diagnostic: Diagnostic) -> None:
        """Add a notice of auto_explain."""
        _, found, plan = (diagnostic.message_primary or "").partition("plan:\n")
        if found:
            decoded = json.loads(plan)
            self.statements += 1
            self._add_plan(decoded["Query Text"], decoded["Plan"])

    def _add_plan(self, sql: str, plan: dict[str, Any]) -> None:
        if plan["Node Type"] == "Seq Scan" or (
            plan["Node Type"].startswith("Index") and "Relation Name" in plan and "Index Cond" not in plan
        ):
            loops = plan["Actual Loops"]
            removed = plan.get("Rows Removed by Filter", 0)
            self.scans.append(
                TableScan(plan["Relation Name"], plan["Actual Rows"] * loops, removed * loops, " ".join(sql.split()))
            )
        for part in plan.get("Plans", ()):
            self._add_plan(sql, part)


@contextmanager
def executed_plans(connection: Connection) -> Iterator[ExecutedPlans]:
    """Yield the plans of what the connection executes in the block; after it all of them are known."""
    plans = ExecutedPlans()
    for statement in _EXPLAIN:
        connection.exec_driver_sql(statement)
    session: Any = connection.connection.driver_connection
    session.add_notice_handler(plans.add)
    try:
        yield plans
        # The server ends a statement, and reports its plan, when it receives the next one.
        connection.exec_driver_sql("SET LOCAL auto_explain.log_min_duration = -1")
    finally:
        session.remove_notice_handler(plans.add)
