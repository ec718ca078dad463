"""People's own settings, cached in memory because the first response to a command must not wait for the database."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, fields, replace
from enum import StrEnum
from typing import Any

import structlog
from pydantic import TypeAdapter

from bot.clock import Clock
from bot.domain.characters import typed
from bot.domain.engines import few, find_engine, own_name, takes_shape, typed_shape
from bot.domain.options import IMAGES, IMAGES_PER_JOB, STYLE, Defaults, Unreadable, decoded
from bot.domain.prompt.parser import plain_words
from bot.domain.requests import WRONG_NUMBER_OF_IMAGES
from bot.domain.values import means_nothing
from bot.errors import Problem, UserError
from bot.providers.base import Engine
from bot.text import Text, message
from storage.database import Database
from storage.settings import of_users, set_user

log = structlog.get_logger(__name__)


NEGATIVE_PRICE = message("settings.negative_price", "A price can't be below 0.")
STYLE_OF_NO_ENGINE = message("settings.style_of_no_engine", "No engine here has the style “{style}”. Styles: {styles}.")
NO_STYLES = message("settings.no_styles", "No engine here has the style “{style}”, or any list of styles.")
SIZE_MISFIT = message("settings.size_misfit", "{engine} can't make {size}, so its own default size is used there.")
STYLE_MISFIT = message("settings.style_misfit", "{engine} has no style “{style}”, so no style is used there.")


class Messages(StrEnum):
    """When the bot may send somebody a result as a direct message."""

    NEVER = "never"
    LATE_RESULTS = "late_results"
    """A private result that arrived too late for its card."""


class Notify(StrEnum):
    """How a person is notified that a long job is done."""

    NEVER = "never"
    CHANNEL = "channel"
    """A message in the job's channel that mentions them; for a private job, one that only they see."""
    DM = "dm"


@dataclass(frozen=True)
class UserSettings(Defaults):
    """One person's settings: defaults for commands, and others. None: not set.

    ``ask_above`` is in millicredits. The person must confirm the price of any job that may cost more.
    """

    png_text: bool | None = None
    messages: Messages | None = None
    notify: Notify | None = None
    ask_above: int | None = None

    @property
    def writes_png_text(self) -> bool:
        """Whether prompt, settings and seed are written into image files."""
        return self.png_text is not False

    @property
    def takes_late_results(self) -> bool:
        """Whether a late private result may be sent as a direct message."""
        return self.messages is not Messages.NEVER

    @property
    def notified_by(self) -> Notify:
        """How the end of a long job is announced."""
        return self.notify or Notify.CHANNEL


NAMES = tuple(field.name for field in fields(UserSettings))
_CLEARED_BY_WORDS = frozenset({"engine", "size", "style", "text"})
_NOTHING = UserSettings()
_SETTINGS = TypeAdapter(UserSettings)
_STYLES_NAMED = 20


class UserSettingsStore:
    """Everybody's settings, kept in memory as well as in the database."""

    def __init__(
        self,
        database: Database,
        engines: Callable[[], Mapping[str, Engine]],
        default_engine: Callable[[], str],
        clock: Clock,
    ) -> None:
        """``engines`` returns the engines that make images from words now, by id."""
        self._database = database
        self._engines = engines
        self._default_engine = default_engine
        self._clock = clock
        self._known: dict[int, UserSettings] = {}
        self._turn = asyncio.Lock()

    async def load(self) -> None:
        """Read the stored settings. Raises StorageError."""
        async with self._database.read() as connection:
            stored = await of_users(connection)
        self._known = {user_id: _read(user_id, settings) for user_id, settings in stored.items()}

    def of(self, user_id: int) -> UserSettings:
        """This person's settings."""
        return self._known.get(user_id, _NOTHING)

    async def set(self, user_id: int, changes: Mapping[str, Any]) -> UserSettings:
        """Check and change the settings with these names. The values are as typed.

        Raises UserError with every problem, and then changes nothing.
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
        """Clear the settings with these names."""
        return await self._change(user_id, dict.fromkeys(names))

    def forget(self, user_id: int) -> None:
        """Drop a person's settings from memory after they were deleted from the database."""
        self._known.pop(user_id, None)

    def misfits(self, settings: UserSettings) -> Iterator[Text]:
        """Yield the defaults that the person's default engine does not accept. They are skipped with that engine."""
        engine = self._engine(settings)
        if engine is None:
            return
        if settings.size is not None and not takes_shape(engine, settings.size):
            yield SIZE_MISFIT(engine=engine.name, size=settings.size)
        if settings.style is not None and own_name(STYLE, settings.style, engine) is None:
            yield STYLE_MISFIT(engine=engine.name, style=settings.style)

    def _engine(self, settings: UserSettings) -> Engine | None:
        engines = self._engines()
        return engines.get(settings.engine or "") or engines.get(self._default_engine())

    async def _change(self, user_id: int, changes: Mapping[str, Any]) -> UserSettings:
        async with self._turn:
            settings = replace(self.of(user_id), **changes)
            chosen = {name: value for name in NAMES if (value := getattr(settings, name)) is not None}
            async with self._database.write() as tx:
                await set_user(tx, user_id, chosen, at=self._clock.now())
            # Cached only after it is stored, so that the same settings apply after a restart.
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
        if name == IMAGES.name and not 1 <= value <= IMAGES_PER_JOB:
            raise UserError(WRONG_NUMBER_OF_IMAGES(images=value, most=IMAGES_PER_JOB))
        if name == "ask_above" and value < 0:
            raise UserError(NEGATIVE_PRICE)
        return value

    def _engine_id(self, text: str) -> str:
        return find_engine(typed(text) or "", self._engines()).id

    def _size(self, text: str) -> str:
        return typed_shape(text, self._engines())

    def _has_style(self, text: str) -> bool:
        """Return whether any engine has this style in its list."""
        return any(own_name(STYLE, text, engine) is not None for engine in self._engines().values() if engine.styles)

    def _style(self, text: str) -> str:
        names = (own_name(STYLE, typed(text) or "", engine) for engine in self._engines().values())
        found = next((name for name in names if name is not None), None)
        if found is not None:
            return found
        styles = sorted({style for engine in self._engines().values() for style in STYLE.names(engine)})
        if not styles:
            raise UserError(NO_STYLES(style=text))
        raise UserError(STYLE_OF_NO_ENGINE(style=text, styles=few(styles, _STYLES_NAMED)))


def _read(user_id: int, stored: Mapping[str, Any]) -> UserSettings:
    try:
        return decoded(_SETTINGS, {name: value for name, value in stored.items() if name in NAMES})
    except Unreadable:
        log.exception("settings.unreadable", user=user_id)
        return _NOTHING
