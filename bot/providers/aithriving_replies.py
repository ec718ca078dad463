"""What AI Thriving answers: an envelope with a code, and in it a picture as base64."""

from __future__ import annotations

from base64 import b64decode
from typing import Annotated, Any, Self

from pydantic import BeforeValidator, ValidationError

from bot.providers.answers import Lenient, Name, Whole, says_filtered
from bot.providers.base import Json


def decode_image(text: str) -> bytes:
    """The bytes in a base64 text, with or without ``data:…,`` before it and white space in it. Raises ValueError."""
    if text[:5].lower() == "data:":
        text = text.partition(",")[2]
    data = b64decode("".join(text.split()), validate=True)
    if not data:
        raise ValueError("no bytes")
    return data


class Picture(Lenient):
    image: Name = None
    seed: Whole = None
    finish_reason: Name = None


def _first_object(value: object) -> object:
    if isinstance(value, list):
        value = value[0] if value else None
    return value if isinstance(value, dict) else {}


class Reply(Lenient):
    """The envelope of both engines. ``code`` 0 is a success; None where it is not told."""

    code: Whole = None
    message: Any = None
    data: Annotated[Picture, BeforeValidator(_first_object)] = Picture()
    finish_reason: Name = None

    @classmethod
    def read(cls, value: Json) -> Self | None:
        try:
            return cls.model_validate(value)
        except ValidationError:
            return None

    @property
    def filtered(self) -> bool:
        """Whether the picture came blurred by the content filter."""
        return says_filtered(self.data.finish_reason or self.finish_reason)
