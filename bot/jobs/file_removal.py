"""Removes the files whose records are gone: at once, and again every hour where that did not work."""

from __future__ import annotations

from collections.abc import Sequence

import structlog

from storage import images
from storage.database import Database
from storage.errors import StorageError
from storage.images import ImageFiles

log = structlog.get_logger(__name__)

# Files of one transaction.
AT_ONCE = 200


async def remove(database: Database, files: ImageFiles, names: Sequence[str]) -> int:
    """Remove these files, which were noted as having to go; how many could not be, and stay noted.

    Goes on whatever happens to one of them.
    """
    gone = []
    for name in names:
        try:
            await files.remove(name)
        except StorageError as error:
            log.warning("file.not_removed", file=name, reason=str(error))
        else:
            gone.append(name)
    try:
        async with database.write() as tx:
            await images.finish_removals(tx, gone)
    except StorageError as error:
        # To remove a file that is gone does no harm.
        log.warning("file.removal_not_noted", reason=str(error))
    return len(names) - len(gone)


async def remove_due(database: Database, files: ImageFiles) -> int:
    """Remove whatever has to go still; how many files could not be removed. Raises StorageError."""
    after, left = "", 0
    while True:
        async with database.read() as connection:
            names = await images.pending_removals(connection, after=after, limit=AT_ONCE)
        if not names:
            return left
        left += await remove(database, files, names)
        after = names[-1]
