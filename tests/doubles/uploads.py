"""The content that Discord receives for an upload."""

from __future__ import annotations

from bot.ui.delivery.attachments import Upload


def sent(upload: Upload) -> bytes:
    """All bytes of the upload."""
    return upload.file().fp.read()
