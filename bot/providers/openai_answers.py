"""Parses the responses of OpenAI-compatible services, and turns their failures into errors."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BeforeValidator

from bot.providers.aithriving_answers import decode_image, decode_shaped
from bot.providers.answers import Answer, Lenient, Name, Unreadable, number, parse_json, reason, retry_after
from bot.providers.base import GeneratedImage, Json
from bot.providers.errors import Busy, OutcomeUnknown, ProviderError, Reason, Refused, TooLarge
from bot.providers.image_headers import inspect
from bot.providers.openai_models import MOST_MODELS, Usage, is_name
from bot.providers.operations import Size
from bot.providers.refusals import Judge, sentence

_LONGEST_URL = 8_000

# The statuses with which a service or a proxy gives up waiting for the one behind it, which works on.
_CUT_OFF = frozenset({408, 502, 504, *range(520, 528)})
# The categories in the message of a moderated request.
_CATEGORIES = re.compile(r"safety_violations=\[([a-z_/, -]{1,200})\]")
_OUT_OF_MEMORY = re.compile(r"OutOfMemory|out of memory", re.IGNORECASE)

CODES: Mapping[str, Reason] = {
    "moderation_blocked": Reason.MODERATED,
    "content_policy_violation": Reason.MODERATED,
    "content_filter": Reason.MODERATED,
    "insufficient_quota": Reason.NO_CREDITS,
    "billing_hard_limit_reached": Reason.NO_CREDITS,
    "billing_not_active": Reason.NO_CREDITS,
    "budget_exceeded": Reason.NO_CREDITS,
    "invalid_api_key": Reason.WRONG_KEY,
    "account_deactivated": Reason.WRONG_KEY,
    "model_not_found": Reason.RETIRED,
    "rate_limit_exceeded": Reason.BUSY,
    "server_overloaded": Reason.BUSY,
    "slow_down": Reason.BUSY,
}
"""What the codes and types of errors mean that say more than the status."""


def read_models(value: Json) -> tuple[str, ...] | None:
    """The names in a list of models, without repetitions. None if it is no list."""
    items = value.get("data") if isinstance(value, dict) else value
    if not isinstance(items, list):
        return None
    ids = [item.get("id") if isinstance(item, dict) else item for item in items]
    names = dict.fromkeys(name.strip() for name in ids if isinstance(name, str) and is_name(name))
    return tuple(names)[:MOST_MODELS]


# --- images ---------------------------------------------------------------------------------------------------------


class _Item(Lenient):
    b64_json: Name = None
    url: Name = None


def _items(value: object) -> object:
    return [item if isinstance(item, dict) else {} for item in value] if isinstance(value, list) else []


class _Reply(Lenient):
    data: Annotated[tuple[_Item, ...], BeforeValidator(_items)] = ()
    usage: Any = None


@dataclass(frozen=True, slots=True)
class Made:
    """What a response has in place of each image, usually base64 or a URL, and the tokens that they took."""

    images: tuple[_Item, ...]
    usage: Usage | None

    def decoded(self, shape: Size | None, seeds: Sequence[int | None]) -> tuple[GeneratedImage, ...]:
        """Decode the images, without those that cannot be.

        ``shape`` is the ratio of an image that was made from a picture. ``seeds`` are those of all images.
        """
        found = (_decoded(item, shape, seed) for item, seed in zip(self.images, seeds, strict=False))
        return tuple(image for image in found if image is not None)


def _decoded(item: _Item, shape: Size | None, seed: int | None) -> GeneratedImage | None:
    text = item.b64_json or item.url or ""
    if item.b64_json is None and text[:5].lower() != "data:":
        return GeneratedImage(url=text, seed=seed) if 0 < len(text) <= _LONGEST_URL else None
    try:
        data, reshaped = decode_shaped(text, shape)
    except ValueError:
        return None
    return GeneratedImage(data=data, seed=seed, reshaped=reshaped)


def read_made(body: bytes, count: int) -> Made | None:
    """Read a response to a request for ``count`` images. None if it is something else."""
    value = read_object(body)
    if not isinstance(value.get("data"), list):
        return None
    reply = _Reply.model_validate(value)
    return Made(reply.data[:count], Usage.read(reply.usage))


def read_streamed(event: bytes) -> Made:
    """Read the event with the finished image."""
    value = read_object(event)
    return Made((_Item.model_validate(value),), Usage.read(value.get("usage")))


def read_partial(event: bytes) -> bytes | None:
    """The bytes of an unfinished image. None if it is no image in a usual format."""
    item = _Item.model_validate(read_object(event))
    try:
        data = decode_image(item.b64_json or "")
        inspect(data)
    except ValueError:  # NotAnImage is a ValueError
        return None
    return data


def read_object(data: bytes) -> dict[str, Json]:
    """The JSON object in these bytes, or an empty one."""
    try:
        value = parse_json(data)
    except Unreadable:
        return {}
    return value if isinstance(value, dict) else {}


# --- failures -------------------------------------------------------------------------------------------------------


class _Error(Lenient):
    code: Name = None
    type: Name = None


@dataclass(frozen=True, slots=True)
class Failure:
    """What a service says about a failure: the reason by its code, if the code has one, and its words.

    ``own``: it is the service's own report, and not that of a proxy. ``abuse``: see :func:`_is_abuse`.
    """

    reason: Reason | None
    said: str
    own: bool
    abuse: bool

    @classmethod
    def read(cls, value: Json) -> Failure:
        """Read an error: an object, or a text."""
        error = value.get("error") if isinstance(value, dict) else None
        told = _Error.model_validate(error if isinstance(error, dict) else {"code": error})
        codes = [CODES[code] for code in (told.code, told.type) if code is not None and code in CODES]
        said = _said(value)
        return cls(codes[0] if codes else None, said, bool(error), _is_abuse(said))


def _said(value: Json) -> str:
    """The words of an error. They may be beside it."""
    if isinstance(value, dict) and isinstance(value.get("error"), str) and isinstance(value.get("message"), str):
        return str(value["message"]).strip()
    return reason(value)


def _is_abuse(said: str) -> bool:
    """Whether the person is to be stopped for a while: for images of minors only.

    The service refuses many harmless requests too, and refusing them costs nothing.
    """
    found = _CATEGORIES.search(said)
    return found is not None and "minors" in re.split(r"[^a-z]+", found[1])


@dataclass(frozen=True, slots=True)
class Refusals:
    """Makes the errors for failed requests.

    ``charges``: the service charges, so a failure is only free if it is a refusal of the request itself. ``files``: the
    request had pictures.
    """

    judge: Judge
    charges: bool
    files: bool = False

    def of_answer(self, answer: Answer) -> ProviderError:
        """Make the error for a response without images. Blocks if it is long."""
        detail, status = answer.detail, answer.status
        if answer.ok:
            return OutcomeUnknown(Reason.UNREADABLE_ANSWER, detail=detail)
        if status in _CUT_OFF:
            return OutcomeUnknown(Reason.NO_ANSWER, detail=detail)
        failure = Failure.read(read_object(answer.body))
        if self.files and status == 413:
            return TooLarge(detail=detail)
        if failure.reason is not None and status >= 400:
            return self._by_code(failure.reason, failure, detail, _wait(answer))
        if status == 429 or (status == 503 and failure.own and not self.charges):
            return Busy(detail=detail, retry_after=_wait(answer))
        if status == 401:
            return Refused(Reason.WRONG_KEY, detail=detail, operator=True, setting="OPENAI_KEY")
        if status == 403 and self.judge.reason_in(failure.said, status) is not Reason.MODERATED:
            # An organization that is not verified, a key that may not make images, or a country.
            return Refused(Reason.NOT_PERMITTED, detail=detail, operator=True)
        if status >= 500 and failure.own and not self.charges:
            return self._broken(failure, detail)
        return self.judge.by_status(answer, paid=True)

    def of_event(self, data: bytes, answer: Answer) -> ProviderError:
        """Make the error for an error in a stream, which began after the request was accepted. Blocks if it is long."""
        detail, value = answer.detail, read_object(data)
        failure = Failure.read(value if value.get("error") else {"error": value})
        if failure.reason is not None and not (self.charges and failure.reason is Reason.BUSY):
            return self._by_code(failure.reason, failure, detail, None)
        return OutcomeUnknown(Reason.BROKEN, detail=detail) if self.charges else self._broken(failure, detail)

    def _by_code(self, reason: Reason, failure: Failure, detail: str, wait: float | None) -> ProviderError:
        match reason:
            case Reason.BUSY:
                return Busy(detail=detail, retry_after=wait)
            case Reason.MODERATED:
                said = sentence(self.judge.plain(failure.said))
                return Refused(Reason.MODERATED, said=said, detail=detail, abuse=failure.abuse)
            case Reason.WRONG_KEY:
                return Refused(Reason.WRONG_KEY, detail=detail, operator=True, setting="OPENAI_KEY")
        return Refused(reason, detail=detail, operator=True)

    def _broken(self, failure: Failure, detail: str) -> ProviderError:
        said = sentence(self.judge.plain(failure.said))
        if _OUT_OF_MEMORY.search(said):
            return Refused(Reason.OUT_OF_MEMORY, detail=detail, fault=True)
        return Refused(Reason.BROKEN, said=said, detail=detail, fault=True)


def _wait(answer: Answer) -> float | None:
    """The seconds that the service asks to wait: it has a header with more precision than the usual one."""
    milliseconds = number(answer.header("retry-after-ms"))
    if milliseconds is not None and milliseconds >= 0:
        return retry_after(str(milliseconds / 1000))
    return retry_after(answer.header("Retry-After"), now=answer.date)
