"""What people set for themselves: kept in memory too, since the first answer to a command must not wait for it."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, fields, replace
from enum import StrEnum
from typing import Any

import structlog
from pydantic import TypeAdapter

from bot.clock import Clock
from bot.domain.characters import typed
from bot.domain.defaults import Defaults, means_nothing, takes_shape
from bot.domain.engines import few, find_engine, style_of
from bot.domain.prompt.parser import IMAGES_PER_JOB
from bot.domain.prompt.suffix import plain_words
from bot.domain.sizes import parse_shape
from bot.domain.stored import Unreadable, read_stored
from bot.errors import Problem, UserError
from bot.providers.base import Ability, Engine
from storage.database import Database
from storage.settings import of_users, set_user

log = structlog.get_logger(__name__)


class Messages(StrEnum):
    """When the bot may send somebody a direct message."""

    NEVER = "never"
    LATE_RESULTS = "late results"
    """Only with a private result for which the card could not wait."""
    LONG_JOBS = "long jobs too"
    """Also with a link when a job that took long is done."""


@dataclass(frozen=True, slots=True)
class UserSettings:
    """What one person set; None: not set, so that what lies behind it counts.

    ``ask_above`` is in millicredits: what costs more is asked about before it is made.
    """

    engine: str | None = None
    size: str | None = None
    style: str | None = None
    images: int | None = None
    private: bool | None = None
    text: str | None = None
    png_text: bool | None = None
    messages: Messages | None = None
    ask_above: int | None = None

    @property
    def defaults(self) -> Defaults:
        """The part of it that completes a command."""
        return Defaults(self.engine, self.size, self.style, self.images, self.private, self.text)

    @property
    def writes_png_text(self) -> bool:
        """Whether prompt, settings and seed are written into the files."""
        return self.png_text is not False

    @property
    def takes_late_results(self) -> bool:
        """Whether a private result may come as a direct message."""
        return self.messages is not Messages.NEVER

    @property
    def told_of_long_jobs(self) -> bool:
        """Whether a direct message says that a long job is done."""
        return self.messages is Messages.LONG_JOBS


NAMES = tuple(field.name for field in fields(UserSettings))
_CLEARED_BY_WORDS = frozenset({"engine", "size", "style", "text"})
_NOTHING = UserSettings()
_SETTINGS = TypeAdapter(UserSettings)


class Personal:
    """Everybody's settings."""

    def __init__(self, database: Database, engines: Mapping[str, Engine], default_engine: str, clock: Clock) -> None:
        self._database = database
        self._engines = engines
        self._default_engine = default_engine
        self._clock = clock
        self._known: dict[int, UserSettings] = {}
        self._turn = asyncio.Lock()

    async def load(self) -> None:
        """Read what is stored. Raises StorageError."""
        async with self._database.read() as connection:
            stored = await of_users(connection)
        self._known = {user_id: _read(user_id, settings) for user_id, settings in stored.items()}

    def of(self, user_id: int) -> UserSettings:
        """What this person set."""
        return self._known.get(user_id, _NOTHING)

    async def set(self, user_id: int, changes: Mapping[str, Any]) -> UserSettings:
        """Change the settings of these names, after a check; the values are what was typed.

        Raises UserError, which names everything that is wrong: nothing is changed then.
        """
        checked, problems = dict[str, Any](), list[Problem]()
        for name, value in changes.items():
            try:
                checked[name] = self._checked(name, value)
            except UserError as error:
                problems += error.problems
        if problems:
            raise UserError(*problems)
        return await self._change(user_id, checked)

    async def reset(self, user_id: int, names: Collection[str] = NAMES) -> UserSettings:
        """Forget what was set under these names."""
        return await self._change(user_id, dict.fromkeys(names))

    def forget(self, user_id: int) -> None:
        """The stored settings of this person are gone, and so is what is known of them here."""
        self._known.pop(user_id, None)

    def misfits(self, settings: UserSettings) -> Iterator[str]:
        """Sentences about defaults that the person's default engine does not take, and which are left out there."""
        engine = self._engine(settings)
        if settings.size is not None and not takes_shape(engine, settings.size):
            yield f"{engine.name} does not make {settings.size}, so its own size is used there."
        if settings.style is not None and style_of(engine, settings.style) is None:
            yield f"{engine.name} has no style “{settings.style}”, so it is left out there."

    def _engine(self, settings: UserSettings) -> Engine:
        return self._engines.get(settings.engine or "", self._engines[self._default_engine])

    async def _change(self, user_id: int, changes: Mapping[str, Any]) -> UserSettings:
        async with self._turn:
            settings = replace(self.of(user_id), **changes)
            chosen = {name: value for name in NAMES if (value := getattr(settings, name)) is not None}
            async with self._database.write() as tx:
                await set_user(tx, user_id, chosen, at=self._clock.now())
            # Once it is stored, and not before: what counts now has to count after a restart.
            self._known[user_id] = settings
            if not chosen:
                self.forget(user_id)
        return settings

    def _checked(self, name: str, value: Any) -> Any:
        cleared = name in _CLEARED_BY_WORDS and means_nothing(value)
        if cleared and not (name == "style" and self._has_style(value)):
            return None
        checks = {"engine": self._engine_id, "size": self._size, "style": self._style, "text": plain_words}
        if name in checks:
            return checks[name](value)
        if name == "images" and not 1 <= value <= IMAGES_PER_JOB:
            raise UserError(f"A job makes 1 to {IMAGES_PER_JOB} images, not {value}.")
        if name == "ask_above" and value < 0:
            raise UserError("A price is 0 credits or more.")
        return value

    def _engine_id(self, text: str) -> str:
        return find_engine(typed(text) or "", self._engines).id

    def _size(self, text: str) -> str:
        shape = typed(text) or ""
        try:
            parse_shape(shape)
        except ValueError:
            raise UserError(
                f"“{shape}” is no size. Write a width and a height such as 1024x1024, or a ratio such as 16:9."
            ) from None
        if not any(takes_shape(engine, shape) for engine in self._engines.values()):
            sizes = dict.fromkeys(size for engine in self._engines.values() for size in engine.sizes)
            raise UserError(f"No engine here makes {shape}. Among what they make: {few(map(str, sizes), 12)}.")
        return shape

    def _has_style(self, text: str) -> bool:
        """Whether some engine has a list of styles with this one in it."""
        return any(style_of(engine, text) is not None for engine in self._engines.values() if engine.styles)

    def _style(self, text: str) -> str:
        able = [engine for engine in self._engines.values() if Ability.STYLE in engine.abilities]
        found = [style for engine in able if (style := style_of(engine, typed(text) or "")) is not None]
        if not found:
            styles = sorted({style for engine in able for style in engine.styles})
            raise UserError(f"No engine here has a style “{text}”. Their styles: {few(styles, 20) or 'none'}.")
        return found[0]


def _read(user_id: int, stored: Mapping[str, Any]) -> UserSettings:
    try:
        return read_stored(_SETTINGS, {name: value for name, value in stored.items() if name in NAMES})
    except Unreadable:
        log.exception("settings.unreadable", user=user_id)
        return _NOTHING
