"""The steps from each version of the schema to the next: one file a step in `versions`, named by its number."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Connection

FOLDER = Path(__file__).parent


def known_versions(folder: Path = FOLDER) -> tuple[str, ...]:
    """The numbers of all steps in their order, the current one last; read from the files' names."""
    return tuple(sorted(file.name.partition("_")[0] for file in (folder / "versions").glob("[0-9]*.py")))


def upgrade(connection: Connection, folder: Path = FOLDER, to: str = "head") -> None:
    """Take the steps that the database does not have yet, in the transaction of this connection; all, or up to `to`."""
    # Alembic takes longer to load than all of storage, and most starts have nothing to migrate.
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(folder).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, to)
