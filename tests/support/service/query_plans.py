"""How the database finds the rows of statements: what it reads as a whole, and by which indexes it searches."""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, event

from streamusage.service.store.schema import metadata


class Plans:
    """Plans of statements."""

    def __init__(self) -> None:
        self.scans: dict[str, set[str]] = {}
        """The tables of the store that are read as a whole, each with the SQL; not the catalogs of PostgreSQL."""
        self.indexes: set[str] = set()
        """The indexes that are searched, without those of primary keys."""
        self.relations: set[str] = set()
        """On PostgreSQL, the tables and partitions that are read."""

    def add_sqlite(self, sql: str, steps: list[str]) -> None:
        for step in steps:
            if step.startswith("SCAN ") and step.split()[1] in metadata.tables:
                self.scans.setdefault(step.split()[1], set()).add(sql)
            self.indexes.update(re.findall(r"^SEARCH .* INDEX (\w+)", step))

    def add_postgresql(self, sql: str, plan: dict[str, Any]) -> None:
        kind = plan["Node Type"]
        if "Relation Name" in plan:
            self.relations.add(plan["Relation Name"])
        if kind == "Seq Scan" or (kind in ("Index Scan", "Index Only Scan") and "Index Cond" not in plan):
            if not plan["Relation Name"].startswith("pg_"):
                self.scans.setdefault(plan["Relation Name"], set()).add(sql)
        elif "Index Cond" in plan:
            self.indexes.add(plan["Index Name"])
        for part in plan.get("Plans", ()):
            self.add_postgresql(sql, part)


@contextmanager
def recorded_plans(connection: Connection, plans: Plans) -> Iterator[None]:
    """Add the plans of the statements that run on the connection.

    PostgreSQL reads a small table as a whole, or hashes it, whatever its indexes: here it does so only if no index can
    answer. Prepared statements of SQLite's driver are not seen.
    """
    is_sqlite = connection.dialect.name == "sqlite"
    if not is_sqlite:
        for kind in ("seqscan", "hashjoin", "mergejoin"):
            connection.exec_driver_sql(f"SET LOCAL enable_{kind} = off")

    def explain(_connection: Connection, _cursor: Any, sql: str, parameters: Any, _context: Any, many: bool) -> None:
        if many or not sql.lstrip().upper().startswith(("SELECT", "WITH", "DELETE", "UPDATE")):
            return
        cursor = connection.connection.cursor()
        try:
            if is_sqlite:
                cursor.execute(f"EXPLAIN QUERY PLAN {sql}", parameters)
                plans.add_sqlite(sql, [row[3] for row in cursor.fetchall()])
            else:
                cursor.execute(f"EXPLAIN (FORMAT JSON) {sql}", parameters)
                (plan,) = cursor.fetchone() or ("[]",)
                plans.add_postgresql(sql, (json.loads(plan) if isinstance(plan, str) else plan)[0]["Plan"])
        finally:
            cursor.close()

    event.listen(connection, "before_cursor_execute", explain)
    try:
        yield
    finally:
        event.remove(connection, "before_cursor_execute", explain)
