"""Multipart forms, read within a limit."""

from __future__ import annotations

from dataclasses import dataclass, field

from aiohttp import BodyPartReader, hdrs, web

from fakes.services.uploads import Upload

LARGEST_FORM = 10 << 20
"""The most bytes that a service takes in one form."""


@dataclass(slots=True)
class Form:
    """A multipart form. ``problem`` is why it cannot be read; ``too_large``: it exceeds :data:`LARGEST_FORM`."""

    fields: dict[str, str] = field(default_factory=dict)
    files: dict[str, Upload] = field(default_factory=dict)
    problem: str = ""
    too_large: bool = False


async def read_form(request: web.Request, largest: int = LARGEST_FORM) -> Form:
    """Read a multipart form. It stops at ``largest`` bytes and at the first thing that is wrong."""
    form = Form()
    if request.content_length is not None and request.content_length > largest:
        form.too_large = True
        return form
    left = largest
    try:
        reader = await request.multipart()
        while (part := await reader.next()) is not None:
            name = part.name if isinstance(part, BodyPartReader) else None
            if not isinstance(part, BodyPartReader) or not name:
                form.problem = "A part of the form has no name."
                return form
            if name in form.fields or name in form.files:
                form.problem = f"{name} is in the form twice."
                return form
            data = await _read_part(part, left)
            if data is None:
                form.too_large = True
                return form
            left -= len(data)
            if part.filename is None:
                form.fields[name] = data.decode()
            else:
                media_type = part.headers.get(hdrs.CONTENT_TYPE, "")
                form.files[name] = Upload.of(data, media_type, part.filename)
    except (ValueError, AssertionError):  # aiohttp asserts that the boundary is as declared
        form.problem = "The form cannot be read."
    return form


async def _read_part(part: BodyPartReader, limit: int) -> bytes | None:
    """The bytes of a part; None if there are more than ``limit``."""
    data = bytearray()
    while chunk := await part.read_chunk(1 << 16):
        data += chunk
        if len(data) > limit:
            return None
    return bytes(data)
