"""What Alembic runs for every upgrade: it works in the transaction that it is handed."""

from __future__ import annotations

from alembic import context

from storage.tables import metadata

# Since the connection is in a transaction already, Alembic begins none of its own: all steps and their record are one.
context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
context.run_migrations()
