"""Run migrations on the connection that `gateway.jobs.database.upgrade` hands over."""

from alembic import context

from gateway.jobs import account_tables, chart_tables, tables
from gateway.jobs.columns import metadata

assert {tables.jobs.name, account_tables.people.name, chart_tables.charts.name} <= set(metadata.tables)  # noqa: S101 - they are all there
context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()
