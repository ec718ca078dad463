"""What storage raises."""

from __future__ import annotations


class StorageError(Exception):
    """Something cannot be read or kept. The text is a plain sentence, safe to show and to log."""
