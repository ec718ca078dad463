"""Parses the responses of AI Thriving, and turns its refusals into errors."""

from __future__ import annotations

import math
import re
from base64 import b64decode
from typing import Annotated, Any, Self

from pydantic import BeforeValidator, ValidationError

from bot.providers.answers import Answer, Lenient, Name, Whole, reason, says_filtered
from bot.providers.base import Json
from bot.providers.errors import NotFound, ProviderError, Reason, Refused, TooLarge
from bot.providers.image_headers import NotAnImage, inspect
from bot.providers.operations import Size
from bot.providers.refusals import Judge, says_no_more, sentence

# Shapes are compared by ratio, because results may be larger or smaller than asked, in steps of some pixels.
_SAME_RATIO = math.log(1.02)
_TOO_LARGE = re.compile(
    r"\b(payload|request|form|upload|file|image|entity)\b.{0,40}\btoo (large|big)\b|payload_too_large"
    r"|\blarger than \d+ ?(MiB|MB)\b",
    re.IGNORECASE,
)


def decode_image(text: str) -> bytes:
    """Decode base64 text. A ``data:…,`` prefix and white space are ignored. Raises ValueError."""
    if text[:5].lower() == "data:":
        text = text.partition(",")[2]
    data = b64decode("".join(text.split()), validate=True)
    if not data:
        raise ValueError("no bytes")
    return data


def decode_shaped(text: str, shape: Size | None) -> tuple[bytes, bool]:
    """Decode base64 text, and return whether the image has another ratio than ``shape``. Raises ValueError."""
    data = decode_image(text)
    if shape is None:
        return data, False
    try:
        size = inspect(data).size
    except NotAnImage:
        return data, False  # The error follows when the image is written.
    return data, abs(math.log(size.width / size.height) - math.log(shape.width / shape.height)) > _SAME_RATIO


class Picture(Lenient):
    image: Name = None
    seed: Whole = None
    finish_reason: Name = None


def _first_object(value: object) -> object:
    if isinstance(value, list):
        value = value[0] if value else None
    return _with_finish_reason(value) if isinstance(value, dict) else {}


def _with_finish_reason(value: dict[str, Any]) -> dict[str, Any]:
    """Give the field the name that it has at Stability AI, if it has the other one that is known."""
    return {"finish_reason": value["finishReason"], **value} if "finishReason" in value else value


class Reply(Lenient):
    """The response envelope of all endpoints. ``code`` is 0 for a success, and None if it is missing."""

    code: Whole = None
    message: Any = None
    data: Annotated[Picture, BeforeValidator(_first_object)] = Picture()
    finish_reason: Name = None

    @classmethod
    def read(cls, value: Json) -> Self | None:
        try:
            return cls.model_validate(_with_finish_reason(value) if isinstance(value, dict) else value)
        except ValidationError:
            return None

    @property
    def usable(self) -> bool:
        """Whether it is the service's own response, and not that of something between."""
        return self.code is not None or self.data.image is not None

    @property
    def filtered(self) -> bool:
        """Whether the content filter blurred the image."""
        return says_filtered(self.data.finish_reason or self.finish_reason)


def refusal(answer: Answer, value: Json, judge: Judge, *, files: bool) -> ProviderError:
    """Make the error for a failure that the service reports. Such a report overrides a 5xx, but not a 4xx.

    ``files``: the request had files, so it can be sent again with smaller ones.
    """
    said = reason(value)
    if files and (answer.status == 413 or _TOO_LARGE.search(judge.plain(said))):
        return TooLarge(detail=answer.detail)
    if answer.status in {404, 410} and says_no_more(said):
        # It names no engine, so the service may only be restarting.
        return NotFound(detail=answer.detail)
    if 300 <= answer.status < 500 and answer.status not in {404, 408}:
        return judge.by_status(answer, paid=True)
    if answer.status >= 500 and judge.reason_in(said) is Reason.REFUSED:
        return Refused(Reason.BROKEN, said=sentence(judge.plain(said)), detail=answer.detail, fault=True)
    return judge.by_words(said, status=answer.status, detail=answer.detail)
