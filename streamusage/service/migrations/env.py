"""Alembic's entry: runs the revisions on the connection that the store hands over, in its transaction."""

from alembic import context

from streamusage.service import ledger_schema, schema  # noqa: F401 - the tables
from streamusage.service.columns import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
context.run_migrations()
