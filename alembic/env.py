"""Run migrations on the connection that `gateway.jobs.database.upgrade` hands over."""

from alembic import context

from gateway.jobs.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()
