"""Alembic's entry point: runs the revisions on the store's connection, in its transaction."""

from alembic import context

from streamusage.service.store.schema import metadata

attributes = context.config.attributes
context.configure(
    connection=attributes["connection"],
    target_metadata=metadata,
    on_version_apply=attributes.get("step_ended"),
)
context.run_migrations()
