"""Reading what a service answered: JSON of any shape, numbers that come as text, errors that are spelt "None".

Nothing here raises for an odd value: what cannot be read is None, and who asked decides what that means.
"""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from email.utils import parsedate_to_datetime
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict

from bot.providers.base import Json, Size

LONGEST_WAIT = 3600.0
"""Seconds; a service that asks for a longer pause gets this one."""

LONGEST_TEXT = 300
"""Characters of a service's words that are shown."""

# Credits beyond this are a fault of the answer and not a price.
_MOST_CREDITS = Decimal(1_000_000)
# Bytes from which on decoding takes long enough to be done in a thread.
_SLOW_TO_READ = 1 << 18
_NO_ERROR = frozenset({"", "none", "null"})
_TRUE = frozenset({"true", "1", "yes", "on"})
_FALSE = frozenset({"false", "0", "no", "off"})
_FILTERED = re.compile(r"((content|safety)[\W_]*)?filter(ed)?", re.IGNORECASE)
_TAG = re.compile(r"<[^<>]{0,500}>")
_TYPE = re.compile(r"[A-Za-z0-9.+-]{1,30}/[A-Za-z0-9.+-]{1,60}")
_SCRIPT = re.compile(r"(?is)<(script|style)\b.*?(</\1\s*>|$)")


class Unreadable(ValueError):
    """The bytes are no JSON."""


def parse_json(body: bytes) -> Json:
    """Decode JSON. Raises Unreadable, and nothing else, for whatever is none."""
    try:
        value: Json = json.loads(body)
    except (ValueError, RecursionError):
        raise Unreadable("not JSON") from None
    return value


def unwrap(value: Json) -> Json:
    """What stands under ``data``, or the value itself where there is no such wrapper."""
    return value["data"] if isinstance(value, dict) and "data" in value else value


def number(value: object) -> Decimal | None:
    """A number of a sensible magnitude, also from text. A bool is none."""
    if isinstance(value, bool) or not isinstance(value, int | float | str | Decimal):
        return None
    try:
        found = Decimal(str(value).strip())
    except (InvalidOperation, ValueError):  # ValueError: an integer too long to be written out
        return None
    # Beyond this the arithmetic of decimals itself gives up.
    return found if found.is_finite() and abs(found.adjusted()) <= 30 else None


def whole(value: object) -> int | None:
    """A whole number, also from text or from ``7.0``."""
    found = number(value)
    if found is None or abs(found) >= 2**63 or found != found.to_integral_value():
        return None
    return int(found)


def flag(value: object) -> bool | None:
    """Yes or no, also from text or from 0 and 1."""
    if isinstance(value, bool):
        return value
    text = str(value).strip().lower() if isinstance(value, str | int) else ""
    return True if text in _TRUE else False if text in _FALSE else None


def percent(value: object) -> int | None:
    """A share from 0 to 100, also from text such as ``40 %``; what lies outside is moved to the nearest end."""
    found = number(value.rstrip().removesuffix("%") if isinstance(value, str) else value)
    return None if found is None else int(max(Decimal(0), min(Decimal(100), found)))


def millicredits(value: object) -> int | None:
    """Credits as a service writes them, in millicredits; None for what is no price."""
    found = number(value)
    if found is None or not 0 <= found <= _MOST_CREDITS:
        return None
    return int((found * 1000).to_integral_value(ROUND_HALF_UP))


def dimensions(value: object) -> Size | None:
    """A size written as ``1024x1024``."""
    try:
        return Size.parse(value) if isinstance(value, str) else None
    except ValueError:
        return None


def name(value: object) -> str | None:
    """A text or a number as text; None for anything else and for an empty one."""
    if isinstance(value, bool) or not isinstance(value, str | int):
        return None
    return str(value).strip() or None


def says_filtered(finish_reason: str | None) -> bool:
    """Whether this code says that a picture was filtered. Not any text that has the word: it may say the opposite."""
    return _FILTERED.fullmatch(finish_reason or "") is not None


def fault(value: object) -> str | None:
    """What an ``error`` field says: None where it says that there is none, else the words in it."""
    if not value or (isinstance(value, str) and value.strip().lower() in _NO_ERROR):
        return None
    return " ".join(_words(value, 4)) or "error without a text"


def reason(value: Json) -> str:
    """The words in an answer that say why it is a no, or "" where there are none."""
    if isinstance(value, str):
        return value.strip()
    if not isinstance(value, dict):
        return ""
    for key in ("errors", "error", "message", "detail", "reason", "title"):
        # The errors by field say all that the message says, which names the first of them only.
        if value.get(key) is not True and (said := fault(value.get(key))):
            return said
    return ""


def _words(value: object, depth: int) -> Iterator[str]:
    """The texts in a list or an object, those of a named message first."""
    if isinstance(value, str):
        if value.strip():
            yield value.strip()
    elif isinstance(value, dict) and depth:
        if isinstance(value.get("message"), str) and value["message"].strip():
            yield value["message"].strip()
        else:
            for part in value.values():
                yield from _words(part, depth - 1)
    elif isinstance(value, list) and depth:
        for part in value:
            yield from _words(part, depth - 1)
    elif number(value) is not None:
        yield str(value)


def plain(text: str, *, secret: str = "", longest: int = LONGEST_TEXT) -> str:
    """A service's words as one line of at most ``longest`` characters, without markup, control signs or the key."""
    text = text[:20_000].encode("utf-8", "ignore").decode("utf-8")
    if secret:
        text = text.replace(secret, "…")
    text = _TAG.sub(" ", _SCRIPT.sub(" ", text))
    text = " ".join("".join(sign if sign.isprintable() else " " for sign in text).split())
    return text if len(text) <= longest else f"{text[: longest - 1].rstrip()}…"


def retry_after(value: str | None, *, now: datetime | None = None) -> float | None:
    """Seconds to wait by a Retry-After header: a number or an HTTP date, counted from ``now``. None: unreadable."""
    if value is None:
        return None
    seconds = number(value)
    if seconds is None:
        when = http_date(value)
        if when is None:
            return None
        return max(0.0, min(LONGEST_WAIT, (when - (now or datetime.now(UTC))).total_seconds()))
    return float(max(Decimal(0), min(Decimal(LONGEST_WAIT), seconds)))


def http_date(value: str | None) -> datetime | None:
    """A date as it stands in an HTTP header."""
    if not value:
        return None
    try:
        when = parsedate_to_datetime(value)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return when if when.tzinfo is not None else when.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer of a service. ``detail`` describes it for the log without a word of what it says."""

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    call: str = ""
    in_thread: Callable[..., Awaitable[Any]] | None = field(default=None, repr=False)
    """How a long body is read beside the event loop; without it that is done at once."""

    def header(self, name: str) -> str | None:
        return self.headers.get(name)

    @property
    def ok(self) -> bool:
        return 200 <= self.status < 300

    @property
    def date(self) -> datetime | None:
        """The service's own clock, by which its dates are to be read."""
        return http_date(self.header("Date"))

    @property
    def detail(self) -> str:
        kind = (self.header("Content-Type") or "no type").partition(";")[0].strip()
        kind = kind if kind == "no type" or _TYPE.fullmatch(kind) else "an odd type"
        return f"{self.call}: HTTP {self.status}, {kind}, {len(self.body)} bytes"

    async def json(self) -> Json:
        """The decoded body. Raises Unreadable if it is no JSON."""
        if self.in_thread is None or len(self.body) < _SLOW_TO_READ:
            return parse_json(self.body)
        value: Json = await self.in_thread(parse_json, self.body)
        return value


class Lenient(BaseModel):
    """Base of parsed answers: unknown fields are ignored, and a field with an invalid value is left out."""

    # An answer repeats the prompt, which belongs in no error's text.
    model_config = ConfigDict(extra="ignore", frozen=True, hide_input_in_errors=True)


Name = Annotated[str | None, BeforeValidator(name)]
Whole = Annotated[int | None, BeforeValidator(whole)]
Flag = Annotated[bool | None, BeforeValidator(flag)]
Percent = Annotated[int | None, BeforeValidator(percent)]
Millicredits = Annotated[int | None, BeforeValidator(millicredits)]
Dimensions = Annotated[Size | None, BeforeValidator(dimensions)]
Fault = Annotated[str | None, BeforeValidator(fault)]
