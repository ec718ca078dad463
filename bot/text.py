"""Text for people: English messages with named values, rendered in the reader's language.

    NO_CREDITS = message("limits.no_credits", "This needs up to {needed:credits}; you have {left:credits} left.")
    raise UserError(NO_CREDITS(needed=4000, left=3000))

A message has a code. Programs and tests compare codes, and a text is stored as its code and values. Words that are only
displayed, like the label of a button, need no code: ``t("Cancel")``. ``str()`` renders both when they are shown, in the
language that ``read_in`` set. ``make messages`` collects all of them for translators.
"""

from __future__ import annotations

import gettext
import string
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeAlias, Union

DOMAIN = "easel"
"""The file name of the catalogues."""
FOLDER = Path(__file__).with_name("locale")
"""The folder of the catalogues; each is ``<language>/LC_MESSAGES/easel.mo``."""
ENGLISH = "en"

Value: TypeAlias = Union[str, int, float, "Text", "Message", Sequence["Value"]]

CATALOGUE: dict[str, Message] = {}
"""Every message that has a code, by its code."""


@dataclass(frozen=True, slots=True)
class Message:
    """One sentence or word for people, in English. Call it with its values to get a ``Text``.

    ``english`` names its values in braces, each with a format of ``Words`` unless it is a plain word. ``plural`` is the
    English for every ``count`` but 1. A message without a ``code`` can be shown, but not stored or compared.
    """

    code: str
    english: str
    plural: str | None = None

    def __call__(self, **values: Value) -> Text:
        return Text(self, values)

    def __str__(self) -> str:
        return str(self())


@dataclass(frozen=True, slots=True)
class Text:
    """A message with its values. ``str()`` renders it."""

    message: Message
    values: Mapping[str, Value] = field(default_factory=dict, hash=False)

    @property
    def code(self) -> str:
        return self.message.code

    def __str__(self) -> str:
        return _WORDS.vformat(_translated(self.message, self.values.get("count")), (), self.values)


def message(code: str, english: str, plural: str | None = None) -> Message:
    """Define a message, at the top of a module. Raises ValueError if another message has this code."""
    if code in CATALOGUE:
        raise ValueError(f"two messages have the code {code}")
    CATALOGUE[code] = defined = Message(code, english, plural)
    return defined


def t(english: str, /, **values: Value) -> Text:
    """Words without a code."""
    return Text(Message("", english), values)


def plural(one: str, many: str, count: int, /, **values: Value) -> Text:
    """Words without a code, for one and for any other number; ``{count}`` is that number."""
    return Text(Message("", one, many), {**values, "count": count})


VERBATIM = message("text.verbatim", "{words}")
"""Words that are shown as they are: a service's own, or words that an older version stored."""
GONE = message("text.gone", "The reason is no longer known.")
"""Replaces a stored message that no longer exists."""
_LIST_AND = message("text.list.and", "{some} and {last}")
_LIST_OR = message("text.list.or", "{some} or {last}")
_CREDITS = message("text.credits", "{number} credit", "{number} credits")
# A number is not separated from its unit at the end of a line.
_SECONDS = message("text.seconds", "{seconds}\N{NO-BREAK SPACE}s")
_MINUTES = message("text.minutes", "{minutes}\N{NO-BREAK SPACE}min")
_MINUTES_AND_SECONDS = message(
    "text.minutes_and_seconds", "{minutes}\N{NO-BREAK SPACE}min {seconds}\N{NO-BREAK SPACE}s"
)


def amount_text(millicredits: int) -> str:
    """The amount as a number of credits without needless zeros: ``1.5``, ``10``, ``1,200``."""
    number = f"{Decimal(millicredits) / 1000:,.3f}".rstrip("0").rstrip(".")
    return "0" if number == "-0" else number


def credits_text(millicredits: int) -> str:
    """The amount with its unit: ``1 credit``, ``1.5 credits``."""
    return str(_CREDITS(number=amount_text(millicredits), count=1 if millicredits == 1000 else 2))


def listed(items: Iterable[Value], joined: Message = _LIST_AND) -> str:
    """A list in words: ``a``, ``a and b``, ``a, b and c``."""
    words = [str(item) for item in items]
    if len(words) < 2:
        return "".join(words)
    return str(joined(some=", ".join(words[:-1]), last=words[-1]))


def lasted(seconds: float) -> str:
    """A duration: ``9 s``, ``1 min 5 s``. Never less than a second."""
    minutes, rest = divmod(max(1, round(seconds)), 60)
    if not minutes:
        return str(_SECONDS(seconds=rest))
    return str(_MINUTES_AND_SECONDS(minutes=minutes, seconds=rest) if rest else _MINUTES(minutes=minutes))


def relative(milliseconds: int) -> str:
    """A time that each reader's client shows relative to now and keeps up to date: ``in 5 hours``, ``a day ago``."""
    return f"<t:{milliseconds // 1000}:R>"


class Words(string.Formatter):
    """Puts values into a message. Their formats:

    * none: words as they are, numbers with thousands separators, a list as ``a, b and c``;
    * ``or``: a list as ``a, b or c``;
    * ``credits``: millicredits as ``1.5 credits``; ``amount``: the same without the unit;
    * ``duration``: seconds as ``1 min 5 s``;
    * ``relative``: Unix milliseconds as a time that Discord shows as ``in 5 hours``;
    * ``plain``: a number without thousands separators: years, ids, pixels.
    """

    def format_field(self, value: Any, format_spec: str) -> str:
        match format_spec:
            case "":
                if isinstance(value, int):
                    return f"{value:,}"
                return str(value) if isinstance(value, str | Text | Message) else self._sequence(value)
            case "or":
                return listed(value, _LIST_OR)
            case "credits":
                return credits_text(value)
            case "amount":
                return amount_text(value)
            case "duration":
                return lasted(value)
            case "relative":
                return relative(value)
            case "plain":
                return str(value)
            case _:
                raise ValueError(f"no format of a message: {format_spec}")

    def _sequence(self, value: object) -> str:
        return listed(value) if isinstance(value, Sequence) else str(value)


_WORDS = Words()


def stored(text: Text) -> dict[str, Any]:
    """The text in a form for JSON: its code and its values. Raises ValueError if it has no code."""
    if not text.code:
        raise ValueError("only a message with a code can be stored")
    return {"code": text.code, "values": {name: _stored_value(value) for name, value in text.values.items()}}


def read_stored(kept: Mapping[str, Any]) -> Text:
    """The text that ``stored`` wrote, perhaps in another version; ``GONE`` if its message no longer exists."""
    known = CATALOGUE.get(kept["code"])
    if known is None:
        return GONE()
    return Text(known, {name: _read_value(value) for name, value in kept["values"].items()})


def _stored_value(value: Value) -> Any:
    if isinstance(value, Message):
        return stored(value())
    if isinstance(value, Text):
        return stored(value)
    return value if isinstance(value, str | int | float) else [_stored_value(each) for each in value]


def _read_value(value: Any) -> Value:
    if isinstance(value, dict):
        return read_stored(value)
    return [_read_value(each) for each in value] if isinstance(value, list) else value


def _load() -> dict[str, gettext.NullTranslations]:
    found: dict[str, gettext.NullTranslations] = {ENGLISH: gettext.NullTranslations()}
    for file in sorted(FOLDER.glob(f"*/LC_MESSAGES/{DOMAIN}.mo")):
        with file.open("rb") as opened:
            found[file.parts[-3]] = gettext.GNUTranslations(opened)
    return found


_LANGUAGES = _load()
_READ_IN: ContextVar[gettext.NullTranslations] = ContextVar("read_in", default=_LANGUAGES[ENGLISH])


def read_in(locale: str) -> None:
    """Set the language of this task's texts to that of ``locale`` (``de``, ``pt-BR``), or else to English."""
    _READ_IN.set(_catalogue(locale))


def languages() -> tuple[str, ...]:
    """The languages of the catalogues, including English."""
    return tuple(_LANGUAGES)


def translation(english: str, locale: str) -> str | None:
    """The translation of words without a code into the language of ``locale``; None if there is none."""
    found = _catalogue(locale).gettext(english)
    return None if found == english else found


def _catalogue(locale: str) -> gettext.NullTranslations:
    wanted = locale.replace("-", "_")
    return _LANGUAGES.get(wanted) or _LANGUAGES.get(wanted.partition("_")[0]) or _LANGUAGES[ENGLISH]


@contextmanager
def reading_in(translations: gettext.NullTranslations) -> Iterator[None]:
    """Take this task's texts from ``translations`` within the block."""
    before = _READ_IN.set(translations)
    try:
        yield
    finally:
        _READ_IN.reset(before)


def _translated(of: Message, count: Value | None) -> str:
    catalogue = _READ_IN.get()
    if of.plural is None:
        return catalogue.pgettext(of.code, of.english) if of.code else catalogue.gettext(of.english)
    number = count if isinstance(count, int) else 2
    if of.code:
        return catalogue.npgettext(of.code, of.english, of.plural, number)
    return catalogue.ngettext(of.english, of.plural, number)
