"""The parts of storage that are specific to SQLite: connection, errors, backup, restore, upgrade."""
