"""Parses responses of services: JSON of any shape, numbers sent as text, errors spelled "None".

Nothing here raises for an odd value. An unreadable value becomes None, and the caller decides what that means.
"""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from email.utils import parsedate_to_datetime
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict

from bot.providers.base import Json
from bot.providers.operations import Size

LONGEST_WAIT = 3600.0
"""Seconds: the longest pause that a service can request. A longer one is shortened to this."""

LONGEST_TEXT = 300
"""The maximum number of characters of a service's message that are shown."""

# A larger number of credits is an error in the response, not a price.
_MOST_CREDITS = Decimal(1_000_000)
# The size in bytes from which JSON is decoded in a thread, because decoding takes that long.
_SLOW_TO_READ = 1 << 18
_LONGEST_INNER = 20_000
_NO_ERROR = frozenset({"", "none", "null"})
_TRUE = frozenset({"true", "1", "yes", "on"})
_FALSE = frozenset({"false", "0", "no", "off"})
_FILTERED = re.compile(r"((content|safety)[\W_]*)?filter(ed)?", re.IGNORECASE)
_TAG = re.compile(r"<[^<>]{0,500}>")
_TYPE = re.compile(r"[A-Za-z0-9.+-]{1,30}/[A-Za-z0-9.+-]{1,60}")
_REQUEST_ID = re.compile(r"[A-Za-z0-9_-]{1,80}")
# An absolute path: in quotes, or up to a space behind which it does not go on.
_ROOT = r"(?:[A-Za-z]:[\\/]|\\\\|/(?:home|root|Users|mnt|media|opt|srv|usr|var|tmp|data|workspace|app|content|kaggle)/)"
_FILE = re.compile(rf"(?<=[\"']){_ROOT}[^\"'\n]+(?=[\"'])|(?<![\w.]){_ROOT}(?:[^\s\"'<>|:*?]|\ (?=[^\s\\/]*[\\/]))+")
_SCRIPT = re.compile(r"(?is)<(script|style)\b.*?(</\1\s*>|$)")


class Unreadable(ValueError):
    """The bytes are not valid JSON."""


def parse_json(body: bytes) -> Json:
    """Decode JSON. Raises only Unreadable, for any invalid input."""
    try:
        value: Json = json.loads(body)
    except (ValueError, RecursionError):
        raise Unreadable("not JSON") from None
    return value


def unwrap(value: Json) -> Json:
    """The value under the key ``data``, or the value itself if there is no such wrapper."""
    return value["data"] if isinstance(value, dict) and "data" in value else value


def number(value: object) -> Decimal | None:
    """Parse a number of a sensible magnitude, also from text. A bool is not a number."""
    if isinstance(value, bool) or not isinstance(value, int | float | str | Decimal):
        return None
    try:
        found = Decimal(str(value).strip())
    except (InvalidOperation, ValueError):  # ValueError: an integer too long to be written out
        return None
    # Decimal arithmetic itself fails for larger exponents.
    return found if found.is_finite() and abs(found.adjusted()) <= 30 else None


def whole(value: object) -> int | None:
    """Parse a whole number, also from text or from ``7.0``."""
    found = number(value)
    if found is None or abs(found) >= 2**63 or found != found.to_integral_value():
        return None
    return int(found)


def flag(value: object) -> bool | None:
    """Parse a boolean, also from text or from 0 and 1."""
    if isinstance(value, bool):
        return value
    text = str(value).strip().lower() if isinstance(value, str | int) else ""
    return True if text in _TRUE else False if text in _FALSE else None


def percent(value: object) -> int | None:
    """Parse a percentage from 0 to 100, also from text such as ``40 %``. Values outside the range are clamped."""
    found = number(value.rstrip().removesuffix("%") if isinstance(value, str) else value)
    return None if found is None else int(max(Decimal(0), min(Decimal(100), found)))


def millicredits(value: object) -> int | None:
    """Convert a service's credits to millicredits. Returns None if the value is not a price."""
    found = number(value)
    if found is None or not 0 <= found <= _MOST_CREDITS:
        return None
    return int((found * 1000).to_integral_value(ROUND_HALF_UP))


def dimensions(value: object) -> Size | None:
    """Parse a size written as ``1024x1024``."""
    try:
        return Size.parse(value) if isinstance(value, str) else None
    except ValueError:
        return None


def name(value: object) -> str | None:
    """Return a text, or a number as text. Returns None for an empty text and for anything else."""
    if isinstance(value, bool) or not isinstance(value, str | int):
        return None
    return str(value).strip() or None


def says_filtered(finish_reason: str | None) -> bool:
    """Whether this code means a filtered image. Containing the word is not enough: the text may say the opposite."""
    return _FILTERED.fullmatch(finish_reason or "") is not None


def fault(value: object) -> str | None:
    """The message in an ``error`` field, or None if the field says that there is no error."""
    if not value or (isinstance(value, str) and value.strip().lower() in _NO_ERROR):
        return None
    return " ".join(_words(value, 4)) or "error without a text"


def reason(value: Json) -> str:
    """The error message in a response, or "" if there is none."""
    if isinstance(value, str):
        return value.strip()
    if not isinstance(value, dict):
        return ""
    for key in ("errors", "error", "message", "detail", "reason", "title"):
        # The errors by field are more complete than the message, which repeats only the first of them.
        if value.get(key) is not True and (said := fault(value.get(key))):
            return said
    return ""


def _words(value: object, depth: int) -> Iterator[str]:
    """Yield the texts in a list, an object or a text that is JSON itself. A message or list of errors comes alone."""
    if isinstance(value, str):
        if isinstance(inner := _inner(value), dict | list) and depth:
            yield from _words(inner, depth - 1)
        elif value.strip():
            yield value.strip()
    elif isinstance(value, dict) and depth:
        if isinstance(value.get("message"), str) and value["message"].strip():
            yield value["message"].strip()
        elif isinstance(value.get("errors"), list) and value["errors"]:
            yield from _words(value["errors"], depth - 1)
        else:
            for part in value.values():
                yield from _words(part, depth - 1)
    elif isinstance(value, list) and depth:
        for part in value:
            yield from _words(part, depth - 1)
    elif number(value) is not None:
        yield str(value)


def _inner(text: str) -> Json:
    """The object or list in a text, such as an error that was passed on as it came. None if there is none."""
    if not text.lstrip().startswith(("{", "[")) or len(text) > _LONGEST_INNER:
        return None
    try:
        return parse_json(text.encode("utf-8", "replace"))
    except Unreadable:
        return None


def plain(text: str, *, secrets: Sequence[str] = (), longest: int = LONGEST_TEXT) -> str:
    """Reduce a service's message to one line of ``longest`` characters, without markup, control signs or secrets.

    Paths of files are left out, too: those of a server at home contain its owner's name.
    """
    text = text[:20_000].encode("utf-8", "ignore").decode("utf-8")
    for secret in secrets:
        text = text.replace(secret, "…")
    text = _FILE.sub("…", _TAG.sub(" ", _SCRIPT.sub(" ", text)))
    text = " ".join("".join(sign if sign.isprintable() else " " for sign in text).split())
    return text if len(text) <= longest else f"{text[: longest - 1].rstrip()}…"


def retry_after(value: str | None, *, now: datetime | None = None) -> float | None:
    """Parse a Retry-After header (a number or an HTTP date) into seconds from ``now``. None if unreadable."""
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
    """Parse the date in an HTTP header."""
    if not value:
        return None
    try:
        when = parsedate_to_datetime(value)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return when if when.tzinfo is not None else when.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Answer:
    """A service's complete response. ``detail`` describes it for the log without quoting it."""

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    call: str = ""
    in_thread: Callable[..., Awaitable[Any]] | None = field(default=None, repr=False)
    """Runs the decoding of a long body in a thread. Without it, decoding blocks the event loop."""

    def header(self, name: str) -> str | None:
        return self.headers.get(name)

    @property
    def ok(self) -> bool:
        return 200 <= self.status < 300

    @property
    def date(self) -> datetime | None:
        """The time by the service's own clock, as the reference for dates in the response."""
        return http_date(self.header("Date"))

    @property
    def detail(self) -> str:
        kind = (self.header("Content-Type") or "no type").partition(";")[0].strip()
        kind = kind if kind == "no type" or _TYPE.fullmatch(kind) else "an odd type"
        # By its id, the service's operator finds the request in their own log.
        id_ = self.header("X-Request-ID") or ""
        told = f", request {id_}" if _REQUEST_ID.fullmatch(id_) else ""
        return f"{self.call}: HTTP {self.status}, {kind}, {len(self.body)} bytes{told}"

    async def json(self) -> Json:
        """Decode the body. Raises Unreadable if it is not JSON."""
        if self.in_thread is None or len(self.body) < _SLOW_TO_READ:
            return parse_json(self.body)
        value: Json = await self.in_thread(parse_json, self.body)
        return value

    async def json_if_any(self) -> Json:
        """Decode the body. Returns None if it is not JSON."""
        try:
            return await self.json()
        except Unreadable:
            return None


class Lenient(BaseModel):
    """Base class of parsed responses. Unknown fields and fields with invalid values are ignored."""

    # A response may repeat the prompt, which must not appear in the text of an error.
    model_config = ConfigDict(extra="ignore", frozen=True, hide_input_in_errors=True)


Name = Annotated[str | None, BeforeValidator(name)]
Whole = Annotated[int | None, BeforeValidator(whole)]
Flag = Annotated[bool | None, BeforeValidator(flag)]
Percent = Annotated[int | None, BeforeValidator(percent)]
Millicredits = Annotated[int | None, BeforeValidator(millicredits)]
Dimensions = Annotated[Size | None, BeforeValidator(dimensions)]
Fault = Annotated[str | None, BeforeValidator(fault)]
