"""The features that engines may accept. A row of the table of options is one of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from bot.domain.characters import typed
from bot.domain.values import Value, value_text
from bot.providers.base import Ability, Bounds, Engine
from bot.text import Message, Text

NAME_AT_MOST = 100
"""The maximum length of the name of an engine, a style or a sampler in a command: Discord's limit for choices."""


def _no_bounds(_: Engine) -> Bounds | None:
    return None


def _no_names(_: Engine) -> tuple[str, ...]:
    return ()


def _every_engine(_: Engine) -> bool:
    return True


@dataclass(frozen=True, kw_only=True)
class Feature:
    """A feature that an engine may accept: an option, or weights for the parts of a prompt.

    ``label`` is its name on cards; ``noun`` follows "takes". ``ability`` is what an engine must declare to accept it
    (None: every engine does that ``suits``). ``bounds`` returns the engine's own limits.
    """

    name: str
    label: Text
    noun: Text
    ability: Ability | None = None
    bounds: Callable[[Engine], Bounds | None] = _no_bounds
    suits: Callable[[Engine], bool] = _every_engine

    def taken_by(self, engine: Engine) -> bool:
        """Return whether the engine accepts it at all."""
        return self.suits(engine) if self.ability is None else self.ability in engine.abilities


@dataclass(frozen=True, kw_only=True)
class Option(Feature):
    """A row of the table.

    ``name`` is the name of its field in commands, in ``ImagineOptions`` and in ``ImageRequest``. ``kind`` is the type
    of the command's option. ``low`` to ``high`` is the range of the number or of the text's length. ``read`` turns text
    into a value or raises ValueError; ``expects`` describes the valid values. ``said`` describes a ``value``, with
    ``count`` for its plural. ``flags`` set the option in a prompt (default: its name); the first one is printed.
    """

    description: Text
    expects: Text
    said: Message
    kind: type[str] | type[int] | type[float] = str
    low: float = 1
    high: float = NAME_AT_MOST
    read: Callable[[str], Value] = str
    flags: tuple[str, ...] = ()
    names: Callable[[Engine], tuple[str, ...]] = _no_names
    """Returns the engine's own names to choose from. An empty list allows any name."""
    has_default: bool = False
    """Whether people can set their own default."""
    several_words: bool = False
    """Whether a flag's value extends to the next flag."""
    any_value: Value | None = None
    """The value that is equivalent to no value."""
    png_name: str = ""
    """The option's name in the parameters text of image files."""

    def __post_init__(self) -> None:
        if not self.flags:
            object.__setattr__(self, "flags", (self.name,))

    @property
    def has_names(self) -> bool:
        """Whether engines can have a list of names to choose from."""
        return self.names is not _no_names

    def of(self, field: str | float | None) -> Value | None:
        """Parse the field of a command. Returns None if it is empty. Raises ValueError."""
        if not isinstance(field, str):
            return field
        text = typed(field)
        return None if text is None else self.read(text)

    def text(self, value: Value) -> Text:
        """Describe a value in words: ``30 steps``, ``seed 7``."""
        return self.said(value=value_text(value), count=value if isinstance(value, int) else 2)
