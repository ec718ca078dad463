"""Opens and migrates the database: one writing connection, a few reading ones, and one process at a time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Coroutine, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager, suppress
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any

from filelock import FileLock, Timeout
from sqlalchemy import URL, make_url, select
from sqlalchemy.exc import ArgumentError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from storage.errors import Fault, StorageError
from storage.files import make_file, make_folder
from storage.migrations import FOLDER, known_versions
from storage.pools import apart
from storage.sqlite import backups, connection, driver
from storage.sqlite.upgrade import check_current, upgrade, version_of

__all__ = ["AsyncConnection", "Database", "InstanceLock", "StorageError", "database_path", "database_url", "migrate"]

_DRIVER = "sqlite+aiosqlite"

_READERS = 4
# A backup takes minutes at most. An unfinished one that is older than this was abandoned.
_HALF_SECONDS = 3600.0


class Database:
    """An open database whose schema is up to date."""

    def __init__(self, path: Path, writer: AsyncEngine, readers: AsyncEngine) -> None:
        self._path = path
        self._writer = writer
        self._readers = readers
        self._turn = asyncio.Lock()
        self._writing: asyncio.Task[Any] | None = None
        self._closed = False
        self._in_use = 0
        self._unused = asyncio.Event()
        self._unused.set()

    @classmethod
    async def open(cls, url: str) -> Database:
        """Open a migrated database.

        Raises StorageError if the file is not a database of this version or cannot be written.
        """
        path = database_path(url)
        await apart(check_current, path)
        # Parameters contain prompts and interaction tokens, which must not appear in the text of an error.
        options: dict[str, Any] = {"max_overflow": 0, "hide_parameters": True}
        writer = create_async_engine(
            url, pool_size=1, connect_args=_connection("BEGIN IMMEDIATE", connection.WRITER), **options
        )
        readers = create_async_engine(
            url, pool_size=_READERS, connect_args=_connection("BEGIN", connection.READER), **options
        )
        database = cls(path, writer, readers)
        try:
            # Fail now rather than at the first job if the file cannot be written.
            async with database.write() as tx:
                await tx.scalar(select(1))
        except BaseException:
            await database.close()
            raise
        return database

    @classmethod
    @asynccontextmanager
    async def opened(cls, url: str) -> AsyncIterator[Database]:
        """A database that is open within the block. Raises StorageError as `open` does."""
        database = await cls.open(url)
        try:
            yield database
        finally:
            await database.close()

    @asynccontextmanager
    async def write(self) -> AsyncIterator[AsyncConnection]:
        """A write transaction: committed at the end, rolled back on any exception or cancellation.

        Writers take turns. A started commit is finished even if the task is cancelled meanwhile. Raises StorageError if
        something is wrong with the file or the disk.
        """
        if self._writing is asyncio.current_task():
            raise RuntimeError("a transaction inside a transaction of the same task would wait for itself")
        with self._used():
            async with self._turn:
                self._writing = asyncio.current_task()
                try:
                    with connection.translated_errors(self._path):
                        async with self._writer.connect() as tx:
                            await tx.begin()
                            # An exception here closes the connection, which rolls back.
                            yield tx
                            await _to_the_end(_commit(tx))
                finally:
                    self._writing = None

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncConnection]:
        """A read transaction: all statements see the same state. Raises StorageError like `write`."""
        with self._used(), connection.translated_errors(self._path):
            async with self._readers.connect() as conn:
                yield conn

    @contextmanager
    def _used(self) -> Iterator[None]:
        """Count a transaction. Raises StorageError once the database is closed."""
        if self._closed:
            raise StorageError(Fault.CLOSED, path=self._path)
        self._in_use += 1
        self._unused.clear()
        try:
            yield
        finally:
            self._in_use -= 1
            if not self._in_use:
                self._unused.set()

    async def compact(self) -> bool:
        """Remove the remains of deleted rows from the files. Returns False if a reader prevented part of it.

        Blocks writers for several seconds per gigabyte. Raises StorageError.
        """
        async with self._turn:
            with connection.translated_errors(self._path):
                return await apart(connection.compact, self._path)

    async def size(self) -> int:
        """The size of the file in bytes."""
        return (await apart(self._path.stat)).st_size

    async def close(self) -> None:
        """Refuse further transactions, wait for those in progress for at most a few seconds, and close all connections.

        A connection that was returned or opened later would never be closed.
        """
        self._closed = True
        with suppress(TimeoutError):
            await asyncio.wait_for(self._unused.wait(), connection.PATIENCE_SECONDS)
        await self._readers.dispose()
        await self._writer.dispose()


class InstanceLock:
    """A process's exclusive right to use a database: `async with InstanceLock(url): …`.

    With `folder`, the process also gets the exclusive right to that folder, whichever database other processes use.
    Links make no difference, because the lock file is next to the real file. Entering raises StorageError if another
    process has the lock. The system releases it when the process dies.
    """

    def __init__(self, url: str, folder: Path | None = None) -> None:
        self._path = database_path(url)
        self._folder = folder
        self._held = ExitStack()

    async def __aenter__(self) -> InstanceLock:
        await apart(self._acquire)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await apart(self._held.close)

    def _acquire(self) -> None:
        with ExitStack() as held:
            file = self._path.resolve()
            with connection.translated_os_errors(file.parent):
                make_folder(file.parent)
                # Under its other name the file would have a different lock and a different log.
                if file.is_file() and file.stat().st_nlink > 1:
                    raise StorageError(Fault.SEVERAL_NAMES, path=self._path)
                _lock(held, file.with_name(f"{file.name}.lock"), self._path)
            if self._folder is not None:
                folder = self._folder.resolve()
                with connection.translated_os_errors(folder):
                    make_folder(folder)
                    _lock(held, folder / "easel.lock", self._folder)
            self._held = held.pop_all()


def _lock(held: ExitStack, file: Path, what: Path) -> None:
    # Acquired in one thread and released in another.
    lock = FileLock(file, timeout=0, mode=0o600, thread_local=False)
    try:
        held.enter_context(lock)
    except Timeout as error:
        raise StorageError(Fault.ALREADY_RUNNING, path=what) from error


async def migrate(url: str, backup_to: Path | None = None, *, migrations: Path = FOLDER) -> None:
    """Migrate the database to this program's version, and create it if it does not exist.

    An older database is first copied into the folder `backup_to` (default: `backups` next to the file). The latest few
    copies are kept, and unfinished copies are removed. Either all steps are done or nothing is changed. Only the holder
    of the InstanceLock may call it. Raises StorageError.
    """
    path = database_path(url)
    await apart(_migrate, path, backup_to or path.parent / "backups", migrations)


def database_url(path: Path) -> str:
    """Return the URL of this file. Its name may contain any characters."""
    return URL.create(_DRIVER, database=str(path)).render_as_string(hide_password=False)


def database_path(url: str) -> Path:
    """Return the file of this URL. Raises StorageError for another kind of URL."""
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise StorageError(Fault.BAD_ADDRESS) from error
    if parsed.drivername != _DRIVER or not parsed.database or parsed.database.startswith((":", "file:")):
        raise StorageError(Fault.BAD_ADDRESS)
    return Path(parsed.database)


def _migrate(path: Path, backup_to: Path, folder: Path) -> None:
    backups.clear_halves(backup_to, time.time() - _HALF_SECONDS)
    with connection.translated_os_errors(path.parent):
        backups.remove(path.with_name(f"{path.name}{backups.RESTORING}"))
        make_folder(path.parent)
        known = known_versions(folder)
        version = version_of(path, known)
        if version == known[-1]:
            return
        copy = None if version is None else backups.before_migration(path, backup_to, version)
        try:
            make_file(path)
            upgrade(path, folder)
        except StorageError:
            # The database is unchanged, and copies from many failed starts would fill the disk.
            if copy is not None:
                copy.unlink()
            raise
        if copy is not None:
            backups.keep_latest(path, backup_to)


def _connection(begin: str, pragmas: tuple[str, ...]) -> dict[str, Any]:
    opened = partial(driver.connection, begin=begin, pragmas=pragmas)
    return {"isolation_level": None, "timeout": connection.PATIENCE_SECONDS, "async_creator_fn": opened}


async def _commit(tx: AsyncConnection) -> None:
    try:
        await tx.commit()
    except BaseException:
        # SQLAlchemy considers the transaction over, SQLite does not, so the connection cannot be used again.
        await tx.invalidate()
        raise


async def _to_the_end(work: Coroutine[Any, Any, None]) -> None:
    """Finish the work even if the task is cancelled meanwhile, then let the cancellation continue."""
    task = asyncio.ensure_future(work)
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.wait({task})
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is not None:
        raise cancelled from task.exception()
    task.result()
