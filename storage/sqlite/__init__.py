"""What is SQLite's own: connection, errors, backup, restore, upgrade."""
