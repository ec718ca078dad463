"""The errors that storage raises."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum


class Fault(StrEnum):
    """The kinds of errors."""

    NOT_A_DATABASE = "not_a_database"
    DAMAGED = "damaged"
    READ_ONLY = "read_only"
    DISK_FULL = "disk_full"
    LOCKED = "locked"
    CANNOT_OPEN = "cannot_open"
    NO_RIGHTS = "no_rights"
    DISK_ERROR = "disk_error"
    TOO_BUSY = "too_busy"
    CLOSED = "closed"
    FOLDER_UNUSABLE = "folder_unusable"
    FILES_UNUSABLE = "files_unusable"
    OTHER_PROGRAM = "other_program"
    NEWER_VERSION = "newer_version"
    OUTDATED = "outdated"
    UPGRADE_FAILED = "upgrade_failed"
    ALREADY_RUNNING = "already_running"
    SEVERAL_NAMES = "several_names"
    BAD_ADDRESS = "bad_address"
    NOTHING_TO_COPY = "nothing_to_copy"
    FILE_EXISTS = "file_exists"
    FILE_MISSING = "file_missing"
    COPY_IS_THE_DATABASE = "copy_is_the_database"
    COPY_EMPTY = "copy_empty"
    COPY_DAMAGED = "copy_damaged"
    OTHER = "other"


SENTENCES: Mapping[Fault, str] = {
    Fault.NOT_A_DATABASE: "{path} is not a database.",
    Fault.DAMAGED: "The database {path} is damaged. Restore a backup of it.",
    Fault.READ_ONLY: "The database {path} cannot be written: the file or its folder is read-only.",
    Fault.DISK_FULL: "The disk is full: the database {path} cannot grow.",
    Fault.LOCKED: "The database {path} is locked by another program.",
    Fault.CANNOT_OPEN: "The database {path} cannot be opened: check that its folder is readable and writable.",
    Fault.NO_RIGHTS: "The database {path} cannot be opened: this user may not read and write it.",
    Fault.DISK_ERROR: "The disk reports an error for the database {path}.",
    Fault.TOO_BUSY: "The database {path} is too busy.",
    Fault.CLOSED: "The database {path} is closed, because the program is stopping.",
    Fault.FOLDER_UNUSABLE: "The folder {path} cannot be used: {reason}.",
    Fault.FILES_UNUSABLE: "The image files in {path} cannot be used: {reason}.",
    Fault.OTHER_PROGRAM: "{path} is the database of another program.",
    Fault.NEWER_VERSION: "The database {path} was written by a newer version of Easel. Update the program.",
    Fault.OUTDATED: "The database {path} is not up to date. Run `python -m bot migrate`.",
    Fault.UPGRADE_FAILED: "The database {path} could not be brought up to date ({reason}). It is unchanged.",
    Fault.ALREADY_RUNNING: "Easel is already running on {path}. Stop it first.",
    Fault.SEVERAL_NAMES: "The database {path} has several names (hard links). Leave only one.",
    Fault.BAD_ADDRESS: "The address of the database must look like sqlite+aiosqlite:///data/easel.db.",
    Fault.NOTHING_TO_COPY: "There is no database at {path}.",
    Fault.FILE_EXISTS: "{path} already exists. Choose another name.",
    Fault.FILE_MISSING: "{path} does not exist.",
    Fault.COPY_IS_THE_DATABASE: "{path} is the current database itself. Name a backup of it.",
    Fault.COPY_EMPTY: "{path} is empty, so there is nothing to restore.",
    Fault.COPY_DAMAGED: "{path} is damaged. It was not restored.",
}


class StorageError(Exception):
    """Something cannot be read or written. The text is a sentence, safe to show to the operator and to log.

    It is built from a fault and its values, or passed as it is.
    """

    def __init__(self, fault: Fault | str, **values: object) -> None:
        self.fault = fault if isinstance(fault, Fault) else Fault.OTHER
        super().__init__(SENTENCES[fault].format(**values) if isinstance(fault, Fault) else fault)
