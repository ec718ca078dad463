"""The script that Alembic runs for every upgrade, in a transaction that the caller began."""

from __future__ import annotations

from alembic import context

from storage.tables import metadata

# The connection is already in a transaction, so Alembic begins none. All steps and their record are one transaction.
context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
context.run_migrations()
