"""What Discord gets of an image that is sent."""

from __future__ import annotations

from bot.ui.delivery.attachments import Upload


def sent(upload: Upload) -> bytes:
    """All of the file's bytes."""
    return upload.file().fp.read()
