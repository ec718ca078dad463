"""The migrations of the schema: one file for each step in `versions`, named by its number."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Connection

FOLDER = Path(__file__).parent


def known_versions(folder: Path = FOLDER) -> tuple[str, ...]:
    """Return the numbers of all steps in order, the current one last. They are read from the file names."""
    return tuple(sorted(file.name.partition("_")[0] for file in (folder / "versions").glob("[0-9]*.py")))


def upgrade(connection: Connection, folder: Path = FOLDER, to: str = "head") -> None:
    """Run all missing steps, or those up to `to`, in the transaction of this connection."""
    # Alembic takes longer to import than all of storage, and most starts have nothing to migrate.
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(folder).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, to)
